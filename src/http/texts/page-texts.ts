// Every text of every page, in every language. English says which texts there are and what is filled in.
// How to add a text or a language: CONTRIBUTING.md.
import { english, type TextKey, type Texts } from './english.js';
import { french } from './french.js';
import { german } from './german.js';
import { spanish } from './spanish.js';

/** By language tag (RFC 5646). The first is for whoever asks for none of them. */
export const CATALOGUE = { en: english, de: german, fr: french, es: spanish } as const satisfies Record<string, Texts>;

export type Language = keyof typeof CATALOGUE;
export const LANGUAGES = Object.keys(CATALOGUE) as Language[];
export const DEFAULT_LANGUAGE: Language = 'en';

type Placeholder<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never;

/** What has to be filled in for a text: nothing, or a value for each of its placeholders. */
export type Filling<Key extends TextKey> = [Placeholder<(typeof english)[Key]>] extends [never]
  ? []
  : [values: Readonly<Record<Placeholder<(typeof english)[Key]>, string>>];

/** A text as HTML. What is filled in is escaped, and set apart so that its writing direction stays its own. */
export function say<Key extends TextKey>(language: Language, key: Key, ...[values]: Filling<Key>): string {
  const known: Readonly<Record<string, string>> = values ?? {};
  return escapeHtml(CATALOGUE[language][key]).replace(/\{(\w+)\}/g, (_, name: string) => {
    return `<bdi>${escapeHtml(plainName(known[name] ?? ''))}</bdi>`;
  });
}

/**
 * A name that somebody else has chosen, fit to be shown: cut off, in one line, without signs that turn the writing around, and with
 * few marks upon a letter.
 */
export function plainName(text: string): string {
  const cleaned = text
    .slice(0, 4 * LONGEST_NAME)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/(\p{M}{3})\p{M}+/gu, '$1')
    .trim();
  const signs = [...cleaned];
  return signs.length > LONGEST_NAME ? `${signs.slice(0, LONGEST_NAME).join('')}…` : cleaned;
}

const LONGEST_NAME = 160;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
