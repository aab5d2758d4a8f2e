// The store that the configuration names.
import type { StoreConfig } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';
import type { SessionStore } from './store.js';
import { openEmbeddedStore } from './store-embedded.js';

export async function openStore(config: StoreConfig, now: () => number): Promise<SessionStore> {
  if (config.kind === 'embedded') return openEmbeddedStore({ path: config.path, maxBytes: config.max_bytes, now });
  throw new AkproxError('config_invalid', 'store.kind: redis is not built in yet; use embedded');
}
