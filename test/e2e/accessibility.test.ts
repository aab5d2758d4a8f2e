// Every page in Chromium, under axe-core (WCAG 2.2 AA): light and dark, on a telephone and on a desk, with what people call themselves and
// what operators set. A page fetches nothing, breaks no policy of its own, and is never wider than its window.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import axe, { type AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import type { Reply } from '../../src/http/exchange.js';
import * as mySessionsPages from '../../src/http/my-sessions-page.js';
import type * as layouts from '../../src/http/page-layout.js';
import * as pages from '../../src/http/pages.js';
import * as sessionPages from '../../src/http/session-pages.js';
import { LANGUAGES } from '../../src/http/texts/page-texts.js';
import { allPages } from '../kit/all-pages.js';
import { makeApplication } from '../kit/application.js';
import { chromiumMissing, launchChromium } from '../kit/chromium.js';
import { describeWith } from '../kit/needs.js';
import { PATIENCE_MS } from '../kit/until.js';

const ORIGIN = 'http://pages.localhost';
const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="90"><rect width="900" height="90" fill="#888"/></svg>';
const LOOKS = {
  plain: { logo: '', name: '', help_url: '' },
  set: {
    logo: `data:image/svg+xml;base64,${Buffer.from(SVG).toString('base64')}`,
    name: 'Acme & Sons',
    help_url: 'https://help.company.tld/',
  },
  named: { logo: '', name: `Acme ${'W'.repeat(95)}`, help_url: 'mailto:help@company.tld' },
} as const;
const HOSTILE = `"><img src=x onerror=alert(1)>\u202e${'W'.repeat(5_000)}${'\u0351'.repeat(500)}`;

const TELEPHONE = { width: 360, height: 740 };
const DESK = { width: 1_280, height: 900 };
/** As narrow as a page may be asked to become (WCAG 1.4.10). */
const NARROWEST = { width: 320, height: 640 };
const SCREENS = (['light', 'dark'] as const).flatMap((colors) => [TELEPHONE, DESK].map((size) => ({ colors, size })));
const SCREEN_RULES = ['color-contrast', 'target-size'];
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const hasMost = (name: string): boolean => name.startsWith('forbiddenPage');

/** Language, look and names change from page to page: together they are all there. */
function everyPage(): [string, Reply][] {
  const application = makeApplication({ display_name: 'The Wiki' });
  const hostile = makeApplication({ display_name: '<W>'.repeat(33) });
  const all = LANGUAGES.map((language, i): Readonly<Record<string, Reply>> => {
    const look = Object.values(LOOKS)[i % 3] ?? LOOKS.plain;
    const reader: layouts.Reader = { language, time: 0, look };
    return i % 2 === 0 ? allPages(reader, application) : allPages(reader, hostile, HOSTILE, HOSTILE);
  });
  return Object.keys(all[0] ?? {}).flatMap((name, i) =>
    // Those that have the most on them in every language, the others in one.
    (hasMost(name) ? LANGUAGES : [LANGUAGES[i % LANGUAGES.length]]).map((language): [string, Reply] => {
      const reply = all[LANGUAGES.indexOf(language ?? 'en')]?.[name];
      return [`${name.trim()} (${language})`, reply ?? assert.fail(name)];
    }),
  );
}

describeWith(chromiumMissing, 'in Chromium, axe-core', () => {
  let browser: Browser;
  let page: Page;
  let served: Reply;
  let asked: string[] = [];
  let complaints: string[] = [];

  before(async () => {
    browser = await launchChromium();
    const context = await browser.newContext({ serviceWorkers: 'block' });
    await context.route('**', async (route) => {
      asked.push(route.request().url());
      const { status, headers, body } = served;
      await route.fulfill({ status, headers: Object.fromEntries(headers), body });
    });
    page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => complaints.push(`dialog ${dialog.message()}`));
  });
  after(() => browser?.close());

  async function show(reply: Reply): Promise<void> {
    served = reply;
    asked = [];
    complaints = [];
    await page.goto(`${ORIGIN}/`);
    // Not a part of the page, whose policy allows none.
    await page.evaluate(axe.source);
  }

  async function violations(rules = RULES): Promise<string[]> {
    const run = `axe.run(document, ${JSON.stringify({ runOnly: rules, resultTypes: ['violations'] })})`;
    const results = (await page.evaluate(run)) as AxeResults;
    return results.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  }

  it('is shown every page that there is', () => {
    const made = Object.keys({ ...pages, ...sessionPages, ...mySessionsPages }).filter((name) => name.endsWith('Page'));
    const shown = new Set(everyPage().map(([name]) => name.replace(/\W.*/, '')));
    assert.deepEqual([...shown].sort(), made.sort());
  });

  for (const [i, [name, reply]] of everyPage().entries()) {
    it(`finds nothing in ${name}`, async () => {
      await show(reply);
      for (const [k, { colors, size }] of SCREENS.entries()) {
        await page.emulateMedia({ colorScheme: colors });
        await page.setViewportSize(size);
        // The screens take turns with all the rules: only these know one from another.
        const rules = k === i % SCREENS.length ? RULES : SCREEN_RULES;
        assert.deepEqual(await violations(rules), [], `${colors}, ${size.width}`);
      }
      for (const size of [TELEPHONE, NARROWEST]) {
        await page.setViewportSize(size);
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        assert.ok(Number(wide) <= size.width, `${wide} pixels wide at ${size.width}`);
      }
      assert.deepEqual(asked, [`${ORIGIN}/`]);
      assert.deepEqual(
        complaints.filter((text) => !text.startsWith('Failed to load resource: the server responded with a status of')),
        [],
      );
      assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    });
  }

  it('finds what is wrong with a page, and sees what is fetched', async () => {
    const [, good] = everyPage()[0] ?? assert.fail();
    const body = good.body
      .replace(/ lang="\w+"/, '')
      .replace('<main>', '<main><img src="/x.png"><p style="color:#bbb;background:#fff">pale</p>');
    await show({ ...good, body, headers: good.headers.filter(([header]) => header !== 'Content-Security-Policy') });
    await page.emulateMedia({ colorScheme: 'light' });
    const found = (await violations()).map((text) => text.replace(/:.*/s, ''));
    for (const rule of ['color-contrast', 'html-has-lang', 'image-alt']) assert.ok(found.includes(rule), rule);
    assert.ok((await violations(SCREEN_RULES)).some((text) => text.startsWith('color-contrast')));
    assert.equal(asked.length, 2);
  });
});
