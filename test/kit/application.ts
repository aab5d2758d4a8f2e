// Configurations and applications for tests and benches, made as the daemon makes them.
import { readFileSync } from 'node:fs';
import { type Application, createApplication } from '../../src/application/application.js';
import { parseOrigin } from '../../src/application/public-origin.js';
import type { ReturnTarget } from '../../src/application/return-url.js';
import { loadConfig } from '../../src/config/load.js';
import { type Config, configSchema } from '../../src/config/schema.js';
import type { RedisStoreConfig } from '../../src/session/redis/redis-options.js';
import { SECRET } from './daemon.js';

/** What a file with this in it is read as; throws when anything is wrong with it. */
export function configOf(written: object): Config {
  const env = { AKPROX_CONFIG: 'written' };
  const readFile = (path: string): string =>
    path === '/written' ? JSON.stringify(written) : readFileSync(path, 'utf8');
  const result = loadConfig({ env, cwd: '/', readFile });
  if (!result.ok) throw new Error(result.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  return result.config;
}

/** `store` of a configuration, for a Redis. Files that it names are not looked at. */
export function redisStoreOf(facts: object): RedisStoreConfig {
  const { store } = configSchema.parse({ store: { kind: 'redis', ...facts } });
  if (store.kind !== 'redis') throw new Error('no Redis');
  return store;
}

export function makeApplication(overrides: Record<string, unknown> = {}): Application {
  const provider = {
    name: 'whoami',
    mode: 'forward_single',
    external_host: 'https://whoami.company.tld',
    cookie_secret: SECRET,
    oidc: { issuer: 'https://idp.company.tld', client_id: 'whoami', client_secret: 'whoami-client-secret' },
    ...overrides,
  };
  const [config] = configOf({ providers: [provider] }).providers;
  if (config === undefined) throw new Error('no provider');
  return createApplication(config);
}

/** `cookieDomain` makes it one of `forward_domain`. */
export function returnTarget(text: string, cookieDomain = ''): ReturnTarget {
  const origin = parseOrigin(text);
  if (origin === undefined) throw new Error(`no origin: ${text}`);
  return { ...origin, mode: cookieDomain === '' ? 'forward_single' : 'forward_domain', cookieDomain };
}
