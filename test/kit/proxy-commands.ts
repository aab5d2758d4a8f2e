// How each real proxy is started with its files of deploy/proxies/: what is replaced in them, and the command.
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ProxyName = 'nginx' | 'caddy' | 'haproxy' | 'traefik' | 'envoy';
export type Mode = 'single' | 'domain';

export const DEPLOY = fileURLToPath(new URL('../../deploy/proxies/', import.meta.url));

/** `http`: over HTTP. A CA: over HTTPS, and the outpost's certificate must be of the one in this file. */
export type Variant = 'http' | { readonly ca: string };

/** Deliberate changes: `script` of akprox.lua, `edits` of the configuration, everywhere in it. */
export interface Changes {
  readonly script?: readonly [from: string, to: string];
  readonly edits?: readonly (readonly [from: string, to: string])[];
}

export interface Place extends Changes {
  readonly mode: Mode;
  readonly directory: string;
  readonly certificate: { readonly cert: string; readonly key: string; readonly both: string };
  readonly port: number;
  readonly check: number;
  readonly plain: number;
  readonly outpost: number;
  /** The same over HTTPS. */
  readonly secureOutpost: number;
  readonly application: number;
  /** Unix sockets at which the outpost is asked, in place of the port: two, as the files have them. Not Traefik, which has none. */
  readonly sockets?: readonly string[];
  /** How the outpost is asked, where the file has it as a variant; absent: as the file is. */
  readonly variant?: Variant;
}

export interface Command {
  readonly args: string[];
  /** Has the proxy read the configuration and end; not every proxy can. */
  readonly check?: string[];
  readonly env?: Record<string, string>;
  /** Of what was started for it. */
  close?(): Promise<void>;
}

export type Prepare = (place: Place) => Command | Promise<Command>;

export const PREPARE = {
  nginx: (place: Place): Command => {
    const { directory, certificate } = place;
    const conf = join(directory, 'site.conf');
    const tls = place.mode === 'single' ? '/etc/nginx/tls/whoami.company.tld' : '/etc/nginx/tls/company.tld';
    writeFileSync(
      conf,
      replaced(`nginx/${place.mode}.conf`, [
        ['listen 443 ssl;', `listen 127.0.0.1:${place.port} ssl;`],
        [`${tls}.crt`, certificate.cert],
        [`${tls}.key`, certificate.key],
        ...overSockets(place, '  server 127.0.0.1:9000;\n', '  # server unix:', '  server unix:'),
        ['127.0.0.1:9000', `127.0.0.1:${place.outpost}`],
        ['127.0.0.1:5000', `127.0.0.1:${place.application}`],
        ...(place.edits ?? []),
      ]),
    );
    const main = join(directory, 'nginx.conf');
    // What Debian's nginx.conf does around conf.d/, in one process and in one directory.
    writeFileSync(
      main,
      `${process.getuid?.() === 0 ? `user ${userInfo().username};\n` : ''}daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${directory}/${kind};`).join('\n')}
  include ${conf};
}
`,
    );
    const args = ['-p', directory, '-e', 'stderr', '-c', main];
    return { args, check: ['-t', ...args] };
  },

  caddy: (place: Place): Command => {
    const conf = join(place.directory, 'Caddyfile');
    // Global options come first: another port, and certificates of Caddy's own authority.
    const options = `{
	admin off
	http_port ${place.plain}
	https_port ${place.port}
	local_certs
	skip_install_trust
	default_bind 127.0.0.1
}
`;
    writeFileSync(
      conf,
      options +
        replaced(`caddy/${place.mode}.Caddyfile`, [
          // What the file says at its head to write in place of the address.
          ...(place.sockets === undefined
            ? []
            : [
                [' 127.0.0.1:9000 {', ' unix//run/akprox/akprox.sock unix//run/akprox/akprox.sock.2 {'] as const,
                ...SOCKETS.map((path, i) => [`unix/${path} `, `unix/${place.sockets?.[i]} `] as const).reverse(),
              ]),
          ...asVariant(place, {
            http: [],
            ca: (ca) => [
              [' 127.0.0.1:9000 {', ` https://127.0.0.1:${place.secureOutpost} {`],
              ['# tls_trusted_ca_certs /etc/caddy/akprox-ca.crt', `tls_trusted_ca_certs ${ca}`],
            ],
          }),
          ['127.0.0.1:9000', `127.0.0.1:${place.outpost}`],
          ['127.0.0.1:5000', `127.0.0.1:${place.application}`],
          ...(place.edits ?? []),
        ]),
    );
    const home = { HOME: place.directory, XDG_DATA_HOME: place.directory, XDG_CONFIG_HOME: place.directory };
    const args = ['--config', conf, '--adapter', 'caddyfile'];
    return { args: ['run', ...args], check: ['validate', ...args], env: home };
  },

  haproxy: (place: Place): Command => {
    const lua = join(place.directory, 'akprox.lua');
    const check: [string, string] = ['127.0.0.1:9001', `127.0.0.1:${place.check}`];
    writeFileSync(lua, replaced('haproxy/akprox.lua', [check, ...(place.script ? [place.script] : [])]));
    const conf = join(place.directory, 'haproxy.cfg');
    writeFileSync(
      conf,
      replaced(`haproxy/${place.mode}.cfg`, [
        check,
        ['bind :443 ', `bind 127.0.0.1:${place.port} `],
        ['/etc/haproxy/tls/company.tld.pem', place.certificate.both],
        ['/etc/haproxy/akprox.lua', lua],
        ...overSockets(
          place,
          '  server outpost1 127.0.0.1:9000 check pool-purge-delay 4s\n',
          '  # server worker',
          '  server worker',
        ),
        ['127.0.0.1:9000', `127.0.0.1:${place.outpost}`],
        ['127.0.0.1:5000', `127.0.0.1:${place.application}`],
        ...(place.edits ?? []),
      ]),
    );
    return { args: ['-db', '-f', conf], check: ['-c', '-f', conf] };
  },

  // One file serves both modes: the router of the login host is only used in one of them.
  traefik: (place: Place): Command => {
    const dynamic = join(place.directory, 'dynamic.yaml');
    // An edit belongs to the file that has what it changes.
    const installed = readFileSync(join(DEPLOY, 'traefik/traefik.yaml'), 'utf8');
    const edits = (where: boolean) => (place.edits ?? []).filter(([from]) => installed.includes(from) === where);
    // Where the operator has certificates from an authority, the test has one of its own.
    const tls = `\ntls:\n  certificates:\n    - { certFile: ${place.certificate.cert}, keyFile: ${place.certificate.key} }\n`;
    writeFileSync(
      dynamic,
      replaced('traefik/dynamic.yaml', [
        ...asVariant(place, {
          http: [['address: https://akprox:9443', 'address: http://akprox:9000']],
          ca: (ca) => [
            ['          insecureSkipVerify: true\n', ''],
            ['# ca: /etc/traefik/akprox-ca.crt', `ca: ${ca}`],
            ['url: http://akprox:9000', 'url: https://akprox:9443'],
            ['# serversTransport: akprox', 'serversTransport: akprox'],
            ['# serversTransports:\n  #', 'serversTransports:\n  '],
            ['/etc/traefik/akprox-ca.crt', ca],
          ],
        }),
        ...addresses(place),
        ['http://whoami:5000', `http://127.0.0.1:${place.application}`],
        ...edits(false),
      ]) + tls,
    );
    const conf = join(place.directory, 'traefik.yaml');
    const quiet = '\nglobal: { checkNewVersion: false, sendAnonymousUsage: false }\n';
    writeFileSync(
      conf,
      replaced('traefik/traefik.yaml', [
        ['":443"', `"127.0.0.1:${place.port}"`],
        ['/etc/traefik/dynamic.yaml', dynamic],
        ...edits(true),
      ]) + quiet,
    );
    return { args: [`--configFile=${conf}`] };
  },

  envoy: (place: Place): Command => {
    const conf = join(place.directory, 'envoy.yaml');
    const { certificate } = place;
    writeFileSync(
      conf,
      replaced(`envoy/${place.mode}.yaml`, [
        ['address: 0.0.0.0, port_value: 443', `address: 127.0.0.1, port_value: ${place.port}`],
        ['/etc/envoy/tls/company.tld.crt', certificate.cert],
        ['/etc/envoy/tls/company.tld.key', certificate.key],
        ...asVariant(place, {
          http: [],
          ca: (ca) => [
            ['address: akprox, port_value: 9000', `address: 127.0.0.1, port_value: ${place.secureOutpost}`],
            ['explicit_http_config: { http_protocol_options: {} }', HTTP2],
            ['      # transport_socket:', '      transport_socket:'],
            ['\n      #   ', '\n        '],
            ['/etc/envoy/tls/akprox-ca.crt', ca],
          ],
        }),
        ...(place.sockets === undefined
          ? typeof place.variant === 'object'
            ? []
            : [['address: akprox, port_value: 9000', `address: 127.0.0.1, port_value: ${place.outpost}`] as const]
          : [
              ['- name: akprox\n      type: STRICT_DNS', '- name: akprox\n      type: STATIC'] as const,
              ...overSockets(
                place,
                '              - endpoint: { address: { socket_address: { address: akprox, port_value: 9000 } } }\n',
                '              # - endpoint',
                '              - endpoint',
              ),
            ]),
        ['address: whoami, port_value: 5000', `address: 127.0.0.1, port_value: ${place.application}`],
        ...(place.edits ?? []),
      ]),
    );
    const args = ['-c', conf, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'];
    return { args, check: ['--mode', 'validate', ...args] };
  },
} satisfies Record<ProxyName, (place: Place) => Command>;

/** As the comment in Envoy's files has it. */
const HTTP2 = 'explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 16 } }';
/** In the files, for a daemon with two workers. */
const SOCKETS = ['/run/akprox/akprox.sock', '/run/akprox/akprox.sock.2'];

/** What the file says: lines in place of `line`, which stand in it as comments. */
function overSockets(
  { sockets }: Place,
  line: string,
  comment: string,
  without: string,
): (readonly [from: string, to: string])[] {
  if (sockets === undefined) return [];
  // The longer path first: it begins as the other does.
  const paths = SOCKETS.map((path, i) => [path, sockets[i] ?? ''] as const).reverse();
  return [[line, ''], [comment, without], ...paths];
}

type Replacement = readonly [from: string, to: string];

/** What a file says to write in place of what it has. */
export function asVariant(
  { variant }: Place,
  variants: { readonly http: readonly Replacement[]; ca(ca: string): readonly Replacement[] },
): readonly Replacement[] {
  if (variant === undefined) return [];
  return variant === 'http' ? variants.http : variants.ca(variant.ca);
}

/** Where the outpost really is, in place of what it is called; a variant leaves only one of the two in the file. */
export function addresses({ variant, outpost, secureOutpost }: Place, host = 'akprox'): readonly Replacement[] {
  const http = [`http://${host}:9000`, `http://127.0.0.1:${outpost}`] as const;
  const https = [`https://${host}:9443`, `https://127.0.0.1:${secureOutpost}`] as const;
  return variant === undefined ? [http, https] : [variant === 'http' ? http : https];
}

/** Every one of the replacements must have something to replace, or the file and the tests have parted ways. */
export function replaced(file: string, replacements: readonly (readonly [from: string, to: string])[]): string {
  let text = readFileSync(join(DEPLOY, file), 'utf8');
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`deploy/proxies/${file} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
