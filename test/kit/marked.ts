// Parts of a document that are made from the code, between `<!-- name:begin -->` and `<!-- name:end -->`. A test compares them, or
// rewrites them when it is told to.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

/** What stands between the markers; throws when one of them is missing. */
export function marked(text: string, name: string): string {
  return text.slice(...between(text, name));
}

/** `content` replaces what stands between the markers; throws when one of them is missing. */
export function withMarked(text: string, name: string, content: string): string {
  const [from, to] = between(text, name);
  return `${text.slice(0, from)}\n\n${content}\n\n${text.slice(to)}`;
}

/** Fails when the document says something else than the code; `update`: writes it instead. `command`: what the failure advises. */
export function assertMarked(file: URL, name: string, content: string, update: boolean, command: string): void {
  const text = readFileSync(file, 'utf8');
  const wanted = withMarked(text, name, content);
  if (update) writeFileSync(file, wanted);
  else assert.equal(text, wanted, `run ${command}`);
}

function between(text: string, name: string): [from: number, to: number] {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`expected ${begin} and ${end}`);
  return [from + begin.length, to];
}
