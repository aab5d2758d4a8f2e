// How many logins are completed at once: made-up codes must not pile up connections to a slow identity provider.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Attempt } from '../../src/http/attempt.js';
import { EndedLogins } from '../../src/http/ended-logins.js';
import { empty, type Reply } from '../../src/http/exchange.js';
import { makeApplication } from '../kit/application.js';

const attempt = (state: string): Attempt => ({ state, nonce: '', codeVerifier: '', target: '', startedAt: 0 });

it('so many at once for each application; what was refused may come again', async () => {
  const logins = new EndedLogins();
  const [one, other] = [makeApplication(), makeApplication({ name: 'other' })];
  const waiting: ((reply: Reply) => void)[] = [];
  const hang = (): Promise<Reply> => new Promise((resolve) => waiting.push(resolve));
  const answers: Promise<Reply>[] = [];
  for (let i = 0; i < 256; i += 1) answers.push(logins.once(one, attempt(`s${i}`), hang));

  const late = attempt('late');
  for (let i = 0; i < 1_000; i += 1) {
    await assert.rejects(logins.once(one, late, hang), { code: 'idp_unreachable' });
  }
  assert.equal(waiting.length, 256);
  assert.equal(logins.endOf(one, late), undefined);
  // Who is waited for already is no more work, and another application has room of its own.
  answers.push(logins.once(one, attempt('s0'), hang));
  answers.push(logins.once(other, late, hang));
  assert.equal(waiting.length, 257);

  for (const resolve of waiting) resolve(empty(302));
  assert.equal((await Promise.all(answers)).length, 258);
  assert.equal((await logins.once(one, late, async () => empty(302))).status, 302);
});
