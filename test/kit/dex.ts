// A real dex for a suite, with everything in its memory. Its people are those of its own list of passwords, of whom it knows no groups,
// and one person of its mock connector, who stands for those of GitHub, LDAP and the like.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers } from './answers.js';
import { type Browser, unescapeHtml } from './browser.js';
import { freePorts } from './ports.js';
import { type ProcessGroup, startGroup } from './process-group.js';

export interface DexOptions {
  /** Each with the secret `<id>-client-secret`. */
  readonly clients: Readonly<Record<string, { readonly redirectUri: string }>>;
  /** E-mail addresses. */
  readonly people: readonly string[];
  /** How long ID tokens live. Dex's own default: a day. */
  readonly tokenSeconds: number;
}

export interface Dex {
  readonly issuer: string;
  /** From where a login begins (`P/start`) to where it ends: somebody of `people`, or `null` for the person with groups. */
  logIn(browser: Browser, startUrl: string, person: string | null, until: (url: string) => boolean): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Whom the mock connector brings in, whoever comes. */
export const WITH_GROUPS = { email: 'kilgore@kilgore.trout', groups: ['authors'] };

/** Why a suite that needs it is skipped; null when it is here. */
export function dexMissing(): string | null {
  return existsSync(process.env['DEX_BIN'] ?? '') ? null : 'dex is not installed (DEX_BIN names its program)';
}

/** bcrypt of `any`. */
const PASSWORD_HASH = '$2a$10$mxm//3TPgE5x59et2gIKOOHb1w5fIag6bJDoBO3xhySeZgP/Bb/oi';
const TRIES = 3;

export async function startDex(options: DexOptions): Promise<Dex> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-dex-'));
  let group: ProcessGroup | undefined;
  const dispose = async (): Promise<void> => {
    await group?.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (let tries = 1; ; tries += 1) {
      const [port = 0] = await freePorts(1);
      const issuer = `http://127.0.0.1:${port}/dex`;
      const file = join(directory, 'dex.json');
      // Dex reads YAML, and so JSON.
      writeFileSync(file, JSON.stringify(configuration(issuer, port, options)));
      group = startGroup(process.env['DEX_BIN'] ?? '', ['serve', file]);
      if (await answers(`${issuer}/healthz`, group)) return { issuer, logIn, [Symbol.asyncDispose]: dispose };
      // Another process may have taken the port first.
      if (tries === TRIES) throw new Error(`dex does not start:\n${group.output()}`);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
}

function configuration(issuer: string, port: number, { clients, people, tokenSeconds }: DexOptions): unknown {
  return {
    issuer,
    storage: { type: 'memory' },
    web: { http: `127.0.0.1:${port}` },
    logger: { level: 'error' },
    oauth2: { skipApprovalScreen: true },
    // Without a time in which an old refresh token is good for another use.
    expiry: { idTokens: `${tokenSeconds}s`, refreshTokens: { reuseInterval: '0s' } },
    staticClients: Object.entries(clients).map(([id, { redirectUri }]) => ({
      ...{ id, name: id, secret: `${id}-client-secret` },
      redirectURIs: [redirectUri],
    })),
    connectors: [{ type: 'mockCallback', id: 'mock', name: 'Mock' }],
    enablePasswordDB: true,
    staticPasswords: people.map((email) => ({ email, hash: PASSWORD_HASH, username: email, userID: email })),
  };
}

const logIn: Dex['logIn'] = async (browser, startUrl, person, until) => {
  const choice = await browser.follow(await browser.get(startUrl));
  const href = new RegExp(`href="([^"]*/auth/${person === null ? 'mock' : 'local'}[?][^"]*)"`).exec(choice.body)?.[1];
  if (href === undefined) throw new Error(`not dex's page: ${choice.status} ${choice.url} ${choice.body}`);
  const ended = await browser.logIn(new URL(unescapeHtml(href), choice.url).href, person ?? '', until);
  if (ended.location === null || !until(ended.location))
    throw new Error(`the login ends elsewhere: ${ended.status} ${ended.url} ${ended.body}`);
};
