// What no test here can start: the files must at least parse, name every identity header, and pass the tools that are there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { IDENTITY_NAMES } from '../../src/application/identity.js';
import { findOnPath } from '../kit/demo/proxies.js';
import { marked } from '../kit/marked.js';
import { checkFile, proxyMissing } from '../kit/real-proxy.js';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const FILES = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' });
const PATH = process.env['PATH'] ?? '';

/** Every file that says what the application may learn from the outpost. */
const ASKING = [
  'compose.yaml',
  'proxies/caddy/domain.Caddyfile',
  'proxies/caddy/single.Caddyfile',
  'proxies/envoy/domain.yaml',
  'proxies/envoy/single.yaml',
  'proxies/haproxy/akprox.lua',
  'proxies/ingress-nginx/ingress.yaml',
  'proxies/nginx/domain.conf',
  'proxies/nginx/single.conf',
  'proxies/traefik/docker-compose.yaml',
  'proxies/traefik/dynamic.yaml',
  'proxies/traefik/kubernetes.yaml',
];

describe('deploy/', () => {
  // Not the chart's templates, of which helm.test.ts has what they become.
  for (const file of FILES.filter((name) => name.endsWith('.yaml') && !name.includes('/templates/'))) {
    it(`${file} is YAML`, () => {
      for (const document of parseAllDocuments(readFileSync(join(DEPLOY, file), 'utf8'), { merge: true })) {
        assert.deepEqual(document.errors, []);
        assert.equal(typeof document.toJS(), 'object');
      }
    });
  }

  for (const file of ASKING) {
    it(`${file} names every identity header`, () => {
      const text = readFileSync(join(DEPLOY, file), 'utf8').toLowerCase();
      const missing = IDENTITY_NAMES.filter((name) => !new RegExp(`\\b${name.toLowerCase()}(?![-\\w])`).test(text));
      assert.deepEqual(missing, []);
    });
  }

  for (const file of [
    'proxies/nginx/single.conf',
    'proxies/nginx/domain.conf',
    'proxies/nginx/README.md',
    'proxies/ingress-nginx/ingress.yaml',
    '../README.md',
    '../test/kit/demo/proxies.ts',
  ]) {
    it(`${file} refuses raw bytes in a URL, as nginx has to`, () => {
      const text = readFileSync(join(DEPLOY, file), 'utf8').replaceAll('\\\\', '\\');
      assert.ok(text.includes('if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }'));
      // Where nginx is told what to send: all of it, between `<` and `>`.
      const sent = [...text.matchAll(/proxy_set_header X-Original-URL (.*?);/g)].map(([, value]) => value);
      for (const value of sent) assert.match(value ?? '', /^"<\$scheme:\/\/\$host(?::\$server_port)?\$request_uri>"$/);
    });
  }

  // A real Traefik is asked the same in test/proxies of all but one of these; here the rule is named.
  for (const file of ASKING.filter((name) => name === 'compose.yaml' || name.startsWith('proxies/traefik/'))) {
    it(`${file} leads nobody to the check`, () => {
      const rules = readFileSync(join(DEPLOY, file), 'utf8').match(/^\s*[^#]*(?:rule|match): .*$/gm) ?? [];
      const toOutpost = rules.filter((rule) => /PathPrefix|login\.company/.test(rule));
      assert.ok(toOutpost.length > 0);
      for (const rule of toOutpost)
        assert.match(
          rule,
          / && !PathPrefix\(`\/akprox\/auth`\) && !PathPrefix\(`\/outpost\.goauthentik\.io\/auth`\)"?$/,
        );
    });
  }

  for (const page of FILES.filter((name) => /^proxies\/[^/]+\/README\.md$/.test(name))) {
    it(`${page} says what goes wrong, and what finds it`, () => {
      const text = readFileSync(join(DEPLOY, page), 'utf8');
      for (const symptom of ['akprox doctor', '431', '505', 'the login host and not the application']) {
        assert.ok(text.includes(symptom), symptom);
      }
    });
  }

  const registered = FILES.filter((name) => /^proxies\/[^/]+\/README\.md$|akprox\.yaml$/.test(name));
  for (const page of ['../README.md', ...registered]) {
    it(`${page} names what to register at the identity provider, and the command that prints it`, () => {
      const text = readFileSync(join(DEPLOY, page), 'utf8');
      const words = ['callback', 'signed_out', 'backchannel_logout', 'frontchannel_logout'].map(
        (end) => `/akprox/${end}`,
      );
      assert.deepEqual(
        [...words, 'akprox check'].filter((word) => !text.includes(word)),
        [],
      );
    });
  }

  for (const overlay of ['embedded', 'redis']) {
    const kubectl = findOnPath('kubectl', PATH);
    it(`kustomize builds the overlay ${overlay}`, { skip: kubectl === null && 'kubectl is not installed' }, () => {
      const built = run(kubectl ?? '', ['kustomize', join(DEPLOY, 'kubernetes/overlays', overlay)]);
      assert.match(built, /kind: Deployment/);
    });
  }

  for (const proxy of ['nginx', 'caddy', 'haproxy', 'envoy'] as const) {
    const skip = proxyMissing(proxy) ?? false;
    for (const mode of ['single', 'domain'] as const) {
      it(`${proxy} takes its file for the mode ${mode}, without a warning`, { skip }, async () => {
        assert.doesNotMatch(await checkFile(proxy, mode), /warn/i);
      });
    }
  }

  const openssl = findOnPath('openssl', PATH);
  const tooOld = openssl === null || !/^OpenSSL [3-9]/.test(run(openssl, ['version']));
  it('the commands of docs/operations.md make a CA and a certificate of it', {
    skip: tooOld && 'OpenSSL 3 is not installed',
  }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-certificates-'));
    try {
      const page = readFileSync(join(DEPLOY, '../docs/operations.md'), 'utf8');
      const [, commands = ''] = /```sh\n([\s\S]*?)```/.exec(marked(page, 'certificates')) ?? [];
      const { status, stderr } = spawnSync('sh', ['-e', '-c', commands], { cwd: directory, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const pem = (file: string): string => readFileSync(join(directory, file), 'utf8');
      const [ca, own] = [new X509Certificate(pem('akprox-ca.crt')), new X509Certificate(pem('tls.crt'))];
      assert.ok(ca.ca && !own.ca && own.verify(ca.publicKey));
      assert.ok(own.checkPrivateKey(createPrivateKey(pem('tls.key'))));
      assert.deepEqual(
        [own.checkHost('akprox'), own.checkHost('akprox.akprox.svc.cluster.local'), own.checkIP('127.0.0.1')],
        ['akprox', 'akprox.akprox.svc.cluster.local', '127.0.0.1'],
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  const analyze = findOnPath('systemd-analyze', PATH);
  it('systemd takes the unit and its drop-in', { skip: analyze === null && 'systemd-analyze is not installed' }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-unit-'));
    try {
      const unit = join(directory, 'akprox.service');
      const text = readFileSync(join(DEPLOY, 'systemd/akprox.service'), 'utf8');
      writeFileSync(unit, text.replaceAll('/usr/bin/node', process.execPath));
      assert.equal(run(analyze ?? '', ['verify', '--man=no', unit]), '');
      mkdirSync(`${unit}.d`);
      writeFileSync(`${unit}.d/unix-socket.conf`, readFileSync(join(DEPLOY, 'systemd/unix-socket.conf')));
      assert.equal(run(analyze ?? '', ['verify', '--man=no', unit]), '');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

function run(program: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error) throw error;
  assert.equal(status, 0, stderr);
  return stdout + stderr;
}
