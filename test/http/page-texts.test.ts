// The catalogue of page texts: nothing is missing in a language, nothing is left over, the same is filled in everywhere; and which
// language a browser gets.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { english, type TextKey } from '../../src/http/texts/english.js';
import { chooseLanguage } from '../../src/http/texts/language.js';
import { CATALOGUE, LANGUAGES, type Language, say } from '../../src/http/texts/page-texts.js';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const KEYS = Object.keys(english) as TextKey[];
const placeholders = (text: string): string[] => [...text.matchAll(/\{[^}]*\}/g)].map(([name]) => name).sort();

describe('the texts of pages', () => {
  it('are there in English, German, French and Spanish', () => {
    assert.deepEqual([...LANGUAGES].sort(), ['de', 'en', 'es', 'fr']);
    assert.ok(KEYS.length > 30);
  });

  for (const language of LANGUAGES) {
    it(`none is missing, empty or left over in ${language}, and the same is filled in as in English`, () => {
      const texts: Readonly<Record<string, string>> = CATALOGUE[language];
      assert.deepEqual(Object.keys(texts).sort(), [...KEYS].sort());
      for (const key of KEYS) {
        const text = texts[key] ?? '';
        assert.equal(text, text.trim(), key);
        assert.notEqual(text, '', key);
        assert.deepEqual(placeholders(text), placeholders(english[key]), key);
        // Words are kept apart by single spaces; French has some that do not break.
        assert.doesNotMatch(text, / {2}|[\t\n]|'|"/, key);
      }
    });
  }

  it('are translated: none is the same as in English unless it is one of these', () => {
    const same: Partial<Record<Language, readonly TextKey[]>> = { fr: ['report.application'] };
    for (const language of LANGUAGES.filter((one) => one !== 'en')) {
      const left = KEYS.filter((key) => CATALOGUE[language][key] === english[key]);
      assert.deepEqual(left, same[language] ?? [], language);
    }
  });

  it('are said by some page, all of them', () => {
    const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.startsWith(join('http', 'texts')))
      .map((file) => readFileSync(join(SRC, file), 'utf8'))
      .join('\n');
    assert.deepEqual(
      KEYS.filter((key) => !sources.includes(`'${key}'`)),
      [],
    );
  });

  it('are escaped, and so is what is filled in, which has a writing direction of its own', () => {
    const html = say('en', 'forbidden.text', { application: `<b>"a" & 'b'</b> {application}` });
    assert.match(html, /may use <bdi>&#60;b&#62;&#34;a&#34; &#38; &#39;b&#39;&#60;\/b&#62; \{application\}<\/bdi>\./);
    assert.doesNotMatch(say('fr', 'internal.text'), /[<>"']/);
  });
});

describe('the language of a page', () => {
  const CHOSEN: readonly (readonly [header: string, language: Language])[] = [
    ['', 'en'],
    ['de', 'de'],
    ['DE-at', 'de'],
    ['de-Latn-CH-1996', 'de'],
    ['fr-CA,fr;q=0.9,en;q=0.8', 'fr'],
    ['en-GB,es;q=0.9', 'en'],
    ['es-419', 'es'],
    // Weights decide, not the order; among equals the order does.
    ['en;q=0.1, de;q=0.2, fr;q=0.9', 'fr'],
    ['es;q=0.5,de;q=0.5', 'es'],
    ['de ; q=0.5 ,\tes ;\tq=0.75', 'es'],
    ['nl,pt;q=0.9,es;q=0.1', 'es'],
    ['nl', 'en'],
    // A tag that merely begins like ours is another language.
    ['den', 'en'],
    ['frr,de;q=0.1', 'de'],
    ['*', 'en'],
    ['nl,*;q=0.5,de;q=0.4', 'en'],
    ['en;q=0,*', 'de'],
    // Nothing that was refused, unless there is nothing else.
    ['de;q=0,fr;q=0.1', 'fr'],
    ['de;q=0.000', 'en'],
    ['*;q=0', 'en'],
    ['en;q=0,de;q=0,fr;q=0,es;q=0,*', 'en'],
    // What cannot be read counts as not sent.
    ['de;q=2', 'en'],
    ['de;q=0.5555,fr', 'fr'],
    ['de;q=,es', 'es'],
    ['de;level=1', 'en'],
    ['de_DE', 'en'],
    [',,;,de', 'de'],
    ['\u0000de', 'en'],
    [`${'x'.repeat(9)}-de,fr`, 'fr'],
  ];

  for (const [header, language] of CHOSEN) {
    it(`${JSON.stringify(header)} is ${language}`, () => assert.equal(chooseLanguage(header), language));
  }

  it('reads only so much of a header, and nothing of a range that was cut off', () => {
    assert.equal(chooseLanguage(`${'nl,'.repeat(15)}de`), 'de');
    assert.equal(chooseLanguage(`${'nl,'.repeat(16)}de`), 'en');
    const long = `nl-${'a-'.repeat(253)}`;
    assert.equal(chooseLanguage(`${long},de-AT`), 'en');
    assert.equal(chooseLanguage(`fr;q=0.5,${'-'.repeat(600_000)}`), 'fr');
  });
});
