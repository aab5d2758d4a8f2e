// What each setting of the log costs: CPU of all threads, in µs, for a check in process and its line. `node --import tsx bench/logs.ts`.
// Lines go to /dev/null by the way that they take in a worker. Reading a request from the wire is in none of these figures.
import { openSync } from 'node:fs';
import { cpus } from 'node:os';
import { check } from '../src/http/check.js';
import { checkLogger } from '../src/http/check-log.js';
import { checkSlowly } from '../src/http/check-slow.js';
import type { Decision } from '../src/http/decision.js';
import { DIALECTS } from '../src/http/dialects.js';
import { type HeaderSource, Snapshot } from '../src/http/exchange.js';
import type { RequestContext } from '../src/http/router.js';
import { createLog, logTo } from '../src/infra/log.js';
import { createAudit, personOf } from '../src/session/audit.js';
import { makeApplication } from '../test/kit/application.js';
import { createChecks, requestOf } from '../test/kit/checks.js';
import { median } from './percentiles.js';
import { SCENARIOS } from './scenarios.js';

const BATCHES = 40;
const CALLS = 2_000;

const output = logTo(openSync('/dev/null', 'w'));
const log = createLog('info', 'bench', output);
const application = makeApplication({ external_host: 'http://whoami.localhost:8080', access: { groups: ['staff'] } });
const audit = createAudit({ log, monotonic: () => performance.now(), mode: () => 'subject' });

type Setting = 'none' | 'denied' | 'all';
const dialect = DIALECTS.traefik;

async function world(logChecks: Setting) {
  const checks = createChecks([application], { logChecks, audit });
  const cookieOf = async (groups: string[]) =>
    `${application.cookieName}=${await checks.signIn(application, { preferred_username: 'alice', groups })}`;
  const scenario = (name: string, cookie: string): HeaderSource => {
    const headers = SCENARIOS.find((one) => one.name === name)?.headers(cookie) ?? {};
    return requestOf(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
  };
  const write = checkLogger(log, () => checks.context as RequestContext);
  /** As handlers.ts does it. */
  const ask = (req: HeaderSource): void => {
    const found = check(checks.context, dialect, req);
    if (found.kind === 'allow') {
      if (logChecks === 'all') write(dialect, Snapshot.of(req, '127.0.0.1'), found);
      return;
    }
    const request = logChecks === 'none' ? null : Snapshot.of(req, '127.0.0.1');
    const decision = checkSlowly(checks.context, dialect, req, () => '127.0.0.1', found) as Decision;
    if (request !== null) write(dialect, request, decision);
  };
  return {
    signedIn: scenario('signed-in', await cookieOf(['staff'])),
    barred: scenario('signed-in', await cookieOf([])),
    nobody: scenario('no-cookie', ''),
    ask,
  };
}

const rows: [string, () => unknown][] = [];
for (const setting of ['none', 'denied', 'all'] as const) {
  const { signedIn, nobody, barred, ask } = await world(setting);
  rows.push([`log.checks: ${setting}, signed in`, () => ask(signedIn)]);
  rows.push([`log.checks: ${setting}, no cookie`, () => ask(nobody)]);
  rows.push([`log.checks: ${setting}, may not pass (its audit line is held back)`, () => ask(barred)]);
}
const person = personOf(application, { sub: 'alice', preferredUsername: 'alice' });
const by = () => ({ client: '203.0.113.9', requestId: 'request-1' });
rows.push([
  'a line of the audit',
  () => audit.write({ audit: 'login', result: 'succeeded', provider: 'whoami', ...person, session: 'abcdefgh', by }),
]);
rows.push(['its hash of the subject', () => personOf(application, { sub: 'alice', preferredUsername: 'alice' })]);

async function cost(step: () => unknown): Promise<number> {
  const costs: number[] = [];
  for (let batch = -2; batch < BATCHES; batch += 1) {
    const begin = process.cpuUsage();
    for (let i = 0; i < CALLS; i += 1) step();
    await output.written();
    const { user, system } = process.cpuUsage(begin);
    if (batch >= 0) costs.push((user + system) / CALLS);
  }
  return median(costs);
}

for (const [name, step] of rows)
  process.stdout.write(`${name.padEnd(64)} ${(await cost(step)).toFixed(2).padStart(6)} µs\n`);
process.stdout.write(`Node ${process.version}, ${cpus()[0]?.model}, medians of ${BATCHES} batches of ${CALLS}\n`);
