// What each of the files for Traefik says beside its routes: `maxResponseBodySize`, so that what the outpost may answer comes through and
// not a byte more, and the certificate.
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerResponse } from 'node:http2';
import { it } from 'node:test';
import { generate } from 'selfsigned';
import type { Daemon } from '../kit/daemon.js';
import { listenLocally } from '../kit/listening.js';
import { PREPARE, type Prepare } from '../kit/proxy-commands.js';
import { APP, proxyMissing, type Surroundings, startApplication, startRealWorld } from '../kit/real-proxy.js';
import { composeLabels, dockerLabels, kubernetesResources } from '../kit/traefik-variants.js';

const LIMIT = 16_384;
/** `certificate`: whose, where the file names one. */
const VARIANTS: Readonly<Record<string, { readonly prepare: Prepare; readonly certificate?: string }>> = {
  'dynamic.yaml': { prepare: PREPARE.traefik },
  'docker-compose.yaml': { prepare: dockerLabels },
  'deploy/compose.yaml': { prepare: composeLabels },
  'kubernetes.yaml': { prepare: kubernetesResources, certificate: 'whoami.company.tld' },
};

/** An outpost that denies everything with as many bytes as `X-Bytes` says. */
async function startDenier(): Promise<Surroundings> {
  const deny = (
    req: { url?: string | undefined; headers: IncomingHttpHeaders },
    res: ServerResponse | Http2ServerResponse,
  ): void => {
    res.writeHead(req.url === '/akprox/userinfo' ? 401 : 403);
    res.end('x'.repeat(Number(req.headers['x-bytes'] ?? 0)));
  };
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'denier' }], {
    keyType: 'ec',
    curve: 'P-256',
  });
  // The check is asked over HTTP/2, what the test waits for over HTTP.
  const denier = await listenLocally(createSecureServer({ cert, key }, deny));
  const plain = await listenLocally(createServer(deny));
  const application = await startApplication();
  return {
    mode: 'single',
    daemon: { http: `http://127.0.0.1:${plain.port}`, https: `https://127.0.0.1:${denier.port}` } as Daemon,
    issuer: '',
    application,
    [Symbol.asyncDispose]: async () => {
      await application.close();
      await denier.close();
      await plain.close();
    },
  };
}

for (const [file, { prepare, certificate }] of Object.entries(VARIANTS)) {
  it(`Traefik relays a denial of ${LIMIT} bytes, and none that is longer: ${file}`, {
    skip: proxyMissing('traefik') ?? false,
  }, async () => {
    await using around = await startDenier();
    await using world = await startRealWorld('traefik', 'single', { around, prepare });
    const ask = (bytes: number) => world.browser().get(`${APP}/`, { 'X-Bytes': String(bytes) });
    const whole = await ask(LIMIT);
    assert.deepEqual([whole.status, whole.body.length], [403, LIMIT]);
    const longer = await ask(LIMIT + 1);
    assert.deepEqual([longer.status, longer.body], [401, '']);
    assert.deepEqual(world.seen, []);
    const socket = await world.connect();
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    if (certificate !== undefined) assert.equal(subject.CN, certificate);
  });
}
