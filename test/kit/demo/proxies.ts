// How real reverse proxies are set up in front of the outpost: one text for each, fit to be read as an example.
// All of them listen on the loopback interface only and keep their files in the demo's directory.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { stringify } from 'yaml';
import { IDENTITY_HEADERS, OUTPOST_PREFIXES } from '../gateway.js';
import type { Command } from './children.js';

/** In the order of preference. */
export const PROXIES = ['traefik', 'caddy', 'nginx'] as const;
export type ProxyName = (typeof PROXIES)[number];

export interface Place {
  readonly directory: string;
  readonly port: number;
  /** `host:port` of the outpost and of the application. */
  readonly outpost: string;
  readonly application: string;
}

/** The outpost answers a check with all of these; the two tokens only where the provider says so. */
const ANSWERED = IDENTITY_HEADERS.filter((name) => name !== 'X-authentik-jwt' && name !== 'X-Akprox-Assertion');

/** Full path of a program, or null. */
export function findOnPath(program: string, path: string): string | null {
  for (const directory of path.split(delimiter).filter(Boolean)) {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return join(directory, program);
    } catch {
      // Not here.
    }
  }
  return null;
}

/** Named by `TRAEFIK_BIN` and the like, or on the path; null when there is none. */
export function findProgram(name: string, path: string): string | null {
  return process.env[`${name.toUpperCase()}_BIN`] || findOnPath(name, path);
}

/** The first that takes `X_Auth_Username` away from a client when it is told to (`aliasHeadersStrategy`). */
const TRAEFIK_LEAST = '3.7.12';

/** Why this one cannot be the demo's gateway, or null. */
export function unfit(name: ProxyName, file: string): string | null {
  if (name !== 'traefik') return null;
  const { stdout } = spawnSync(file, ['version'], { encoding: 'utf8' });
  // A build of one's own has no number; what it makes of the file it says itself.
  const [, version] = /^Version: +v?(\d+\.\d+\.\d+)/m.exec(stdout ?? '') ?? [];
  if (version === undefined || version.localeCompare(TRAEFIK_LEAST, 'en', { numeric: true }) >= 0) return null;
  return `traefik ${version} lets X_Auth_Username through; the demo needs ${TRAEFIK_LEAST} or later`;
}

/** Writes the configuration and gives the command that runs the proxy in the foreground. */
export function prepareProxy(name: ProxyName, file: string, place: Place): Command & { readonly config: string } {
  const own = join(place.directory, name);
  mkdirSync(own, { recursive: true });
  const base = { PATH: process.env['PATH'], HOME: own };
  const log = join(place.directory, `${name}.log`);
  if (name === 'traefik') {
    const dynamic = join(own, 'dynamic.yaml');
    writeFileSync(dynamic, traefikDynamic(place));
    const config = join(own, 'traefik.yaml');
    writeFileSync(config, traefikStatic(place, dynamic));
    return { file, args: [`--configFile=${config}`], env: base, log, config: dynamic };
  }
  if (name === 'caddy') {
    const config = join(own, 'Caddyfile');
    writeFileSync(config, caddyfile(place));
    const env = { ...base, XDG_DATA_HOME: join(own, 'data'), XDG_CONFIG_HOME: join(own, 'config') };
    return { file, args: ['run', '--config', config, '--adapter', 'caddyfile'], env, log, config };
  }
  const config = join(own, 'nginx.conf');
  writeFileSync(config, nginxConf(place, own));
  return { file, args: ['-p', own, '-e', 'stderr', '-c', config], env: base, log, config };
}

function traefikStatic({ port }: Place, dynamic: string): string {
  return stringify({
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    entryPoints: {
      // Headers whose names have other signs than `-` go: an application could take X_Auth_Username for X-Auth-Username.
      web: { address: `127.0.0.1:${port}`, http: { aliasHeadersStrategy: 'delete' } },
    },
    providers: { file: { filename: dynamic, watch: false } },
  });
}

function traefikDynamic({ outpost, application }: Place): string {
  const service = (address: string) => ({ loadBalancer: { servers: [{ url: `http://${address}` }] } });
  return stringify({
    http: {
      routers: {
        // Not needed for a login: without it, Traefik relays every step from the check.
        outpost: {
          // Not the check itself: a page that could ask it would read what only the application is told.
          rule: `Host(\`whoami.localhost\`) && (${OUTPOST_PREFIXES.map((prefix) => `PathPrefix(\`${prefix}\`)`).join(' || ')})${OUTPOST_PREFIXES.map((prefix) => ` && !PathPrefix(\`${prefix}auth\`)`).join('')}`,
          priority: 1_000,
          entryPoints: ['web'],
          service: 'outpost',
        },
        application: {
          // Traefik passes every upgrade on: through one to h2c, everything behind the first request would pass unchecked.
          rule: 'Host(`whoami.localhost`) && !HeaderRegexp(`Upgrade`, `(?i)h2c`)',
          priority: 1,
          entryPoints: ['web'],
          middlewares: ['akprox'],
          service: 'application',
        },
      },
      middlewares: {
        akprox: {
          forwardAuth: {
            address: `http://${outpost}/akprox/auth/traefik`,
            trustForwardHeader: false,
            authResponseHeaders: [...IDENTITY_HEADERS],
          },
        },
      },
      services: { outpost: service(outpost), application: service(application) },
    },
  });
}

function caddyfile({ port, outpost, application }: Place): string {
  return `# Generated by the demo.
{
	admin off
	auto_https off
}

http://whoami.localhost:${port} {
	bind 127.0.0.1

	# Caddy asks the check itself. A page that could ask it would read what only the application is told.
	@check path ${OUTPOST_PREFIXES.map((prefix) => `${prefix}auth*`).join(' ')}
	handle @check {
		respond 404
	}

	# Not needed for a login: without it, Caddy relays every step from the check.
	@outpost path ${OUTPOST_PREFIXES.map((prefix) => `${prefix}*`).join(' ')}
	handle @outpost {
		reverse_proxy ${outpost}
	}

	handle {
		# \`route\` keeps the order: Caddy would sort request_header behind forward_auth.
		route {
			# Headers whose names have other signs than \`-\` go: an application could take X_Auth_Username for X-Auth-Username.
${[..."_.~!+^|&%$#'`*"].map((sign) => `\t\t\trequest_header -*${sign}*`).join('\n')}
			# What the client says about itself goes first; some versions of Caddy keep it when the outpost says nothing.
${IDENTITY_HEADERS.map((name) => `\t\t\trequest_header -${name}`).join('\n')}
			forward_auth ${outpost} {
				# A query of its own, or Caddy would append the client's.
				uri /akprox/auth/caddy?caddy
				copy_headers ${ANSWERED.join(' ')}
			}
			reverse_proxy ${application}
		}
	}
}
`;
}

function nginxConf({ port, outpost, application }: Place, own: string): string {
  const variable = (name: string): string => name.toLowerCase().replaceAll('-', '_');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};\n` : '';
  return `# Generated by the demo.
${user}daemon off;
worker_processes 1;
pid "${own}/nginx.pid";
error_log stderr warn;
events { worker_connections 512; }

http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path "${own}/${name}";`).join('\n')}
  large_client_header_buffers 4 32k;
  # Identity headers can be long.
  proxy_buffer_size 32k;
  proxy_buffers 8 32k;
  proxy_busy_buffers_size 64k;
  # The outpost speaks HTTP/1.1, and a kept connection makes a check cheap.
  proxy_http_version 1.1;
  # Who is sent to the login page: a browser that navigates. Scripts get a plain 401.
  map "$request_method:$http_sec_fetch_mode:$http_x_requested_with:$http_accept" $akprox_navigation {
    default                                             0;
    "~^(GET|HEAD):(navigate)?::($|.*(text/html|\\*/\\*))" 1;
  }
  upstream outpost { server ${outpost}; keepalive 16; }
  upstream application { server ${application}; keepalive 16; }

  server {
    listen 127.0.0.1:${port} default_server;
    server_name whoami.localhost;
    if ($host != $server_name) { return 421; }
    # The outpost reads the URL in a header and cannot see raw bytes at its end.
    if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }

    # nginx asks the check itself. A page that could ask it would read what only the application is told.
    location ~ ^(${OUTPOST_PREFIXES.join('|').replaceAll('.', '\\.')})auth { return 404; }

    # The steps of a login; nginx cannot relay them from the check.
    location ~ ^(${OUTPOST_PREFIXES.join('|').replaceAll('.', '\\.')}) {
      proxy_pass http://outpost;
      proxy_set_header Connection "";
      proxy_set_header Host $host:$server_port;
      proxy_set_header X-Forwarded-Host $host:$server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
    }

    location = /.akprox-check {
      internal;
      proxy_pass http://outpost/akprox/auth/nginx;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      proxy_set_header Host $host:$server_port;
      proxy_set_header X-Original-URL "<$scheme://$host:$server_port$request_uri>";
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Forwarded-For $remote_addr;
    }

    location / {
      auth_request /.akprox-check;
      auth_request_set $akprox_login $upstream_http_location;
      error_page 401 = @login;

${IDENTITY_HEADERS.map((name) => `      auth_request_set $akprox_${variable(name)} $upstream_http_${variable(name)};`).join('\n')}
${IDENTITY_HEADERS.map((name) => `      proxy_set_header ${name} $akprox_${variable(name)};`).join('\n')}

      proxy_set_header Connection "";
      proxy_set_header Host $host:$server_port;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host:$server_port;
      proxy_pass http://application;
    }

    location @login {
      # Refused credentials are a 401 without a place to log in at.
      if ($akprox_login = "") { return 401; }
      if ($akprox_navigation = 0) { return 401; }
      return 302 $akprox_login;
    }
  }
}
`;
}
