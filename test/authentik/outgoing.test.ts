// Core by way of a proxy: the API, and the websocket, which is a tunnel whatever its scheme.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generate } from 'selfsigned';
import { createCoreApi } from '../../src/authentik/api.js';
import { type CoreSocketOptions, connectCore } from '../../src/authentik/socket.js';
import { startConnectProxy } from '../kit/connect-proxy.js';
import { createTestLog, createTestTimers, createWaiter, startTestCore, WHOAMI } from './setup.js';

const HOST = 'core.company.tld';

async function startTest(secure: boolean, credentials = 'akprox:p@ss') {
  const pems = await generate([{ name: 'commonName', value: HOST }], { keyType: 'ec' });
  const tls = secure ? { tls: { key: pems.private, cert: pems.cert } } : {};
  const core = await startTestCore({ providers: [WHOAMI], ...tls });
  const proxy = await startConnectProxy();
  proxy.target = Number(new URL(core.url).port);
  proxy.credentials = 'akprox:p@ss';
  const url = `http://${encodeURIComponent(credentials).replace('%3A', ':')}@127.0.0.1:${proxy.port}`;
  const proxies = { http: url, https: url, except: [] };
  const host = `${secure ? 'https' : 'http'}://${HOST}`;
  const waiter = createWaiter();
  const log = createTestLog(waiter);
  const heard: string[] = [];
  const options: CoreSocketOptions = {
    ...{ host, token: core.token, insecure: true, proxies, outpostPk: core.outpostPk, instanceId: 'x', hello: {} },
    ...{ timers: createTestTimers(waiter), random: () => 0, monotonic: () => 0, log },
    onTrigger: () => {},
    onSessionEnd: () => {},
    onConnected: () => {
      heard.push('connected');
      waiter.changed();
    },
  };
  return {
    ...{ core, proxy, log, heard, until: waiter.until },
    api: createCoreApi({ host, token: core.token, insecure: true, proxies }),
    connect: () => connectCore(options),
    close: async () => {
      await core.close();
      await proxy.close();
    },
  };
}

describe('by way of a proxy', () => {
  for (const secure of [false, true]) {
    it(`the API is asked over ${secure ? 'https' : 'http'}`, async () => {
      const { api, core, proxy, close } = await startTest(secure);
      assert.equal((await api.instance()).pk, core.outpostPk);
      assert.deepEqual(proxy.seen, [secure ? `CONNECT ${HOST}:443` : `GET http://${HOST}/api/v3/outposts/instances/`]);
      await close();
    });

    it(`the websocket is connected over ${secure ? 'wss' : 'ws'}`, async () => {
      const { connect, proxy, heard, until, core, close } = await startTest(secure);
      const socket = connect();
      await until(() => heard.length > 0);
      assert.deepEqual(proxy.seen, [`CONNECT ${HOST}:${secure ? 443 : 80}`]);
      await core.until(() => core.frames.length === 1);
      socket.close();
      await close();
    });
  }

  it('one that refuses is named by its variable, and neither it nor its password is in the log', async () => {
    const { api, connect, log, until, close } = await startTest(true, 'akprox:hunter2');
    await assert.rejects(api.instance(), /authentik cannot be reached.*HTTPS_PROXY/);
    const socket = connect();
    await until(() => /no live connection/.test(log.all()));
    assert.match(log.all(), /the proxy answered 407/);
    assert.doesNotMatch(log.all(), /hunter2/);
    socket.close();
    await close();
  });
});
