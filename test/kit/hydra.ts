// A real ory hydra for a suite, with everything in its memory. Who logs in, and what is said of them, hydra leaves to an application
// of one's own: the one here asks for a user name and consents to everything.

import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { answers } from './answers.js';
import { listenLocally } from './listening.js';
import { freePorts } from './ports.js';
import { type ProcessGroup, startGroup } from './process-group.js';

export interface HydraOptions {
  /** By user name, which is also `sub`: the claims in the ID token and in userinfo. */
  readonly users: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** How long access and ID tokens live. Hydra's own default: an hour. */
  readonly tokenSeconds?: number;
}

export interface Hydra {
  readonly issuer: string;
  /** The admin API; `path` begins below `/admin`. Rejects with what hydra says. */
  admin<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** With hydra's defaults: `client_secret_basic`, and a scope only if it is named here. */
  makeClient(client: Readonly<Record<string, unknown>>): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Why a suite that needs it is skipped; null when it is here. */
export function hydraMissing(): string | null {
  return existsSync(process.env['HYDRA_BIN'] ?? '') ? null : 'hydra is not installed (HYDRA_BIN names its program)';
}

const TRIES = 3;

export async function startHydra(options: HydraOptions): Promise<Hydra> {
  let adminOrigin = '';
  const admin = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`${adminOrigin}/admin${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`hydra: ${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const application = await startLoginApplication(options.users, admin);
  let group: ProcessGroup | undefined;
  const dispose = async (): Promise<void> => {
    await group?.stop();
    await application.close();
  };
  try {
    for (let tries = 1; ; tries += 1) {
      const [port = 0, adminPort = 0] = await freePorts(2);
      const issuer = `http://127.0.0.1:${port}/`;
      adminOrigin = `http://127.0.0.1:${adminPort}`;
      const lifetime = `${options.tokenSeconds ?? 3600}s`;
      group = startGroup(process.env['HYDRA_BIN'] ?? '', ['serve', 'all', '--dev', '--sqa-opt-out'], {
        DSN: 'memory',
        LOG_LEVEL: 'warn',
        SECRETS_SYSTEM: 'a secret of the tests, for nothing else',
        SERVE_PUBLIC_HOST: '127.0.0.1',
        SERVE_PUBLIC_PORT: `${port}`,
        SERVE_ADMIN_HOST: '127.0.0.1',
        SERVE_ADMIN_PORT: `${adminPort}`,
        TTL_ACCESS_TOKEN: lifetime,
        TTL_ID_TOKEN: lifetime,
        URLS_SELF_ISSUER: issuer,
        URLS_LOGIN: `${application.origin}/login`,
        URLS_CONSENT: `${application.origin}/consent`,
        URLS_LOGOUT: `${application.origin}/logout`,
        URLS_POST_LOGOUT_REDIRECT: `${application.origin}/signed_out`,
        URLS_ERROR: `${application.origin}/error`,
      });
      if (await answers(`${adminOrigin}/health/ready`, group)) {
        // It makes its keys when they are first asked for, which on a busy machine takes longer than a token of some tests lives.
        await fetch(`${issuer}.well-known/jwks.json`);
        return {
          issuer,
          admin,
          makeClient: (client) => admin('POST', '/clients', client),
          [Symbol.asyncDispose]: dispose,
        };
      }
      // Another process may have taken a port first.
      if (tries === TRIES) throw new Error(`hydra does not start:\n${group.output()}`);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Challenge {
  readonly skip: boolean;
  readonly subject: string;
  readonly requested_scope: readonly string[];
}

async function startLoginApplication(
  users: HydraOptions['users'],
  admin: Hydra['admin'],
): Promise<{ origin: string; close(): Promise<void> }> {
  const accept = async (step: string, challenge: string, body: unknown): Promise<string> => {
    const path = `/oauth2/auth/requests/${step}/accept?${step}_challenge=${encodeURIComponent(challenge)}`;
    return (await admin<{ redirect_to: string }>('PUT', path, body)).redirect_to;
  };
  const answer = async (url: URL, form: URLSearchParams): Promise<{ to: string } | { page: string }> => {
    const step = url.pathname.slice(1);
    const challenge = url.searchParams.get(`${step}_challenge`);
    if (challenge === null) return { page: `${step}: ${[...url.searchParams].join(' ')}` };
    if (step === 'logout') return { to: await accept(step, challenge, undefined) };
    const path = `/oauth2/auth/requests/${step}?${step}_challenge=${encodeURIComponent(challenge)}`;
    const asked = await admin<Challenge>('GET', path);
    if (step === 'consent') {
      const session = { id_token: users[asked.subject] ?? {} };
      return { to: await accept(step, challenge, { grant_scope: asked.requested_scope, session }) };
    }
    const subject = asked.skip ? asked.subject : (form.get('login') ?? '');
    if (users[subject] !== undefined) return { to: await accept(step, challenge, { subject, remember: true }) };
    return { page: `<form method="post" action=""><input name="login"><input name="password" type="password"></form>` };
  };
  const server = createServer(async (req, res) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const url = new URL(req.url ?? '/', 'http://127.0.0.1');
      const answered = await answer(url, new URLSearchParams(Buffer.concat(chunks).toString()));
      if ('to' in answered) res.writeHead(302, { Location: answered.to }).end();
      else res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(answered.page);
    } catch (error) {
      res.writeHead(500).end(`${error}`);
    }
  });
  const { port, close } = await listenLocally(server);
  return { origin: `http://127.0.0.1:${port}`, close };
}
