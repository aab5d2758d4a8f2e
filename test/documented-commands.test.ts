// Every command of README and of the pages for operators: it is run here, or another test runs it, or it is said why none can.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon, testProvider } from './kit/daemon.js';
import { documentedCommands } from './kit/documented-commands.js';
import { freePort } from './kit/ports.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const COMMANDS = [...new Set(documentedCommands().map(({ command }) => command))];

/** In a folder with an akprox.yaml whose daemon runs, in this order. What standard output must say. */
const RUN: readonly (readonly [command: RegExp, says: RegExp])[] = [
  [/^akprox --version$/, /^akprox \d/],
  [/^akprox check$/, /ok, 1 provider[\s\S]*redirect URI/],
  [/^akprox healthcheck$/, /^/],
  [/^akprox sessions$/, /whoami/],
  [/^akprox secret$/, /^\S{43}\n$/],
  [/^akprox import --help$/, /--external-host/],
  [/^akprox import oauth2-proxy oauth2-proxy\.cfg > akprox\.yaml$/, /^$/],
  [/^openssl req -x509 /, /^/],
  [/^openssl req -newkey /, /^/],
  [/^openssl x509 -req /, /^/],
  [/^openssl genpkey -algorithm ed25519$/, /PRIVATE KEY/],
];

/** Which test does that, where it needs more than a folder. */
const ELSEWHERE: readonly (readonly [command: RegExp, test: string])[] = [
  [/^npm ci && npm run demo$|^npm run demo -- --(?:help|authentik)$/, 'test/demo.test.ts'],
  [/^npm ci && npm pack$|^npm install --(?:global|prefix \S+) \.\/akprox-/, 'test/release/install.test.ts'],
  [/^akprox$/, 'test/release/install.test.ts'],
  [/^npm run --silent sbom/, 'test/release/packages.test.ts'],
  [/^docker build /, 'test/release/image.test.ts'],
  [/^helm install /, 'test/deploy/helm.test.ts'],
  [/^AUTHENTIK_HOST=\S+ AUTHENTIK_TOKEN=… akprox$/, 'test/authentik/daemon.test.ts'],
  [/^akprox doctor\b/, 'test/commands/doctor/real-proxies.test.ts'],
  [/^akprox import oauth2-proxy FILE$/, 'test/commands/import.test.ts'],
  [/^akprox sessions --/, 'test/commands/manage-sessions.test.ts'],
  [/^akprox (?:check --|reload|schema|status)/, 'test/commands/command-line.test.ts'],
  [/^promtool test rules|^npx tsx --test test\/metrics\/prometheus\.test\.ts$/, 'test/metrics/prometheus.test.ts'],
  [/^(?:caddy validate|envoy --mode validate|haproxy -c) /, 'test/deploy/files.test.ts'],
  [/^curl https:\/\/…\/é$/, 'test/proxies/raw-bytes.test.ts'],
];

/** Why no test does. */
const NEVER: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^(?:npm ci && |AKPROX_TEST_ALL=1 )?npm test$/, 'it is what runs this'],
  [/^kubectl /, 'there is no cluster'],
  [/^systemctl /, 'there is no systemd; the unit is verified'],
  [/^nginx -t && nginx -s reload$/, 'there is no installed nginx to reload; its files are tested'],
  [/^haproxy -vv$/, 'it prints what HAProxy was built with'],
  [/^node --import tsx bench\/[\w-]+\.ts(?: --save)?$/, 'it measures for minutes'],
];

describe('the commands that README and the pages name', () => {
  it('are each run here, or elsewhere, or it is said why not', () => {
    assert.ok(COMMANDS.length > 30);
    const known = [...RUN, ...ELSEWHERE, ...NEVER].map(([command]) => command);
    assert.deepEqual(
      COMMANDS.filter((command) => known.filter((one) => one.test(command)).length !== 1),
      [],
      'put each into exactly one of the three lists above',
    );
    assert.deepEqual(
      RUN.map(([command]) => command).filter((one) => !COMMANDS.some((command) => one.test(command))),
      [],
      'no page names these any more',
    );
    for (const [, test] of ELSEWHERE) assert.ok(existsSync(join(ROOT, test)), test);
  });

  describe('run', () => {
    let directory: string;
    let daemon: Daemon;
    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'akprox-commands-'));
      const metrics = `127.0.0.1:${await freePort()}`;
      const providers = [testProvider('http://127.0.0.1:1')];
      daemon = await startDaemon({ workers: 1, listen: { metrics }, providers }, { directory });
      const bin = join(directory, 'bin');
      mkdirSync(bin);
      writeFileSync(join(bin, 'akprox'), `#!/bin/sh\nexec '${process.execPath}' '${ROOT}dist/main.js' "$@"\n`);
      chmodSync(join(bin, 'akprox'), 0o755);
      const cfg = 'client_id = "a"\nemail_domains = "*"\nredirect_url = "https://a.company.tld/oauth2/callback"\n';
      writeFileSync(join(directory, 'oauth2-proxy.cfg'), cfg);
    });
    after(async () => {
      await daemon?.[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    for (const [command, says] of RUN) {
      for (const documented of COMMANDS.filter((one) => command.test(one))) {
        it(documented, () => {
          const { status, stdout, stderr } = spawnSync('sh', ['-c', documented], {
            cwd: directory,
            encoding: 'utf8',
            env: { PATH: `${join(directory, 'bin')}:${process.env['PATH']}` },
          });
          assert.equal(status, 0, stderr);
          assert.match(stdout, says);
        });
      }
    }
  });
});
