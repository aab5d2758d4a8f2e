// What an identity provider says about itself (OIDC Discovery §4), and whether we can work with it. Every worker wants to know at its
// start: nothing here needs openid-client or jose, which are loaded with the first login (configured.ts).
import type { ServerMetadata } from 'openid-client';
import { isSigningAlgorithm, isSymmetric } from '../application/signing-algorithms.js';
import type { ProviderConfig } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';
import { isRecord } from '../infra/untyped.js';
import { publicMetadata } from './endpoints.js';
import type { ReadDocument } from './read-plainly.js';

type Oidc = ProviderConfig['oidc'];

/** All that is known once the identity provider has answered. */
export interface Discovered {
  readonly metadata: ServerMetadata;
  /** Header `alg` values that count as the configured algorithm. */
  readonly algorithms: readonly string[];
  /** Where its keys are; null when it signs with the client secret. */
  readonly keysAt: string | null;
  /** Whether it may be asked by http:. */
  readonly insecure: boolean;
}

/** `given`: instead of asking, from a source that knows (authentik). */
export async function discoverProvider(oidc: Oidc, read: ReadDocument, given?: ServerMetadata): Promise<Discovered> {
  const insecure = new URL(oidc.issuer).protocol === 'http:' || given !== undefined;
  const metadata = given ?? publicMetadata(await readMetadata(oidc, read), oidc);
  // Exactly, trailing slash included: `iss` of every token is compared with this string (OIDC Discovery §4.3).
  if (metadata.issuer !== oidc.issuer) throw wrongIssuer(oidc.issuer, metadata.issuer);
  const algorithm = chooseAlgorithm(oidc, metadata);
  if (!isSymmetric(algorithm))
    return { metadata, algorithms: sameAlgorithm(algorithm), keysAt: keysAt(metadata, insecure), insecure };
  if (oidc.client_secret === undefined)
    throw new AkproxError('idp_rejected', 'the identity provider signs with HMAC, which needs oidc.client_secret');
  return { metadata, algorithms: [algorithm], keysAt: null, insecure };
}

/** RFC 9864 renamed EdDSA with this curve to Ed25519; an identity provider may be on either side of that. */
export function sameAlgorithm(algorithm: string): readonly string[] {
  return algorithm === 'EdDSA' || algorithm === 'Ed25519' ? ['EdDSA', 'Ed25519'] : [algorithm];
}

async function readMetadata({ issuer }: Oidc, read: ReadDocument): Promise<ServerMetadata> {
  const url = new URL(issuer);
  url.pathname = `${url.pathname}/.well-known/openid-configuration`.replaceAll('//', '/');
  const { status, text } = await read(url.href);
  // Whatever stands at that address, it is not the identity provider that was configured, or not yet.
  if (status !== 200) throw noDocument(url, `it answered ${status}`);
  const document = parse(text);
  if (!isRecord(document) || typeof document['issuer'] !== 'string')
    throw noDocument(url, 'what is there is no JSON object with an issuer');
  return document as unknown as ServerMetadata; // each member is looked at where it is used
}

function noDocument({ href }: URL, why: string): AkproxError {
  const text = `no discovery document at ${href} (${why}): is oidc.issuer, its path above all, what the identity provider calls itself?`;
  return new AkproxError('idp_unreachable', text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function wrongIssuer(configured: string, found: string): AkproxError {
  const text = `oidc.issuer is ${JSON.stringify(configured)}, but the identity provider calls itself ${JSON.stringify(found.slice(0, 200))}`;
  return new AkproxError('idp_rejected', text);
}

function chooseAlgorithm(oidc: Oidc, metadata: ServerMetadata): string {
  const listed = metadata.id_token_signing_alg_values_supported ?? ['RS256'];
  const only = listed.length === 1 ? listed[0] : undefined;
  const chosen = oidc.id_token_signed_response_alg ?? only ?? (listed.includes('RS256') ? 'RS256' : undefined);
  if (chosen !== undefined && isSigningAlgorithm(chosen)) return chosen;
  const choices = listed.filter(isSigningAlgorithm).join(', ') || 'none that akprox knows';
  throw new AkproxError(
    'idp_rejected',
    `set oidc.id_token_signed_response_alg; the identity provider offers ${choices}`,
  );
}

function keysAt(metadata: ServerMetadata, insecure: boolean): string {
  const text = metadata.jwks_uri ?? '';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !(url.protocol === 'https:' || (insecure && url.protocol === 'http:')))
    throw new AkproxError('idp_rejected', 'the identity provider names no usable jwks_uri');
  return url.href;
}
