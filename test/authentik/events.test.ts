// Events: how many, and what is never in them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEventLimit, createEventReporter, shownHeaders } from '../../src/authentik/events.js';
import { createTestLog } from './setup.js';

describe('events', () => {
  it('are one a minute for a message and a provider', () => {
    let now = 0;
    const limit = createEventLimit(() => now);
    const event = { message: 'm', provider: 'p' };
    assert.equal(limit.admit(event), true);
    assert.equal(limit.admit(event), false);
    assert.equal(limit.admit({ ...event, provider: 'q' }), true);
    assert.equal(limit.admit({ ...event, message: 'n' }), true);
    now = 59_999;
    assert.equal(limit.admit(event), false);
    now = 60_000;
    assert.equal(limit.admit(event), true);
  });

  it('are ten a minute together', () => {
    let now = 0;
    const limit = createEventLimit(() => now);
    const admitted = Array.from({ length: 50 }, (_, i) => limit.admit({ message: `m${i}`, provider: '' }));
    assert.equal(admitted.filter(Boolean).length, 10);
    now = 60_000;
    assert.equal(limit.admit({ message: 'm49', provider: '' }), true);
  });

  it('show how the proxy asked, and no credential', () => {
    const shown = shownHeaders({
      Host: 'h',
      'User-Agent': 'curl',
      'X-Forwarded-Host': 'app.tld',
      'x-forwarded-uri': '/callback?code=secret#x',
      'X-Original-URL': 'https://app.tld/x?token=secret',
      'X-Forwarded-Client-Cert': 'secret',
      'X-Forwarded-Access-Token': 'secret',
      'X-Api-Key': 'secret',
      Cookie: 'secret',
      Authorization: 'secret',
      'Proxy-Authorization': 'secret',
    });
    assert.deepEqual(shown, {
      Host: 'h',
      'User-Agent': 'curl',
      'X-Forwarded-Host': 'app.tld',
      'x-forwarded-uri': '/callback',
      'X-Original-URL': 'https://app.tld/x',
    });
  });

  it('may be refused by core without harm', async () => {
    const log = createTestLog();
    const refused = Promise.reject(new Error('403'));
    const reporter = createEventReporter({
      api: { postEvent: () => refused },
      outpostName: () => 'o',
      monotonic: () => 0,
      log,
    });
    reporter.report({ message: 'm', provider: '', clientIp: '', url: 'https://x/?code=secret', headers: {} });
    await refused.catch(() => {});
    assert.equal(log.texts('debug').length, 1);
  });
});
