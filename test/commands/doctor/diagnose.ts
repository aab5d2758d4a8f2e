// The doctor as an operator would call it: with the outpost beside the proxy, whoami on a public path and a session.
import assert from 'node:assert/strict';
import type { Report } from '../../../src/commands/doctor/collector.js';
import { examine } from '../../../src/commands/doctor/examine.js';
import type { FindingCode, ProxyName } from '../../../src/commands/doctor/findings.js';
import { createProbe } from '../../../src/commands/doctor/probe.js';
import type { Browser } from '../../kit/browser.js';
import { APP } from '../../kit/real-proxy.js';
import type { Breakage } from './breakages.js';

export interface Clinic {
  readonly port: number;
  readonly daemon: { readonly http: string };
  browser(): Browser;
}

export async function diagnose(world: Clinic, options: { proxy?: ProxyName; url?: URL } = {}): Promise<Report> {
  const url = options.url ?? new URL(`${APP}/page?x=1&y=%2F`);
  const probe = { insecure: true, timeoutMs: 20_000 };
  return examine({
    url,
    ask: createProbe({ ...probe, connect: { host: '127.0.0.1', port: world.port } }),
    outpost: { origin: new URL(world.daemon.http), ask: createProbe({ ...probe, connect: null }) },
    echo: new URL('/public/', url),
    session: await sessionOf(world),
    proxy: options.proxy ?? null,
    mark: 'd0c70rmark',
    progress: () => {},
  });
}

/** The break is found, and nothing but what follows from it; `usual` is what the proxy is always told. */
export function assertFound(
  { findings }: Report,
  { code, alongside = [] }: Pick<Breakage, 'code' | 'alongside'>,
  usual: readonly FindingCode[] = [],
): void {
  const codes = new Set(findings.map((found) => found.code));
  const shown = JSON.stringify(findings, null, 2);
  assert.ok(codes.has(code), shown);
  for (const known of [code, ...alongside, ...usual]) codes.delete(known);
  assert.deepEqual([...codes], [], shown);
}

/** Null where nobody can log in. Behind some broken proxies a login ends in a loop, and yet there is a session. */
async function sessionOf(world: Clinic): Promise<string | null> {
  const browser = world.browser();
  try {
    await browser.logIn(`${APP}/`, 'alice');
  } catch {
    // What is wrong is for the doctor to find.
  }
  const cookies = await browser.cookies(`${APP}/`);
  return cookies.some((cookie) => cookie.startsWith('authentik_proxy_')) ? cookies.join('; ') : null;
}
