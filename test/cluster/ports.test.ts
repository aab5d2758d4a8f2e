// A second daemon on our ports, whose listeners the kernel would let in: it is refused, whatever address it asks for.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { withoutIpv6 } from '../../src/cluster/every-address.js';
import { choosePorts } from '../../src/cluster/ports.js';
import { configSchema } from '../../src/config/schema.js';
import { AkproxError } from '../../src/infra/errors.js';
import { request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';

const providers = [testProvider('http://127.0.0.1:9')];

async function canBind(host: string): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(0, host), 'listening');
    await once(server.close(), 'close');
    return true;
  } catch {
    return false;
  }
}
const noIpv6 = !(await canBind('::1')) && 'this host has no IPv6';

describe('a second daemon with a metrics port of its own', () => {
  const everywhere = { http: '0.0.0.0:0', https: '0.0.0.0:0', compat: '0.0.0.0:0' };
  for (const setting of ['http', 'https', 'compat'] as const) {
    it(`is refused with one line when listen.${setting} is taken`, async () => {
      await using daemon = await startDaemon({ workers: 1, providers, listen: everywhere });
      const port = new URL(daemon[setting] ?? '').port;
      await assert.rejects(
        startDaemon({ workers: 1, providers, listen: { [setting]: `127.0.0.1:${port}` } }),
        new RegExp(
          `akprox cannot start: listen\\.${setting}: cannot listen on 127.0.0.1:${port}: the port is taken by another akprox`,
        ),
      );
    });
  }

  it('is refused also when one of the two listens on [::], the other on 0.0.0.0', { skip: noIpv6 }, async () => {
    for (const [first, other] of [
      ['[::]', '0.0.0.0'],
      ['0.0.0.0', '[::]'],
      ['[::]', '[::]'],
    ] as const) {
      await using daemon = await startDaemon({ workers: 1, providers, listen: { http: `${first}:0` } });
      const { port } = new URL(daemon.http);
      await assert.rejects(
        startDaemon({ workers: 1, providers, listen: { http: `${other}:${port}` } }),
        /listen\.http: .*the port is taken/,
        `${first} and ${other}`,
      );
    }
  });
});

describe('choosePorts', () => {
  const listen = { ...configSchema.parse({}).listen, http: null, https: null, metrics: '127.0.0.1:0' };

  it('chooses a port of its own for each listener that asks for any, and lets go of it', async () => {
    const chosen = await choosePorts({
      ...listen,
      http: '127.0.0.1:0',
      https: '127.0.0.1:0',
      compat: '127.0.0.1:0',
      metrics: null,
    });
    const ports = [chosen.http, chosen.https, chosen.compat].map((address) => Number(address?.split(':')[1]));
    assert.equal(new Set(ports).size, 3);
    for (const port of ports) {
      assert.ok(port > 0);
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      await once(server.close(), 'close');
    }
    assert.deepEqual(await choosePorts(listen), listen);
  });

  it('waits for a predecessor that is about to go', async () => {
    const predecessor = createServer().listen(0, '127.0.0.1');
    await once(predecessor, 'listening');
    const { port } = predecessor.address() as { port: number };
    const asked = choosePorts({ ...listen, http: `127.0.0.1:${port}` }, 1_000);
    // The first try was refused by now: it was made before the event loop turned.
    setImmediate(() => setImmediate(() => predecessor.close()));
    assert.equal((await asked).http, `127.0.0.1:${port}`);
  });

  it('says what else is wrong with an address', async () => {
    await assert.rejects(choosePorts({ ...listen, compat: '192.0.2.1:0' }), (error: unknown) => {
      assert.ok(error instanceof AkproxError);
      assert.equal(error.code, 'listen_failed');
      assert.match(
        error.message,
        /^listen\.compat: cannot listen on 192\.0\.2\.1:0: this host has no such address: name one /,
      );
      return true;
    });
  });
});

describe('[::]', () => {
  const { listen } = configSchema.parse({});

  it('is where every listener is unless something else is written', () => {
    assert.deepEqual([listen.http, listen.https, listen.metrics], ['[::]:9000', '[::]:9443', '[::]:9300']);
  });

  it('answers over IPv4 and IPv6', { skip: noIpv6 }, async () => {
    const everywhere = { http: '[::]:0', compat: '[::]:0', metrics: '[::]:0' };
    await using daemon = await startDaemon({
      workers: 1,
      providers,
      listen: everywhere,
      log: { level: 'info', checks: 'denied' },
    });
    for (const url of [daemon.http, daemon.compat ?? '', daemon.metrics]) {
      const { port } = new URL(url);
      for (const host of ['127.0.0.1', '[::1]']) {
        assert.equal((await request(`http://${host}:${port}/akprox/ping`)).status, 204, `${host} ${url}`);
      }
    }
    // An address of IPv4 is written as one.
    for (const url of [daemon.http, daemon.compat ?? '']) {
      const path = `/from-${new URL(url).port}`;
      await traefikCheck(`http://127.0.0.1:${new URL(url).port}`, `http://whoami.localhost:8080${path}`, {
        headers: { 'X-Forwarded-For': '' },
      });
      const line = await daemon.waitFor((one) => one.msg === 'check denied' && one['path'] === path);
      assert.equal(line['client'], '127.0.0.1');
    }
  });

  it('is 0.0.0.0 on a host without IPv6, and nothing else changes', async () => {
    const written = { ...listen, compat: '[::1]:1', metrics: null };
    assert.deepEqual(await withoutIpv6(written, async () => true), written);
    assert.deepEqual(await withoutIpv6(written, async () => false), {
      ...written,
      http: '0.0.0.0:9000',
      https: '0.0.0.0:9443',
    });
    const unix = { ...listen, http: 'unix:/[::]:1', https: null, metrics: '127.0.0.1:1' };
    const asked = withoutIpv6(unix, async () => assert.fail('nothing depends on it'));
    assert.equal(await asked, unix);
  });
});
