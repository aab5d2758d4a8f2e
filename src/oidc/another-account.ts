// How an identity provider is asked for an account although it remembers one (OIDC Core §3.1.2.1). Not every one knows every `prompt`, and
// some refuse what they do not know.
import type { ServerMetadata } from 'openid-client';
import { textsOf } from '../infra/untyped.js';

/**
 * Where its session can be ended that has been done before: `login` holds for one that lives on all the same, and every such identity
 * provider knows it. Those that cannot (Google, dex) let people choose by `select_account`.
 */
export function promptForAnother(metadata: ServerMetadata): { readonly prompt?: string } {
  const wanted =
    metadata.end_session_endpoint === undefined ? ['select_account', 'login'] : ['login', 'select_account'];
  const listed: unknown = metadata['prompt_values_supported'];
  const prompt = Array.isArray(listed) ? wanted.find((value) => textsOf(listed).includes(value)) : wanted[0];
  return prompt === undefined ? {} : { prompt };
}
