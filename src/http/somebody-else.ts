// “Sign in as somebody else” goes from step to step: P/sign_out, the identity provider, P/signed_out, P/start. To log in anew is not
// enough: an identity provider that remembers a person signs the same one in again. Keycloak does so with `prompt=login` too.

const MARK = 'somebody_else=1';

/** The query of a step that goes on to a login as somebody else. `target`: where that leads, null for home. */
export function somebodyElseQuery(target: string | null): string {
  return target === null ? `?${MARK}` : `?${MARK}&rd=${encodeURIComponent(target)}`;
}

/** The mark stands first: what is behind `rd=` may belong to the target. */
export function isForSomebodyElse(rawQuery: string): boolean {
  return rawQuery === MARK || rawQuery.startsWith(`${MARK}&`);
}
