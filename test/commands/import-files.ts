// Configurations of oauth2-proxy as projects have them, whose identity provider is Keycloak, dex, Google, Entra ID.
export const FILES: Readonly<
  Record<string, { readonly name: string; readonly text: string; readonly args?: string[] }>
> = {
  'a domain behind Traefik, with dex': {
    name: 'oauth2-proxy.cfg',
    text: `
http_address = "0.0.0.0:4180"
reverse_proxy = true
provider = "oidc"
oidc_issuer_url = "https://dex.company.tld/dex"
client_id = "oauth2-proxy"
client_secret = "b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK"
cookie_secret = "OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w="
cookie_secure = "false"
cookie_domains = ".company.tld"            # a list or not: both are taken
whitelist_domains = [".company.tld", ".elsewhere.tld"]
redirect_url = "https://login.company.tld/oauth2/callback"
email_domains = "example.com,example.org"
upstreams = "static://202"
skip_provider_button = true
skip_auth_routes = [ "GET=^/probe", "^/metrics$", "^/assets/", "/public.*" ]
set_xauthrequest = true
`,
  },
  'one application with Keycloak, roles and Redis': {
    name: 'keycloak.cfg',
    text: `
http_address = ":4180"
provider = "keycloak-oidc"
provider_display_name = "Company"
oidc_issuer_url = "https://keycloak.company.tld/realms/company"
client_id = "wiki"
client_secret_file = "/run/secrets/client"
cookie_secret_file = "COOKIE_SECRET_FILE"
redirect_url = "https://wiki.company.tld/oauth2/callback"
email_domains = "*"
allowed_roles = [ "wiki-user" ]
scope = "openid email profile offline_access"
cookie_expire = "12h30m0s"
cookie_refresh = "1m"
session_store_type = "redis"
redis_use_sentinel = true
redis_sentinel_master_name = "mymaster"
redis_sentinel_connection_urls = [ "redis://a:26379", "redis://b:26379" ]
redis_password = "a-password"
skip_auth_regex = [ "^/health$" ]
skip_auth_preflight = true
skip_jwt_bearer_tokens = true
oidc_extra_audiences = [ "account" ]
prefer_email_to_user = true
upstreams = [ "http://127.0.0.1:8080/" ]
pass_access_token = true
`,
  },
  'Google, whose groups no token has': {
    name: 'google.cfg',
    text: `
client_id = "123456.apps.googleusercontent.com"
client_secret = "a-client-secret"
cookie_secret = "0123456789abcdef"
redirect_url = "https://internalapp.company.tld/oauth2/callback"
email_domains = [ "company.tld" ]
google_group = "admins@company.tld"
google_admin_email = "admin@company.tld"
google_service_account_json = "/etc/google.json"
upstreams = [ "file:///dev/null" ]
prompt = "select_account"
cookie_samesite = "none"
`,
  },
  'the environment of a container, with addresses and groups': {
    name: 'oauth2-proxy.env',
    text: `
# docker run --env-file
OAUTH2_PROXY_PROVIDER=oidc
OAUTH2_PROXY_OIDC_ISSUER_URL=https://auth.company.tld/application/o/grafana/
OAUTH2_PROXY_CLIENT_ID=grafana
OAUTH2_PROXY_CLIENT_SECRET=a-client-secret
OAUTH2_PROXY_COOKIE_SECRET=OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=
OAUTH2_PROXY_EMAIL_DOMAINS=company.tld
OAUTH2_PROXY_ALLOWED_GROUPS=staff,admins
OAUTH2_PROXY_REDIRECT_URL=https://grafana.company.tld/oauth2/callback
OAUTH2_PROXY_UPSTREAMS=http://grafana:3000
OAUTH2_PROXY_SKIP_AUTH_ROUTES=^/api/health$,^/a{1,2}/,GET=^/metrics$
`,
  },
  'arguments of a Deployment, without a redirect URL': {
    name: 'args.yaml',
    args: ['--external-host', 'https://grafana.company.tld'],
    text: `
        - --provider=oidc
        - --oidc-issuer-url=https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0
        - "--email-domain=*"
        - --client-id=grafana
        - --client-secret=a-client-secret
        - --cookie-secret=OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=
        - --skip-auth-route=^/api/health$
        - --skip-auth-route=^/public/.*
        - --upstream=static://200
        - --reverse-proxy
        - --trusted-proxy-ip=10.0.0.7
`,
  },
};

/** Its two files go together: the second has what the first cannot say. */
export const ALPHA = {
  cfg: `
cookie_secret = "OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w="
email_domains = "example.com"
redirect_url = "https://app.company.tld/oauth2/callback"
`,
  yaml: `
server:
  bindAddress: 0.0.0.0:4180
upstreamConfig:
  upstreams:
    - id: app
      path: /
      uri: http://app
injectRequestHeaders:
  - name: X-Forwarded-User
    values:
      - claimSource:
          claim: user
providers:
  - id: oidc
    provider: oidc
    clientSecret: b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK
    clientID: app
    scope: openid email
    loginURLParameters:
      - name: prompt
        default: [login]
    oidcConfig:
      issuerURL: https://dex.company.tld/dex
      groupsClaim: roles
`,
};
