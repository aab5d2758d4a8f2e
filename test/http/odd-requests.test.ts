// What no table has: bodies larger than anybody wants, request lines and options that are not ours, handlers that fail.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Answers } from '../../src/http/answer.js';
import { empty, json } from '../../src/http/exchange.js';
import { BODY, CLOSE, HEAD, KEEP_ALIVE } from '../../src/http/framing.js';
import type { PendingAnswer, RawResponse } from '../../src/http/pending-answer.js';
import { THROWN_AWAY } from '../../src/http/request-body.js';
import { type Daemon, startDaemon, testProvider } from '../kit/daemon.js';
import { headerOf, Wire } from '../kit/wire.js';

const LISTENERS = ['http', 'https', 'compat', 'metrics'] as const;
const TARGETS = { http: '/akprox/auth/nginx', https: '/akprox/start', compat: '/akprox/auth/nginx', metrics: '/livez' };
const HEADERS = 'Host: whoami.localhost:8080\r\n';

let daemon: Daemon;
before(async () => {
  daemon = await startDaemon({
    workers: 1,
    providers: [testProvider('http://127.0.0.1:1')],
    listen: { compat: '127.0.0.1:0', https: '127.0.0.1:0' },
  });
});
after(() => daemon?.[Symbol.asyncDispose]());

describe('the daemon', () => {
  // All at once, because each lasts as long as a connection waits for its body.
  it('answers in front of a body that never ends, and closes the connection', async () => {
    const endless = LISTENERS.flatMap((listener) =>
      ['POST', 'HEAD'].map(async (method) => {
        const wire = await Wire.open(daemon[listener] ?? assert.fail());
        wire.send(`${method} ${TARGETS[listener]} HTTP/1.1\r\n${HEADERS}Content-Length: ${64 * THROWN_AWAY}\r\n\r\n`);
        const answer = await wire.next(method === 'HEAD');
        assert.ok(answer && answer.status >= 200);
        assert.equal(headerOf(answer, 'connection'), 'close');
        for (let i = 0; i < 3; i += 1) wire.send('x'.repeat(THROWN_AWAY / 2));
        await wire.closed();
      }),
    );
    await Promise.all(endless);
  });

  for (const listener of LISTENERS) {
    const open = (): Promise<Wire> => Wire.open(daemon[listener] ?? assert.fail());
    const target = TARGETS[listener];

    it(`${listener}: a body of 200 KiB that comes late is read to its end before the connection closes`, async () => {
      const size = 200 * 1_024;
      const wire = await open();
      wire.send(`POST ${target} HTTP/1.1\r\n${HEADERS}Content-Length: ${size}\r\n\r\n`);
      const answer = await wire.next();
      assert.equal(answer && headerOf(answer, 'connection'), 'close');
      wire.send('x'.repeat(size));
      // A reset would be an error of the socket.
      await wire.closed({ orderly: true });
    });

    it(`${listener}: the same in chunks`, async () => {
      const wire = await open();
      wire.send(`POST ${target} HTTP/1.1\r\n${HEADERS}Transfer-Encoding: chunked\r\n\r\n`);
      const answer = await wire.next();
      assert.equal(answer && headerOf(answer, 'connection'), 'close');
      for (let i = 0; i < 20; i += 1) wire.send(`2800\r\n${'x'.repeat(0x2800)}\r\n`);
      wire.send('0\r\n\r\n');
      await wire.closed({ orderly: true });
    });

    for (const [what, request] of [
      ['an upgrade to WebSocket', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'],
      [
        'an upgrade to h2c',
        'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
      ],
      ['a Trailer that is announced', 'Trailer: X\r\nTE: trailers\r\n'],
      ['an expectation that nobody meets', 'Expect: 100-continue\r\n'],
    ] as const) {
      it(`${listener}: ${what} is a request like any other`, async () => {
        const wire = await open();
        try {
          wire.send(`GET ${target} HTTP/1.1\r\n${HEADERS}${request}\r\n`);
          let answer = await wire.next();
          if (answer?.status === 100) answer = await wire.next();
          assert.ok(answer && answer.status >= 200, String(answer?.status));
          wire.send('GET /akprox/ping HTTP/1.1\r\nHost: x\r\n\r\n');
          assert.equal((await wire.next())?.status, 204);
        } finally {
          wire.close();
        }
      });
    }

    for (const line of [
      'OPTIONS * HTTP/1.1',
      'CONNECT whoami.localhost:8080 HTTP/1.1',
      'GET http://x/akprox/auth/nginx HTTP/1.1',
    ]) {
      it(`${listener}: ${line} is answered without a 2xx, or closed`, async () => {
        const wire = await open();
        try {
          wire.send(`${line}\r\n${HEADERS}Connection: close\r\n\r\n`);
          assert.match(await wire.rest(), /^(HTTP\/1\.1 [45]|$)/);
        } finally {
          wire.close();
        }
      });
    }
  }

  it('metrics: HEAD is GET without the body', async () => {
    const wire = await Wire.open(daemon.metrics);
    try {
      for (const path of ['/livez', '/readyz', '/metrics', '/akprox/ping', '/nothing']) {
        wire.send(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\nGET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        const [head, get] = [await wire.next(true), await wire.next()];
        assert.ok(head && get);
        assert.equal(head.status, get.status);
        // Figures change from one to the next.
        const names = (answer: typeof get): string[] => answer.headers.map(([name]) => name);
        assert.deepEqual(names(head), names(get));
        if (path !== '/metrics') assert.equal(headerOf(head, 'content-length'), headerOf(get, 'content-length'));
      }
    } finally {
      wire.close();
    }
  });

  it('is as well as it was', async () => {
    assert.equal(await daemon.metric('akprox_worker_restarts_total'), 0);
    assert.deepEqual(
      daemon.lines.filter((line) => line.msg === 'an unexpected error'),
      [],
    );
  });
});

/** Keeps what uWebSockets.js would write, and refuses what it would not survive. */
class FakeResponse implements RawResponse {
  text = '';
  state: 'open' | 'answered' | 'closed' = 'open';
  aborted: (() => void) | null = null;
  data: ((chunk: ArrayBuffer, isLast: boolean) => void) | null = null;
  /** Throws at this header. */
  broken = '';

  writeStatus(status: string): void {
    this.use();
    this.text += `${status}\n`;
  }

  writeHeader(name: string | ArrayBuffer, value: string | ArrayBuffer): void {
    this.use();
    if (name === this.broken) throw new Error('broken');
    this.text += `${String(name)}: ${String(value)}\n`;
  }

  end(body: string, closeConnection: boolean): void {
    this.use();
    this.text += `\n${body}`;
    this.state = closeConnection ? 'closed' : 'answered';
  }

  endWithoutBody(length?: number, closeConnection?: boolean): void {
    this.use();
    assert.ok(length === undefined || length === 0, 'does not count as an answer');
    assert.ok(length !== undefined || closeConnection === undefined, 'writes a garbage number');
    this.state = closeConnection ? 'closed' : 'answered';
  }

  close(): void {
    this.use();
    this.state = 'closed';
    this.aborted?.();
  }

  cork(write: () => void): void {
    this.use();
    write();
  }

  pause(): void {
    this.use();
  }

  onAborted(handler: () => void): void {
    this.use();
    this.aborted = handler;
  }

  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    this.use();
    this.data = handler;
  }

  private use(): void {
    assert.equal(this.state, 'open', 'the response is dead');
  }
}

describe('a handler', () => {
  function run(handler: (res: FakeResponse, answers: Answers) => void, framing = KEEP_ALIVE) {
    const errors: unknown[] = [];
    const idle: number[] = [];
    const answers = new Answers({ onError: (error) => errors.push(error), now: () => 0, onIdle: () => idle.push(1) });
    const res = new FakeResponse();
    answers.guarded<FakeResponse, null>(
      (response) => handler(response, answers),
      () => framing,
    )(res, null);
    return { res, errors, answers, idle };
  }

  it('that answers nothing is answered for', () => {
    const { res, errors } = run(() => {});
    assert.match(res.text, /^500 /);
    assert.equal(res.state, 'answered');
    assert.equal(errors.length, 1);
  });

  it('that throws is answered for, HEAD without a body', () => {
    const { res, errors } = run(() => {
      throw new Error('x');
    }, HEAD | CLOSE);
    assert.match(res.text, /^500 [\s\S]*Content-Length: [1-9]\d*\n$/);
    assert.equal(res.state, 'answered');
    assert.equal(errors.length, 1);
  });

  it('that throws after its answer has answered once', () => {
    const { res, errors } = run((response, answers) => {
      answers.reply(response, empty(401), KEEP_ALIVE);
      throw new Error('x');
    });
    assert.match(res.text, /^401 /);
    assert.doesNotMatch(res.text, /500/);
    assert.equal(errors.length, 1);
  });

  it('whose answer breaks half-way loses its connection, not the worker', () => {
    const { res, errors } = run((response, answers) => {
      response.broken = 'Cache-Control';
      answers.reply(response, empty(401), KEEP_ALIVE);
    });
    assert.equal(res.state, 'closed');
    assert.equal(errors.length, 1);
  });

  it('whose answer has a control character answers 500', () => {
    const { res, errors } = run((response, answers) => {
      answers.reply(response, empty(302, [['Location', 'x\r\nSet-Cookie: a=b']]), KEEP_ALIVE);
    });
    assert.match(res.text, /^500 /);
    assert.doesNotMatch(res.text, /Set-Cookie/);
    assert.equal(errors.length, 1);
  });

  it('that throws in front of a body answers as soon as it has come', () => {
    const { res } = run(() => {
      throw new Error('x');
    }, BODY);
    assert.equal(res.text, '');
    res.data?.(new ArrayBuffer(3), true);
    assert.match(res.text, /^500 /);
    assert.equal(res.state, 'answered');
  });

  it('that answers later does so once, and not when the client has gone', () => {
    const pending: PendingAnswer[] = [];
    const { res, answers, idle } = run((response, all) => void pending.push(all.later(response, KEEP_ALIVE, 0)));
    assert.equal(answers.pending, 1);
    pending[0]?.answer((framing) => answers.reply(res, json(401, {}), framing));
    pending[0]?.answer((framing) => answers.reply(res, json(403, {}), framing));
    assert.match(res.text, /^401 /);
    assert.equal(answers.pending, 0);
    assert.equal(idle.length, 1);

    const gone = run((response, all) => void pending.push(all.later(response, KEEP_ALIVE, 0)));
    gone.res.aborted?.();
    gone.res.state = 'closed';
    pending[1]?.answer((framing) => gone.answers.reply(gone.res, json(401, {}), framing));
    assert.equal(gone.res.text, '');
    assert.equal(gone.answers.pending, 0);
  });

  it('whose later answer fails answers 500, and loses the connection only when a part is written', () => {
    for (const [broken, expected] of [
      ['', 'answered'],
      ['Cache-Control', 'closed'],
    ] as const) {
      const { res, answers, errors } = run((response, all) => {
        response.broken = broken;
        all.later(response, KEEP_ALIVE, 0).answer(() => {
          if (broken === '') throw new Error('x');
          all.reply(response, empty(401), KEEP_ALIVE);
        });
      });
      assert.equal(res.state, expected);
      assert.equal(errors.length, 1);
      assert.equal(answers.pending, 0);
    }
  });
});
