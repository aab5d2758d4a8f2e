// The daemon as it is built, with an identity provider that only a proxy knows and whose CA is in a file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { generate } from 'selfsigned';
import { startConnectProxy } from '../kit/connect-proxy.js';
import { request, startDaemon, testProvider } from '../kit/daemon.js';
import { listenLocally } from '../kit/listening.js';
import { until } from '../kit/until.js';

const ISSUER = 'https://idp.company.tld';

it('asks by way of HTTPS_PROXY, trusts oidc.ca, and at SIGHUP what is in that file by then', async () => {
  const altNames = { extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'idp.company.tld' }] }] };
  const options = { keyType: 'ec', ...altNames } as Parameters<typeof generate>[1];
  const [pems, other] = await Promise.all([
    generate([{ name: 'commonName', value: 'idp' }], options),
    generate([{ name: 'commonName', value: 'other' }], options),
  ]);
  const document = {
    authorization_endpoint: `${ISSUER}/auth`,
    token_endpoint: `${ISSUER}/token`,
    jwks_uri: `${ISSUER}/jwks`,
  };
  const idp = await listenLocally(
    createServer({ key: pems.private, cert: pems.cert }, (_, res) => {
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify({ issuer: ISSUER, ...document }));
    }),
  );
  const proxy = await startConnectProxy();
  proxy.target = idp.port;
  const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
  const ca = join(directory, 'ca.pem');
  writeFileSync(ca, other.cert);
  const oidc = { issuer: ISSUER, client_id: 'whoami', client_secret: 'whoami-client-secret', ca };
  {
    await using daemon = await startDaemon(
      { workers: 1, providers: [testProvider(ISSUER, { oidc })] },
      { env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` } },
    );
    const start = () => request(`${daemon.http}/akprox/start`, { headers: { Host: 'whoami.localhost:8080' } });
    await daemon.waitFor((line) => /oidc\.ca/.test(String(line['err'])));
    assert.equal((await start()).status, 503);

    writeFileSync(ca, pems.cert);
    daemon.child.kill('SIGHUP');
    await daemon.waitFor(({ msg }) => msg === 'the configuration was changed');
    await until(async () => (await start()).status === 302);
    assert.ok(proxy.seen.length > 0 && proxy.seen.every((line) => line === 'CONNECT idp.company.tld:443'));
    assert.equal(daemon.stray(), '');
  }
  await proxy.close();
  await idp.close();
  rmSync(directory, { recursive: true });
});
