// The rooms of src/, from the top down: what test/architecture.test.ts holds the imports to, and what the table in
// CONTRIBUTING.md is made of. To rename, add or move a room, change this list; then
// `UPDATE_CONTRIBUTING=1 npx tsx --test test/architecture.test.ts`.
import { existsSync } from 'node:fs';

export interface Room {
  /** Folders of src/, or files directly in it without `.ts`; from the top down among each other too. */
  readonly names: readonly string[];
  readonly knows: string;
  /** "Where does a change go?" File names in backticks must exist below src/ or test/. */
  readonly change: string;
}

/** A file may import from its own room and from those below it. */
export const ROOMS: readonly Room[] = [
  {
    names: ['main'],
    knows: 'the process: its environment, its streams, whether it is a worker',
    change: 'nothing, most likely: `main.ts` is the only file with side effects at the top level',
  },
  {
    names: ['commands'],
    knows: 'the command line: a file for each command, and the doctor',
    change:
      'a new command: one entry in the table of `command-line.ts`; a new finding of the doctor: `doctor/*-remedies.ts`',
  },
  {
    names: ['cluster'],
    knows:
      'processes: `primary.ts` and `supervisor.ts` start, replace and drain workers, `generations.ts` replaces the daemon (SIGUSR2), `running-config.ts` reloads, `worker.ts` puts a worker together, `messages.ts` is all that they send each other',
    change: 'a new thing that workers must know: a message in `messages.ts`',
  },
  {
    names: ['http'],
    knows:
      'requests: `uws.ts` is the only importer of uWebSockets.js, `engine.ts` knows what serves without it, `router.ts` is the table of paths, one file per step of a login',
    change:
      'a new proxy: a dialect in `dialects.ts`; a new page: `pages.ts`, with its texts in `english.ts` and the other languages',
  },
  {
    names: ['authentik'],
    knows: 'authentik core as a source of providers: API, websocket, what it sends into our words',
    change: 'a new field of core: `translate.ts`',
  },
  {
    names: ['oidc'],
    knows: 'the identity provider, through openid-client and jose',
    change: 'a new check of a token: `verify-jwt.ts`',
  },
  {
    names: ['metrics'],
    knows: 'what workers count, the sums that the primary keeps, and the page that Prometheus reads',
    change:
      'a new counter: a row in the table of `catalogue.ts`, and `tally.count(name, …)` or a plain number where it happens; then `UPDATE_DOCS=1 npx tsx --test test/metrics/page.test.ts`',
  },
  {
    names: ['session'],
    knows: 'sessions: ticket (the cookie), cache, store, renewal, revocation',
    change: 'a new store: implement `store.ts`, run `test/session/store-contract.ts` against it',
  },
  {
    names: ['application'],
    knows:
      'what is protected and for whom: hosts, access rules, allow-lists, return URLs, identity headers. Pure functions',
    change: 'a new identity header: `identity.ts`',
  },
  {
    names: ['infra'],
    knows: 'the ground floor, which knows nothing of the product: errors, clocks, the log and its gates, sealing',
    change: 'a new error: a code in `errors.ts`, a row in `pages.ts` and its texts in `http/texts/`',
  },
];

/** Beside the others: its types may be imported anywhere. */
export const CONFIG: Room & { readonly loaders: readonly string[]; readonly imports: readonly string[] } = {
  names: ['config'],
  knows: 'the file, the environment, the `Config` type',
  change:
    'a new setting: `schema.ts`, or `provider-schema.ts`, with its default and description; then `UPDATE_DOCS=1 npx tsx --test test/config/settings-table.test.ts`',
  /** Who may import more than its types. */
  loaders: ['main', 'commands', 'cluster'],
  /** What it may import itself. */
  imports: ['infra', 'application'],
};

/** The floor that a folder or file is on, from 0 at the top; undefined for one that the list does not have. */
export function floorOf(name: string): number | undefined {
  const floor = ROOMS.flatMap(({ names }) => names).indexOf(name);
  return floor === -1 ? undefined : floor;
}

/** For CONTRIBUTING.md, between its markers. */
export function roomsTable(): string {
  const path = (name: string): string => (isFile(name) ? `\`src/${name}.ts\`` : `\`src/${name}/\``);
  const rows = [...ROOMS.slice(0, 2), CONFIG, ...ROOMS.slice(2)].map(
    ({ names, knows, change }) => `| ${names.map(path).join(', ')} | ${knows} | ${change} |`,
  );
  return [
    '| room | what it knows | where a change goes |',
    '|---|---|---|',
    ...rows,
    '',
    `Imports go down only: \`${ROOMS.flatMap(({ names }) => names).join(' → ')}\`; types of \`config\` may be imported anywhere,`,
    `the rest of it by ${CONFIG.loaders.map((name) => `\`${name}\``).join(', ')} only.`,
  ].join('\n');
}

/** A room is a folder, or one file directly in src/. */
function isFile(name: string): boolean {
  return existsSync(new URL(`../../src/${name}.ts`, import.meta.url));
}
