// A real Keycloak for a suite: one process for all of its tests, which make realms in it (keycloak-realm.ts). It has a folder of its
// own beside the program that KEYCLOAK_HOME names, so that nothing of a test stays there and several can run at once.
//
// What a start costs, in seconds of processor time with 26.5.6: 37 as it comes out of the archive, and 27 for its build before the
// first; 17 with the quick compiler and the plain collector; 9 with a database that has its tables too. `--optimized` saves nothing
// once it is built, and could not be said of a Keycloak that is not.
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answers } from './answers.js';
import { startConnectProxy } from './connect-proxy.js';
import { type Admin, openAdmin } from './keycloak-admin.js';
import { freePorts } from './ports.js';
import { type ProcessGroup, startGroup } from './process-group.js';

export interface Keycloak {
  readonly origin: string;
  readonly admin: Admin;
  /** Where Keycloak's own requests to hosts below `company.tld` go: this port of 127.0.0.1. It checks no certificates. */
  reachCompanyAt(port: number): void;
  /** SIGTERM unless told otherwise; what it has stored stays. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** What it said since it was started last. */
  output(): string;
  /** Again on the same ports, after `stop`; resolves when it is ready. */
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Why a suite that needs it is skipped; null when it is here. */
export function keycloakMissing(): string | null {
  const home = process.env['KEYCLOAK_HOME'] ?? '';
  if (home !== '' && existsSync(join(home, 'bin/kc.sh'))) return null;
  return 'Keycloak is not installed (KEYCLOAK_HOME names its folder)';
}

/** The same that `.ci/tools.sh` prepares a database with. */
const ADMINISTRATOR = { username: 'admin', password: 'admin' };
const OPTIONS = [
  // As `.ci/tools.sh` has built it; any other Keycloak builds itself at its first start.
  ...['--db=dev-file', '--cache=local', '--health-enabled=true'],
  ...['--http-enabled=true', '--http-host=127.0.0.1', '--http-management-host=127.0.0.1', '--log-level=warn'],
  '--spi-connections-http-client--default--disable-trust-manager=true',
];
const JAVA_OPTS = '-Xms64m -Xmx700m -XX:MaxMetaspaceSize=256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC';
const TRIES = 3;

export async function startKeycloak(): Promise<Keycloak> {
  const program = process.env['KEYCLOAK_HOME'] ?? '';
  const home = mkdtempSync(join(tmpdir(), 'akprox-keycloak-'));
  const outgoing = await startConnectProxy();
  let group: ProcessGroup | undefined;
  const dispose = async (): Promise<void> => {
    await group?.stop();
    await outgoing.close();
    rmSync(home, { recursive: true, force: true });
  };

  const launch = async (port: number, management: number): Promise<boolean> => {
    const args = [
      ...[join(program, 'bin/kc.sh'), 'start', `-Dkc.home.dir=${home}`, ...OPTIONS],
      ...[`--hostname=http://127.0.0.1:${port}`, `--http-port=${port}`, `--http-management-port=${management}`],
      `--spi-connections-http-client--default--proxy-mappings=.*\\.company\\.tld;http://127.0.0.1:${outgoing.port}`,
    ];
    const started = startGroup('sh', args, {
      JAVA_OPTS,
      KC_BOOTSTRAP_ADMIN_USERNAME: ADMINISTRATOR.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: ADMINISTRATOR.password,
      ...(process.env['JAVA_HOME'] && { JAVA_HOME: process.env['JAVA_HOME'] }),
    });
    group = started;
    return answers(`http://127.0.0.1:${management}/health/ready`, started);
  };

  try {
    for (const part of ['lib', 'providers', 'conf', 'themes']) symlinkSync(join(program, part), join(home, part));
    mkdirSync(join(home, 'data'));
    const prepared = join(program, 'prepared/h2');
    if (existsSync(prepared)) await cp(prepared, join(home, 'data/h2'), { recursive: true });

    for (let tries = 1; ; tries += 1) {
      const [port = 0, management = 0] = await freePorts(2);
      if (await launch(port, management)) {
        const origin = `http://127.0.0.1:${port}`;
        return {
          origin,
          admin: openAdmin(origin, ADMINISTRATOR),
          reachCompanyAt: (target) => {
            outgoing.target = target;
          },
          output: () => group?.output() ?? '',
          stop: async (signal = 'SIGTERM') => group?.stop(signal),
          start: async () => {
            if (!(await launch(port, management))) throw new Error(`Keycloak does not start:\n${group?.output()}`);
          },
          [Symbol.asyncDispose]: dispose,
        };
      }
      // Another process may have taken a port first.
      if (tries === TRIES) throw new Error(`Keycloak does not start:\n${group?.output()}`);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
}
