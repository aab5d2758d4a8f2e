// Looks inside the zod schema: which keys an object has, what a setting defaults to. For messages and for the table in
// docs/configuration.md; it must never decide whether a value is valid.
import { z } from 'zod';

export interface Unwrapped {
  /** The schema without its default, optional, nullable and transform wrappers. */
  readonly inner: z.ZodType;
  readonly description: string;
  readonly optional: boolean;
  /** The default as it would be written in the file; undefined when there is none. */
  readonly fallback: unknown;
}

export function unwrap(schema: z.ZodType): Unwrapped {
  let inner = schema;
  let description = schema.description;
  let optional = false;
  let fallback: unknown;
  for (;;) {
    description ??= inner.description;
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      // Not `??=`: null is a default too.
      if (fallback === undefined) fallback = inner.def.defaultValue;
      inner = inner.def.innerType as z.ZodType;
    } else if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) {
      optional ||= inner instanceof z.ZodOptional;
      inner = inner.def.innerType as z.ZodType;
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.def.in as z.ZodType;
    } else {
      return { inner, description: description ?? '', optional, fallback };
    }
  }
}

/** The objects a value may be: one for an object, one per object alternative of a union, none for a scalar. */
export function objectsOf(schema: z.ZodType): z.ZodObject[] {
  const { inner } = unwrap(schema);
  if (inner instanceof z.ZodObject) return [inner];
  if (inner instanceof z.ZodUnion) return inner.def.options.flatMap((option) => objectsOf(option as z.ZodType));
  return [];
}

/** Every key that is known at `path`, over all alternatives. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const [head, ...rest] = path;
  if (head === undefined) return [...new Set(objectsOf(schema).flatMap((object) => Object.keys(object.shape)))];
  const { inner } = unwrap(schema);
  if (inner instanceof z.ZodArray) return keysAt(inner.def.element as z.ZodType, rest);
  return objectsOf(schema).flatMap((object) => {
    const child: unknown = object.shape[String(head)];
    return child instanceof z.ZodType ? keysAt(child, rest) : [];
  });
}
