// What a list of sessions calls a browser: the signatures that browsers really send, and what is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserLabel } from '../../src/http/browser-label.js';

const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)';
const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0';
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)';
const WEBKIT = 'AppleWebKit/605.1.15 (KHTML, like Gecko)';

const LABELS: readonly (readonly [string, string])[] = [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', 'Firefox, Linux'],
  [`${WINDOWS} ${CHROME} Safari/537.36`, 'Chrome, Windows'],
  [`${WINDOWS} ${CHROME} Safari/537.36 Edg/131.0.0.0`, 'Edge, Windows'],
  [`${WINDOWS} ${CHROME} Safari/537.36 OPR/116.0.0.0`, 'Opera, Windows'],
  [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${CHROME} Safari/537.36`, 'Chrome, ChromeOS'],
  [`Mozilla/5.0 (X11; Linux x86_64) ${CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36`, 'Chrome, Linux'],
  [`Mozilla/5.0 (Linux; Android 10; K) ${CHROME} Mobile Safari/537.36`, 'Chrome, Android'],
  [
    `Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet, Android',
  ],
  [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${WEBKIT} Version/18.1 Safari/605.1.15`, 'Safari, macOS'],
  [`${IPHONE} ${WEBKIT} Version/18.1 Mobile/15E148 Safari/604.1`, 'Safari, iPhone'],
  [`${IPHONE} ${WEBKIT} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1`, 'Chrome, iPhone'],
  [`${IPHONE} ${WEBKIT} FxiOS/133.0 Mobile/15E148 Safari/605.1.15`, 'Firefox, iPhone'],
  ['curl/8.5.0', 'curl'],
  ['Mozilla/5.0 (Linux)', 'Linux'],
  ['<script>alert(1)</script>', ''],
  ['', ''],
  [`${'x'.repeat(600)} Firefox/133.0`, ''],
];

for (const [userAgent, label] of LABELS)
  test(`${label === '' ? 'nothing' : label} is what ${userAgent.slice(0, 60)} is called`, () => {
    assert.equal(browserLabel(userAgent), label);
  });
