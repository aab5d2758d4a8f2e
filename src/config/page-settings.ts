// `pages`: the logo is an https URL as it is, or a file, read once and made a data: URL, so that pages fetch nothing; and the link to help.
import { resolve } from 'node:path';
import { isRecord } from '../infra/untyped.js';
import { cannotBeRead, type Problem } from './problems.js';

/** Bytes of a file; throws a system error like `fs.readFileSync`. */
export type ReadBytes = (path: string) => Uint8Array;

export interface LogoSources {
  readonly readBytes: ReadBytes;
  /** What a relative path is relative to: the directory of the configuration file. */
  readonly directory: string;
}

/** Every page has it, and a page has to go through what proxies relay: 16 KiB for all of it. */
const MOST_BYTES = 6_144;

/** By how a file begins. */
const SIGNATURES: readonly (readonly [type: string, start: RegExp])[] = [
  ['image/png', /^\x89PNG\r\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF[\s\S]{4}WEBP/],
  ['image/svg+xml', /^(?:\xef\xbb\xbf)?\s*<(?:[\s\S]*<)?svg[\s>]/i],
];

export interface Logo {
  /** An https or a data: URL; '' for none. */
  readonly url: string;
  readonly problems: readonly Problem[];
}

/** `pages`: as it was written. */
export function readLogo(pages: unknown, { readBytes, directory }: LogoSources): Logo {
  const written = isRecord(pages) ? pages['logo'] : undefined;
  // A wrong type is for the schema to complain about.
  if (typeof written !== 'string' || written === '') return { url: '', problems: [] };
  const refused = (message: string): Logo => ({ url: '', problems: [{ path: 'pages.logo', message }] });
  if (/^[a-z][a-z0-9+.-]*:/i.test(written)) {
    return isUrl(written, /^https:\/\//i)
      ? { url: new URL(written).href, problems: [] }
      : refused('expected an https:// URL or the path of a file');
  }
  let bytes: Uint8Array;
  try {
    bytes = readBytes(resolve(directory, written));
  } catch (error) {
    return refused(cannotBeRead(written, error));
  }
  if (bytes.byteLength > MOST_BYTES) {
    return refused(
      `file ${written} has more than ${MOST_BYTES} bytes, which every page would have: make it smaller, or give its https:// URL`,
    );
  }
  const content = Buffer.from(bytes);
  const start = content.toString('latin1');
  const [type] = SIGNATURES.find(([, signature]) => signature.test(start)) ?? [];
  if (type === undefined) return refused(`file ${written} is not a PNG, JPEG, GIF, WebP or SVG image`);
  return { url: `data:${type};base64,${content.toString('base64')}`, problems: [] };
}

export function helpProblems(pages: unknown): Problem[] {
  const url = isRecord(pages) ? pages['help_url'] : undefined;
  if (typeof url !== 'string' || url === '' || isUrl(url, /^(?:https?:\/\/|mailto:)/i)) return [];
  return [{ path: 'pages.help_url', message: 'expected an http://, https:// or mailto: URL' }];
}

/** One that says the same to everybody who reads it, and has no password in it. */
function isUrl(text: string, start: RegExp): boolean {
  if (!start.test(text) || /[\s\\"'<>\p{Cc}]/u.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}
