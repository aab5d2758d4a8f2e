// The schema of the configuration file as JSON Schema, for editors. It says less than ours: rules between settings are not in it.
import { z } from 'zod';
import { isRecord } from '../infra/untyped.js';
import { configSchema } from './schema.js';
import { SECRET_PATHS } from './secrets.js';

/** Draft 2020-12, of the file as it is written: secrets may be references. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
  for (const path of SECRET_PATHS) allowReferences(schema, path);
  return { ...schema, title: 'akprox.yaml' };
}

const REFERENCE = ['env', 'file'].map((kind) => ({
  type: 'object',
  properties: { [kind]: { type: 'string', minLength: 1 } },
  required: [kind],
  additionalProperties: false,
}));

/** Changes `schema` in place: what stands at `path` may be a secret or where it is kept. */
function allowReferences(schema: unknown, [head, ...rest]: readonly string[]): void {
  if (!isRecord(schema) || head === undefined) return;
  if (head === '*') {
    allowReferences(schema['items'], rest);
    return;
  }
  for (const alternative of [...list(schema['oneOf']), ...list(schema['anyOf'])])
    allowReferences(alternative, [head, ...rest]);
  const { properties } = schema;
  const there = isRecord(properties) ? properties[head] : undefined;
  if (!isRecord(properties) || !isRecord(there)) return;
  if (rest.length > 0) {
    allowReferences(there, rest);
    return;
  }
  const { description, ...literal } = there;
  properties[head] = { description, anyOf: [literal, ...REFERENCE] };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
