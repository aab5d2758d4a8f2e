// A Provider for unit tests.

import { type Application, createApplication } from '../../src/application/application.js';
import { providerSchema } from '../../src/config/schema.js';
import { SECRET } from './daemon.js';

export function makeProvider(overrides: Record<string, unknown> = {}): Application {
  return createApplication(
    providerSchema.parse({
      name: 'whoami',
      mode: 'forward_single',
      external_host: 'https://whoami.company.tld',
      cookie_secret: SECRET,
      oidc: { issuer: 'https://idp.company.tld', client_id: 'whoami', client_secret: 'whoami-client-secret' },
      ...overrides,
    }),
  );
}
