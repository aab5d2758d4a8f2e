// Who gets in: accounts, and paths that need none. What akprox cannot say is never said more widely.
import type { Reader } from './reader.js';

/** Groups of an identity provider that no token has: a name that nobody has keeps everybody out until somebody has looked. */
const ELSEWHERE = [
  'bitbucket_repository',
  'bitbucket_team',
  'bitbucket_workspace',
  'github_org',
  'github_repo',
  'github_team',
  'github_users',
  'gitlab_projects',
  'google_group',
  'google_groups',
];
/** A path that begins at its begin and means the same in a whole URL: letters, and dots that are dots. */
const PLAIN_PATH = /^\^(\/(?:[\w/~-]|\\\.)*)(\$?)$/;

export function accessOf(read: Reader, readFile: (path: string) => string): { access?: Record<string, unknown> } {
  const domains = read.list('email_domains').filter((domain) => domain !== '');
  const file = read.text('authenticated_emails_file');
  const emails = file === '' ? [] : emailsIn(file, readFile, read);
  const groups = [...read.list('allowed_groups'), ...read.list('keycloak_groups'), ...read.list('gitlab_groups')];
  const roles = read.list('allowed_roles');
  if (roles.length > 0 && groups.length > 0) {
    read.say('allowed_roles', 'they stand in access.groups; claims.groups must name a claim that has groups and roles');
  }
  groups.push(...roles);
  for (const option of ELSEWHERE) {
    const values = read.list(option);
    if (values.length === 0) continue;
    groups.push(...values);
    read.warn(
      option,
      'nobody gets in until you have looked: its values stand in access.groups, and count when the identity provider sends them in the claim that claims.groups names. Put in access what you mean',
    );
  }
  if (read.isOn('insecure_oidc_allow_unverified_email')) {
    read.say(
      'insecure_oidc_allow_unverified_email',
      'an address that the identity provider calls unverified never counts',
    );
  }
  const everyDomain = domains.includes('*');
  const byEmail = !everyDomain && (domains.length > 0 || emails.length > 0 || file !== '');
  if (groups.length > 0) {
    if (byEmail) {
      read.warn(
        'email_domains',
        'both an address and a group were asked for; akprox lets in whoever has either, so only the groups were taken over: see that nobody else is in them',
      );
    }
    return { access: { groups } };
  }
  if (!byEmail) {
    if (domains.length === 0)
      read.warn('email_domains', 'nobody was let in; without access whoever can log in is: set it');
    return domains.length === 0 ? { access: { email_domains: ['set-access.invalid'] } } : {};
  }
  const named = domains.filter((domain) => !domain.startsWith('.') && !domain.startsWith('*'));
  if (named.length < domains.length) {
    read.warn('email_domains', 'subdomains were let in too: write each of them into access.email_domains');
  }
  if (named.length + emails.length === 0) return { access: { email_domains: ['set-access.invalid'] } };
  return {
    access: { ...(emails.length > 0 && { emails }), ...(named.length > 0 && { email_domains: named }) },
  };
}

function emailsIn(file: string, readFile: (path: string) => string, read: Reader): string[] {
  try {
    const lines = readFile(file).split('\n');
    read.say(
      'authenticated_emails_file',
      'its addresses stand in access.emails; a change of that file counts no longer',
    );
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  } catch {
    read.warn('authenticated_emails_file', `${file} cannot be read here: write its addresses into access.emails`);
    return [];
  }
}

export function skippedPaths(read: Reader, wholeUrl: boolean): { skip_path_regex?: string[] } {
  const expressions: string[] = [];
  for (const option of ['skip_auth_routes', 'skip_auth_regex']) {
    for (const route of read.list(option)) {
      const [, method, path = route] = /^([A-Z]*)!?=(.*)$/.exec(route) ?? [];
      const [, plain = '', end = ''] = PLAIN_PATH.exec(path) ?? [];
      if (method !== undefined) {
        read.say(
          option,
          `${route}: skip_path_regex counts for every method, so this one asks for a login: let the proxy pass it, or the path for all`,
        );
      } else if (!wholeUrl) expressions.push(path);
      else if (plain === '') {
        read.say(
          option,
          `${route}: in forward_domain skip_path_regex is compared with the whole URL, so this one asks for a login: write it anew, as ^https://app\\.company\\.tld/path/`,
        );
      } else expressions.push(`^https?://[^/?#]+${plain}${end === '' ? '' : '(\\?.*)?$'}`);
    }
  }
  return expressions.length === 0 ? {} : { skip_path_regex: expressions };
}
