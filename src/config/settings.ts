// Every setting of the schema as a list: where it stands, of which types its value may be, and its default. For the environment, which has
// names and texts only, and for showing what counts; it never decides whether a value is valid.
import { z } from 'zod';
import { isRecord } from '../infra/untyped.js';
import { objectsOf, unwrap } from './schema-shape.js';

export type Kind = 'string' | 'number' | 'boolean' | 'null' | 'list' | 'map';

export interface Setting {
  /** Below the schema that was asked about: `['oidc', 'issuer']`. */
  readonly path: readonly string[];
  /** Of every alternative, where a union has several (`store`). */
  readonly kinds: ReadonlySet<Kind>;
  /** As it would be written; undefined when there is none. */
  readonly fallback: unknown;
}

/** A list of objects (`providers`) is not among them: its elements have schemas of their own. */
export function settingsOf(schema: z.ZodType): Setting[] {
  const found = new Map<string, { path: readonly string[]; kinds: Set<Kind>; fallback: unknown }>();
  walk(schema, [], undefined, (path, kinds, fallback) => {
    const key = path.join('.');
    const known = found.get(key) ?? { path, kinds: new Set<Kind>(), fallback };
    for (const kind of kinds) known.kinds.add(kind);
    found.set(key, known);
  });
  return [...found.values()];
}

type Leaf = (path: readonly string[], kinds: Kind[], fallback: unknown) => void;

/** `given`: what the default of something around it says of this. */
function walk(schema: z.ZodType, path: readonly string[], given: unknown, leaf: Leaf): void {
  const { inner, fallback = given } = unwrap(schema);
  if (inner instanceof z.ZodArray && objectsOf(inner.def.element as z.ZodType).length > 0) return;
  for (const { shape } of objectsOf(inner)) {
    for (const [key, child] of Object.entries(shape))
      walk(child as z.ZodType, [...path, key], isRecord(fallback) ? fallback[key] : undefined, leaf);
  }
  const kinds = kindsOf(schema);
  if (kinds.some((kind) => kind !== 'map') || inner instanceof z.ZodRecord) leaf(path, kinds, fallback);
}

function kindsOf(schema: z.ZodType): Kind[] {
  if (schema instanceof z.ZodNullable) return ['null', ...kindsOf(schema.def.innerType as z.ZodType)];
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return kindsOf(schema.def.innerType as z.ZodType);
  if (schema instanceof z.ZodPipe) return kindsOf(schema.def.in as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.def.options.flatMap((option) => kindsOf(option as z.ZodType));
  if (schema instanceof z.ZodLiteral)
    return schema.def.values.map((value) => (value === null ? 'null' : typeOf(value)));
  if (schema instanceof z.ZodNumber) return ['number'];
  if (schema instanceof z.ZodBoolean) return ['boolean'];
  if (schema instanceof z.ZodNull) return ['null'];
  if (schema instanceof z.ZodArray) return ['list'];
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return ['map'];
  return ['string'];
}

function typeOf(value: unknown): Kind {
  return typeof value === 'number' ? 'number' : typeof value === 'boolean' ? 'boolean' : 'string';
}
