// What both halves of the schema are made of: kinds of values that several settings have.
import { z } from 'zod';

const A_DURATION = 'expected a duration such as 500ms, 60s, 5m, 24h or 7d';
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `60s`, `5m`, `24h`, `7d`, `250ms` → milliseconds. */
export const duration = (fallback: string, about: string) =>
  z
    .string({ error: ({ input }) => `${A_DURATION}, found ${typeof input}` })
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, A_DURATION)
    .default(fallback)
    .transform((text) => {
      const [, amount = '0', unit = 's'] = /^(\d+)(\D+)$/.exec(text) ?? [];
      return Number(amount) * (DURATION_UNITS[unit] ?? 1_000);
    })
    .describe(about);

/** A literal, or where the secret is kept. `load.ts` replaces the two object forms before this schema is asked. */
export const secret = (about: string) => z.string().min(1).describe(about);

/** Ends in pages: one line of text. */
export const shownName = (about: string) =>
  z
    .string()
    .max(100)
    .regex(/^[^\p{Cc}]*$/u, 'expected one line of text')
    .default('')
    .describe(about);

export const certificate = z.strictObject({
  cert: z.string().describe('Certificate chain, PEM file.'),
  key: z.string().describe('Private key, PEM file.'),
});
