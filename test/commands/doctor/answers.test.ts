// Whose answer it is: the doctor knows the outpost's own by the code that its pages and its JSON have.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isOutposts, tell } from '../../../src/commands/doctor/answers.js';
import type { Answered } from '../../../src/commands/doctor/probe.js';
import type { Reader } from '../../../src/http/page-layout.js';
import { errorPage, forbiddenPage } from '../../../src/http/pages.js';
import { LANGUAGES } from '../../../src/http/texts/page-texts.js';
import { AkproxError } from '../../../src/infra/errors.js';
import { makeApplication } from '../../kit/application.js';

const answered = (status: number, body: string): Answered => ({ kind: 'answered', status, body, header: () => [] });

for (const language of LANGUAGES) {
  it(`knows the outpost's pages, in the language ${language}`, () => {
    const reader: Reader = { language, time: 0, look: { logo: '', name: 'Company', help_url: '' } };
    const application = makeApplication();
    const failure = errorPage(reader, new AkproxError('store_unavailable', 'for the log'), {
      application,
      retryUrl: application.startUrl,
      reference: '0000-0000',
    });
    const denial = forbiddenPage(reader, application, { user: 'alice', url: application.origin, reference: null });
    assert.equal(tell(answered(failure.status, failure.body)), `${failure.status} (store_unavailable)`);
    assert.equal(tell(answered(denial.status, denial.body)), '403 (forbidden)');
  });
}

it("knows the outpost's JSON, and takes nobody else's answer for it", () => {
  assert.ok(isOutposts(answered(401, '{"error":"login_required"}')));
  for (const body of ['', '{}', '{"error":"Not Found!"}', '<dl><dd>forbidden</dd></dl>', '<h1>502 Bad Gateway</h1>'])
    assert.ok(!isOutposts(answered(502, body)), body);
});
