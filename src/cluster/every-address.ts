// `[::]` is every address, of IPv4 too. A kernel without IPv6 knows no such address: there it is 0.0.0.0.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '../config/schema.js';

/** `listen` as this host can have it. `hasIpv6` is asked when it matters. */
export async function withoutIpv6(
  listen: Config['listen'],
  hasIpv6: () => Promise<boolean> = bindsIpv6,
): Promise<Config['listen']> {
  const keys = (['http', 'https', 'compat', 'metrics'] as const).filter((key) => listen[key]?.startsWith('[::]:'));
  if (keys.length === 0 || (await hasIpv6())) return listen;
  return { ...listen, ...Object.fromEntries(keys.map((key) => [key, listen[key]?.replace('[::]', '0.0.0.0')])) };
}

async function bindsIpv6(): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen({ host: '::', port: 0, exclusive: true }), 'listening');
    await once(server.close(), 'close');
    return true;
  } catch {
    return false;
  }
}
