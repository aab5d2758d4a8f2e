// Every setting as a Markdown table, made from the schema so that docs/configuration.md cannot drift away from it.
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.js';
import { objectsOf, unwrap } from '../../src/config/schema-shape.js';
import { SECRET_PATHS } from '../../src/config/secrets.js';

const SECRETS: ReadonlySet<string> = new Set(SECRET_PATHS.map((path) => path.join('.').replaceAll('.*', '[]')));

interface Row {
  readonly setting: string;
  readonly fallback: string;
  readonly about: string;
}

/** `setting | default | what it does`, one row for each leaf (`providers[].oidc.issuer`), in the order of the schema. */
export function configTable(): string {
  const rows = objectsOf(configSchema).flatMap((object) => rowsOf(object, '', undefined, undefined));
  const lines = rows.map(
    ({ setting, fallback, about }) => `| \`${setting}\` | ${fallback} | ${about.replaceAll('|', '\\|')} |`,
  );
  return ['| setting | default | what it does |', '|---|---|---|', ...lines].join('\n');
}

/** `given` is the default of the object itself, `within` the optional object that a required setting belongs to. */
function rowsOf(object: z.ZodObject, prefix: string, given: unknown, within: string | undefined): Row[] {
  return Object.entries(object.shape).flatMap(([key, child]) => {
    const inherited =
      typeof given === 'object' && given !== null && key in given
        ? Object.entries(given).find(([name]) => name === key)?.[1]
        : undefined;
    return rowsOfSetting(child as z.ZodType, prefix === '' ? key : `${prefix}.${key}`, inherited, within);
  });
}

function rowsOfSetting(schema: z.ZodType, setting: string, inherited: unknown, within: string | undefined): Row[] {
  const { inner, description, optional, fallback } = unwrap(schema);
  const given = fallback === undefined ? inherited : fallback;
  if (inner instanceof z.ZodArray) {
    const [element] = objectsOf(inner.def.element as z.ZodType);
    if (element) return rowsOf(element, `${setting}[]`, undefined, undefined);
  }
  if (inner instanceof z.ZodDiscriminatedUnion) return rowsOfAlternatives(inner, setting, given);
  const nested = objectsOf(inner).flatMap((object) => rowsOf(object, setting, given, optional ? setting : within));
  if (inner instanceof z.ZodObject) return nested;
  const about = SECRETS.has(setting) ? `${description} Also \`{ env: NAME }\` or \`{ file: PATH }\`.` : description;
  const required = within === undefined ? 'required' : `required in \`${within.replace(/^.*\./, '')}\``;
  const shown = given === undefined ? (optional ? '' : required) : `\`${written(given)}\``;
  return [{ setting, fallback: shown, about }, ...nested];
}

/** The discriminator once, with every value it takes; the other settings say which value they go with. */
function rowsOfAlternatives(union: z.ZodDiscriminatedUnion, setting: string, given: unknown): Row[] {
  const { discriminator } = union.def;
  const alternatives = union.def.options.flatMap((option) => objectsOf(option as z.ZodType));
  const own = `${setting}.${discriminator}`;
  const values = alternatives.map((object) => {
    const kind = unwrap(object.shape[discriminator] as z.ZodType);
    return { value: kind.inner instanceof z.ZodLiteral ? String(kind.inner.value) : '', about: kind.description };
  });
  const rows = alternatives.flatMap((object, index) =>
    rowsOf(object, setting, given, undefined)
      .filter((row) => row.setting !== own)
      .map((row) => ({ ...row, about: `\`${values[index]?.value}\`: ${row.about}` })),
  );
  const [fallback] = objectsOf(union)
    .flatMap((object) => rowsOf(object, setting, given, undefined))
    .filter((row) => row.setting === own);
  const about = values.map((one) => `\`${one.value}\`: ${one.about}`).join(' ');
  return [{ setting: own, fallback: fallback?.fallback ?? '', about }, ...rows];
}

/** A default as it would be written in the file. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  return value === '' ? '""' : String(value);
}
