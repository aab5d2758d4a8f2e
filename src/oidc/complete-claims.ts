// Claims that an access rule or an identity header needs and that a token lacks are asked from the userinfo endpoint, at login
// and at every renewal (contract §3). What is missing there too at a renewal keeps its former value: a renewal never empties
// half the headers.
import * as openid from 'openid-client';
import { type Claims, groupsOf, type Payload, readClaims, usernameOf } from '../application/claims.js';
import type { OidcClient } from './client.js';
import type { DiscoveredProvider } from './configured.js';
import { refused } from './failures.js';

export interface Completed {
  readonly payload: Payload;
  /** The userinfo endpoint was needed and did not answer: what is missing says nothing. */
  readonly unanswered: boolean;
}

/** With the userinfo endpoint's claims below the token's. */
export async function completeClaims(
  client: OidcClient,
  provider: DiscoveredProvider,
  payload: Payload,
  accessToken: string,
): Promise<Completed> {
  if (!lacksClaims(client, payload) || provider.metadata.userinfo_endpoint === undefined)
    return { payload, unanswered: false };
  try {
    // Refuses an answer about another `sub` (OIDC Core §5.3.2).
    const userinfo = await openid.fetchUserInfo(provider.configuration, accessToken, String(payload['sub']));
    return { payload: { ...userinfo, ...withoutNulls(payload) }, unanswered: false };
  } catch (error) {
    client.log({ event: 'userinfo_failed', error: refused(client, error, 'the userinfo endpoint') });
    return { payload, unanswered: true };
  }
}

function lacksClaims({ claims, access }: OidcClient, payload: Payload): boolean {
  const needed = ['email', 'name'];
  if (access.emails.length + access.email_domains.length > 0) needed.push('email_verified');
  return (
    needed.some((name) => payload[name] === undefined || payload[name] === null) ||
    usernameOf(payload, claims) === '' ||
    groupsOf(payload, claims) === null
  );
}

function withoutNulls(payload: Payload): Payload {
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== null));
}

/** Says so when the rule asks for groups and the login brought no list of them. */
export function claimsOfLogin(client: OidcClient, { payload }: Completed): Claims {
  if (client.access.groups.length > 0 && groupsOf(payload, client.claims) === null)
    client.log({ event: payload['_claim_names'] === undefined ? 'groups_missing' : 'groups_left_out' });
  return readClaims(payload, client.claims);
}

/** Null: the groups that let this person in can be known no more, so that the session has to end. */
export function claimsOfRenewal(
  client: OidcClient,
  { payload, unanswered }: Completed,
  previous: Claims,
): Claims | null {
  const claims = readClaims(payload, client.claims);
  const hasGroups = groupsOf(payload, client.claims) !== null;
  const needsGroups = client.access.groups.length > 0 && previous.groups.length > 0;
  if (!hasGroups && needsGroups && !unanswered && !client.claims.keep) {
    client.log({ event: 'groups_lost' });
    return null;
  }
  const email = claims.email || previous.email;
  const sameEmail = email === previous.email;
  return {
    ...claims,
    sid: claims.sid || previous.sid,
    email,
    emailVerified: sameEmail ? (claims.emailVerified ?? previous.emailVerified) : claims.emailVerified,
    name: claims.name || previous.name,
    preferredUsername: usernameOf(payload, client.claims) || previous.preferredUsername,
    groups: hasGroups ? claims.groups : previous.groups,
    entitlements: payload['entitlements'] === undefined ? previous.entitlements : claims.entitlements,
    userAttributes: payload['ak_proxy'] === undefined ? previous.userAttributes : claims.userAttributes,
  };
}
