// What an identity provider can demand of a client that we do not do, or not unless a setting says so. It shows in an error and its
// description; for the log each is named by the words that the identity provider's own pages and the specifications have.

interface Demand {
  readonly codes: readonly string[];
  /** In `error_description`, which has no registered words; absent where the code alone says it. */
  readonly described?: RegExp;
  readonly advice: string;
}

const DEMANDS: readonly Demand[] = [
  {
    codes: ['invalid_dpop_proof', 'use_dpop_nonce'],
    described: /\bdpop\b/i,
    advice: 'it demands DPoP, which akprox does not do: switch DPoP off for this client at the identity provider',
  },
  {
    codes: [],
    described: /pushed.{0,3}authori[sz]ation|\bPAR\b/i,
    advice: 'it demands a pushed authorization request (PAR): set oidc.par: true',
  },
  {
    codes: ['invalid_request_object'],
    described: /\brequest.{0,3}object|signed request|['"`]request['"`]/i,
    advice:
      'it demands a request object, which akprox does not send: switch "request object required" off for this client at the identity provider',
  },
  {
    // Keycloak says `unauthorized_client` to a wrong secret.
    codes: ['invalid_client', 'unauthorized_client'],
    advice:
      'compare oidc.client_id, oidc.client_secret and oidc.token_endpoint_auth_method with the identity provider; a client that must authenticate with a key there (client-jwt) needs oidc.private_key and token_endpoint_auth_method: private_key_jwt',
  },
  {
    codes: ['unmet_authentication_requirements'],
    advice: 'it cannot do what acr_values in oidc.authorization_params asks for',
  },
];

/** For behind an error's code; '' when there is nothing to advise. The description itself is not repeated. */
export function adviceOn(code: string, description: string): string {
  const demand =
    DEMANDS.find(({ codes }) => codes.includes(code)) ?? DEMANDS.find(({ described }) => described?.test(description));
  return demand === undefined ? '' : ` (${demand.advice})`;
}
