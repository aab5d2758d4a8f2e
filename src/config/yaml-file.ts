// A YAML document as plain values, and where in the file each of them is. No text of the file goes into a problem: it may be a secret.
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { isRecord } from '../infra/untyped.js';
import type { Problem } from './problems.js';

export interface YamlFile {
  /** An empty map for an empty file, and where there are problems. */
  readonly raw: unknown;
  readonly problems: Problem[];
  /** Counted from one: of the setting, or of the nearest one around it that is written; undefined for none of them. */
  lineOf(path: string): number | undefined;
}

const NOWHERE = { raw: {}, lineOf: () => undefined };

/** `file` is how problems name it. */
export function readYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  // `prettyErrors` would quote the line, and with it perhaps a secret.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const problems = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { path: `${file}:${line}:${col}`, message: error.message.replace(/: ".*$/s, '') };
  });
  if (problems.length > 0) return { ...NOWHERE, problems };
  try {
    const raw: unknown = document.toJS() ?? {};
    if (!isRecord(raw)) {
      return { ...NOWHERE, problems: [{ path: file, message: 'expected settings, found a list or a scalar' }] };
    }
    const lineOf = (path: string): number | undefined => {
      const offset = offsetOf(document, partsOf(path));
      return offset === undefined ? undefined : lines.linePos(offset).line;
    };
    return { raw, problems, lineOf };
  } catch {
    // An alias without its anchor, or aliases that multiply without end.
    return { ...NOWHERE, problems: [{ path: file, message: 'has an alias that cannot be resolved' }] };
  }
}

/** `providers[37].oidc.issuer` → its keys and places. */
function partsOf(path: string): string[] {
  return path.split(/[.[\]]+/).filter((part) => part !== '');
}

function offsetOf(document: Document, parts: readonly string[]): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of parts) {
    const inner: unknown = isAlias(node) ? node.resolve(document) : node;
    if (isMap(inner)) {
      const pair = inner.items.find(({ key }) => isScalar(key) && String(key.value) === part);
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(inner)) {
      node = inner.items[Number(part)];
      if (node === undefined) return offset;
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}
