/** OpenSSL's verification results have names of their own; everything else about TLS says so in its code. */
export function isTlsFault(error: unknown): boolean {
  for (let e = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth += 1) {
    const code = 'code' in e ? String(e.code) : '';
    if (/^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|EPROTO$)|SELF_SIGNED_CERT|INVALID_CA|HOSTNAME_MISMATCH/.test(code))
      return true;
  }
  return false;
}
