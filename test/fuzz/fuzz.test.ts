// 50 000 hostile requests on every listener, and the oracle itself: lied to, it has to complain. A million: test/fuzz/main.ts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { childrenOf } from '../../bench/processes.js';
import { makeBatch } from './batches.js';
import { lanesOf } from './lanes.js';
import { type Lie, startLiar } from './liar.js';
import { createRandom } from './random.js';
import { aftermath, type Figures, fuzz } from './run.js';
import { httpTransport } from './transport.js';
import { type FuzzWorld, startFuzzWorld } from './world.js';

const REQUESTS = 50_000;
/** Always the same, so that a change is what makes a run fail; the command for a million takes another each time. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_126);
/** For what is known to hang; nothing else may be judged by it. */
const SHORT_MS = 2_000;
const LONG_MS = 120_000;

let world: FuzzWorld;
let workers: readonly number[];
const workersNow = (): number[] => childrenOf(world.daemon.child.pid ?? 0);

before(async () => {
  world = await startFuzzWorld();
  workers = workersNow();
});
after(() => world?.[Symbol.asyncDispose]());

describe('the fuzzer', () => {
  it(`finds nothing in ${REQUESTS} requests, and everybody is still signed in`, async (t) => {
    t.diagnostic(`seed ${SEED}; FUZZ_SEED=${SEED} repeats it`);
    const figures = await fuzz(world, { seed: SEED, requests: REQUESTS, lanes: lanesOf(world, LONG_MS) });
    assert.equal(figures.complained, 0, `seed ${SEED}:\n${figures.complaints.slice(0, 5).join('\n')}`);
    assert.deepEqual(await aftermath(world, workers, workersNow()), []);
    assert.ok(figures.requests >= REQUESTS);
    assert.equal(figures.answers + figures.ended, figures.requests);
    // It would find nothing if it reached nothing.
    for (const { transport } of lanesOf(world, LONG_MS)) {
      const listener = transport.name;
      for (const status of [200, 302, 400, 401, 403]) {
        const seen = figures.counts.get(`${listener} check ${status}`) ?? 0;
        assert.ok(seen > 0, `no check on ${listener} was answered ${status}`);
      }
    }
    for (const status of [200, 204, 302, 400, 401, 403, 404, 405, 502]) {
      const key = `step ${status}`;
      assert.ok(
        [...figures.counts.keys()].some((name) => name.endsWith(key)),
        `no step was answered ${status}`,
      );
    }
  });

  it('makes the same requests of the same seed', () => {
    const made = (seed: number): string => {
      const r = createRandom(seed);
      const options = { damaged: 0.3, pipelinesWaiting: false };
      return Array.from({ length: 200 }, () => JSON.stringify(makeBatch(r, world, options).requests)).join();
    };
    const first = made(1);
    // Not as a comparison that would print them.
    assert.ok(made(1) === first);
    assert.ok(made(2) !== first);
  });
});

/** A run through somebody who changes answers. */
async function lied(lie: Lie, watchdogMs = LONG_MS): Promise<{ figures: Figures; told: boolean }> {
  // Whoever waits in vain for the rest of an answer waits for as long as the watchdog does.
  const liar = await startLiar(world.daemon.http, lie, watchdogMs === SHORT_MS ? 4 : 20);
  try {
    const transport = httpTransport({ url: liar.url, watchdogMs });
    const lanes = [{ transport, connections: 4, share: 1, damaged: 0.1, pipelinesWaiting: false }];
    return { figures: await fuzz(world, { seed: 7, requests: 1_500, lanes }), told: liar.told };
  } finally {
    await liar.close();
  }
}

const replacing =
  (what: RegExp | string, by: string): Lie =>
  (text) => {
    const changed = text.replace(what, by);
    return changed === text ? null : changed;
  };

describe('the oracle', () => {
  it('has nothing against an honest proxy', async () => {
    const { figures, told } = await lied(() => null);
    assert.deepEqual(figures.complaints, []);
    assert.equal(told, false);
  });

  const NOBODY = /HTTP\/1\.1 302 Found(?:\r\n[^\r]+)*?\r\nContent-Length: 0(?:\r\n[^\r]+)*\r\n\r\n/;
  const LET_IN = 'HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n';
  const LIES: readonly (readonly [string, Lie, RegExp])[] = [
    ['a stranger who is let in', replacing(NOBODY, LET_IN), /UNJUSTIFIED 2xx/],
    ['somebody else’s name', replacing('X-Auth-Username: ada', 'X-Auth-Username: bo'), /IDENTITY OF SOMEBODY ELSE/],
    [
      'a header of an identity that is missing',
      replacing('X-Forwarded-User: ada\r\n', ''),
      /IDENTITY OF SOMEBODY ELSE/,
    ],
    [
      'an identity header twice',
      replacing('X-authentik-uid: ada', 'X-authentik-uid: ada\r\nX-authentik-uid: bo'),
      /IDENTITY OF SOMEBODY/,
    ],
    [
      'an identity on a public path',
      replacing('X-Auth-Username: \r\n', 'X-Auth-Username: ada\r\n'),
      /IDENTITY OF SOMEBODY ELSE/,
    ],
    [
      'somebody signed in who is sent away',
      replacing(/200 OK(?=\r\nCache-Control: no-store\r\nX-Auth-Username: ada)/, '401 Unauthorized'),
      /401 instead of 200/,
    ],
    [
      'a redirect off site',
      replacing(/Location: http:\/\/whoami\.localhost:8080\//, 'Location: http://evil.example/'),
      /OFF SITE/,
    ],
    [
      'a login that leads off site',
      replacing(/rd=http%3A%2F%2F[a-z.]+/, 'rd=http%3A%2F%2Fevil.example'),
      /leads off site/,
    ],
    [
      'a sign-out that leads off site',
      replacing(/post_logout_redirect_uri=http%3A%2F%2F[a-z.]+/, 'post_logout_redirect_uri=http%3A%2F%2Fevil.example'),
      /leads off site/,
    ],
    [
      'a fault',
      replacing('HTTP/1.1 401 Unauthorized', 'HTTP/1.1 500 Internal Server Error'),
      /500, which nothing here accounts for/,
    ],
    [
      'a cookie with an allowed check',
      replacing('X-Auth-Username: ada', 'Set-Cookie: a=b\r\nX-Auth-Username: ada'),
      /with a cookie/,
    ],
    [
      'an allowed check that may be cached',
      replacing('no-store\r\nX-Auth-Username: ada', 'private\r\nX-Auth-Username: ada'),
      /may be cached/,
    ],
    [
      'a byte too many',
      replacing(/(Content-Length: 0(?:\r\n[^\r]+)*\r\n\r\n)/, '$1x'),
      /not an answer|nobody asked for|malformed/,
    ],
    [
      'a length that is wrong',
      replacing('Content-Length: 0\r\n', 'Content-Length: 1\r\n'),
      /not an answer|malformed|with a body|cut off/,
    ],
  ];
  for (const [what, lie, complaint] of LIES) {
    it(`complains about ${what}`, async () => {
      const { figures, told } = await lied(lie, /length/.test(what) ? SHORT_MS : LONG_MS);
      assert.ok(told, 'there was nothing to lie about');
      assert.ok(figures.complained > 0);
      assert.match(figures.complaints.join('\n'), complaint);
    });
  }

  it('complains about an answer that never comes', async () => {
    const { figures, told } = await lied((text) => (text.includes('HTTP/1.1 401') ? '' : null), SHORT_MS);
    assert.ok(told);
    assert.ok(figures.hangs > 0);
  });

  it('complains about a person who was signed out, and about a worker that was lost', async () => {
    const kept = world.sessions.find(({ kind }) => kind === 'kept');
    const ended = world.sessions.find(({ kind, site }) => kind === 'ended' && site === kept?.site);
    assert.ok(kept && ended);
    // As if: the session that is said to live is one that does not.
    const wrong = await aftermath({ ...world, sessions: [{ ...ended, kind: 'kept' }] }, workers, workersNow());
    assert.match(wrong.join('\n'), /was answered (?:302|401)/);
    assert.match(
      (await aftermath({ ...world, sessions: [] }, [1, ...workers], workersNow())).join('\n'),
      /workers were lost/,
    );
  });
});
