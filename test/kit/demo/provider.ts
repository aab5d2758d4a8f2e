// The demo's OpenID provider as a process of its own, for a container (deploy/compose.yaml, profile demo; the stage `idp` of
// the Dockerfile). For development only: it takes any password.
import { readFileSync } from 'node:fs';
import { startIdp } from '../idp.js';
import { ACCOUNTS } from './accounts.js';

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** What browser and outpost both call it. */
const issuer = setting('IDP_ISSUER');
/** Origin of the application, whose only client this is. */
const application = setting('IDP_APPLICATION');

const idp = await startIdp({
  issuer,
  listen: '0.0.0.0',
  port: Number(new URL(issuer).port),
  accounts: ACCOUNTS,
  clients: [
    {
      client_id: 'whoami',
      client_secret: readFileSync(setting('IDP_CLIENT_SECRET_FILE'), 'utf8').trim(),
      redirect_uris: [`${application}/akprox/callback`],
      post_logout_redirect_uris: [`${application}/akprox/signed_out`],
    },
  ],
});
process.stdout.write(
  `OpenID provider ready ${issuer}: alice is in the group staff, bob is not; any password will do\n`,
);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void idp.close().then(() => process.exit()));
