// The programs of docs/assertion.md, as they stand there, against a real assertion and against what is none.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { pino } from 'pino';
import type { Application } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { AssertionKeys } from '../../src/session/assertion-keys.js';
import { signAssertion } from '../../src/session/sign-assertion.js';
import { makeApplication } from '../kit/application.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { MemoryStore } from '../kit/memory-store.js';
import { describeWith } from '../kit/needs.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/assertion.md'), 'utf8');
const MINUTE = 60_000;
const claims = readClaims({
  sub: 'a1',
  email: 'alice@example.com',
  preferred_username: 'alice',
  groups: ['staff', 'ä|b'],
});

interface Program {
  readonly fence: string;
  readonly missing: string | null;
  /** Writes the page's program and one that calls it for each assertion in the environment's ASSERTIONS. */
  write(directory: string, source: string): void;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
}

const PYTHON_PATH = process.env['PYJWT_HOME'] ?? '';
const runs = (command: string, args: string[], env: Record<string, string> = {}): boolean =>
  spawnSync(command, args, { stdio: 'ignore', env: { ...process.env, ...env } }).status === 0;

const PROGRAMS: Record<string, Program> = {
  JavaScript: {
    fence: 'js',
    missing: null,
    write(directory, source) {
      const jose = import.meta.resolve('jose');
      writeFileSync(join(directory, 'signed-in.mjs'), source.replace("'jose'", JSON.stringify(jose)));
      writeFileSync(
        join(directory, 'main.mjs'),
        `import { signedIn } from './signed-in.mjs';
for (const assertion of JSON.parse(process.env.ASSERTIONS)) {
  const headers = assertion === null ? {} : { 'x-akprox-assertion': assertion };
  console.log(await signedIn(headers).then(({ sub, groups }) => JSON.stringify({ sub, groups }), () => 'refused'));
}`,
      );
    },
    command: [process.execPath, 'main.mjs'],
  },
  Python: {
    fence: 'python',
    missing: runs('python3', ['-c', 'import jwt, cryptography'], { PYTHONPATH: PYTHON_PATH })
      ? null
      : 'python3 with PyJWT is not installed (PYJWT_HOME names the folder that has it)',
    write(directory, source) {
      writeFileSync(join(directory, 'signed_in.py'), source);
      writeFileSync(
        join(directory, 'main.py'),
        `import json, os
import jwt
from signed_in import signed_in
for assertion in json.loads(os.environ["ASSERTIONS"]):
    try:
        claims = signed_in({} if assertion is None else {"X-Akprox-Assertion": assertion})
        print(json.dumps({"sub": claims["sub"], "groups": claims["groups"]}))
    except jwt.PyJWTError:
        print("refused")
`,
      );
    },
    command: ['python3', 'main.py'],
    env: { PYTHONPATH: PYTHON_PATH, PYTHONDONTWRITEBYTECODE: '1' },
  },
  Go: {
    fence: 'go',
    missing: runs('go', ['version']) ? null : 'go is not installed',
    write(directory, source) {
      mkdirSync(join(directory, 'signedin'));
      writeFileSync(join(directory, 'go.mod'), 'module example.com/application\n\ngo 1.19\n');
      writeFileSync(join(directory, 'signedin/signedin.go'), source);
      writeFileSync(
        join(directory, 'main.go'),
        `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"example.com/application/signedin"
)

func main() {
	var assertions []*string
	if err := json.Unmarshal([]byte(os.Getenv("ASSERTIONS")), &assertions); err != nil {
		panic(err)
	}
	for _, assertion := range assertions {
		headers := http.Header{}
		if assertion != nil {
			headers.Set("X-Akprox-Assertion", *assertion)
		}
		claims, err := signedin.SignedIn(headers)
		if err != nil {
			fmt.Println("refused")
			continue
		}
		line, _ := json.Marshal(map[string]any{"sub": claims.Subject, "groups": claims.Groups})
		fmt.Println(string(line))
	}
}
`,
      );
    },
    command: ['go', 'run', '.'],
    env: { GOFLAGS: '-mod=mod', GOPROXY: 'off' },
  },
};

for (const [language, program] of Object.entries(PROGRAMS)) {
  describeWith(program.missing, `docs/assertion.md: ${language}`, () => {
    let directory: string;
    let server: Server;
    let origin: string;
    let application: Application;
    let keys: AssertionKeys;
    let asked = 0;
    const store = new MemoryStore(Date.now);

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), 'akprox-assertion-'));
      server = createServer((request, response) => {
        if (request.url !== '/akprox/jwks.json') return response.writeHead(404).end();
        asked += 1;
        void keys
          .published(application)
          .then((published) => response.writeHead(200).end(JSON.stringify({ keys: published })));
        return undefined;
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      application = makeApplication({ external_host: origin, headers: { assertion: true } });
      keys = new AssertionKeys({
        values: store.values,
        now: Date.now,
        monotonic: () => performance.now(),
        log: pino({ level: 'silent' }),
      });
      const source = new RegExp(`^\`\`\`${program.fence}\\n(.*?)^\`\`\`$`, 'ms').exec(PAGE)?.[1];
      assert.ok(source);
      assert.equal(source.split('https://whoami.company.tld').length, 3);
      program.write(directory, source.replaceAll('https://whoami.company.tld', origin));
    });
    after(() => {
      server.close();
      server.closeAllConnections();
      rmSync(directory, { recursive: true, force: true });
    });

    async function judge(assertions: Record<string, string | null>): Promise<Record<string, string>> {
      const [command = '', ...args] = program.command;
      const child = endsWithTest(
        spawn(command, args, {
          cwd: directory,
          env: { ...process.env, ...program.env, ASSERTIONS: JSON.stringify(Object.values(assertions)) },
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      );
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      const [code] = (await once(child, 'close')) as [number | null];
      assert.equal(code, 0);
      const lines = output.trimEnd().split('\n');
      return Object.fromEntries(Object.keys(assertions).map((name, i) => [name, lines[i] ?? '']));
    }
    const sign = (at: Application = application, time = Date.now()) => signAssertion(keys, at, claims, time);
    const other = (overrides: Record<string, unknown>): Application =>
      makeApplication({ headers: { assertion: true }, ...overrides });

    it('believes a real assertion', async () => {
      const verdicts = await judge({
        now: await sign(),
        'signed four minutes ago': await sign(application, Date.now() - 4 * MINUTE),
      });
      for (const [name, verdict] of Object.entries(verdicts))
        assert.deepEqual(JSON.parse(verdict), { sub: 'a1', groups: ['staff', 'ä|b'] }, name);
      assert.equal(asked, 1, 'the keys are fetched once');
    });

    it('refuses every other', async () => {
      const real = await sign();
      const [header = '', payload = '', signature = ''] = real.split('.');
      const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const said = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
      const [published] = await keys.published(application);
      const stranger = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
      const bySomebodyElse = (protectedHeader: Record<string, unknown>): Promise<string> =>
        new SignJWT(said).setProtectedHeader({ alg: 'EdDSA', ...protectedHeader }).sign(stranger.privateKey);
      const symmetric = `${encode({ alg: 'HS256', kid })}.${payload}`;
      const mac = createHmac('sha256', Buffer.from(published?.x ?? '', 'base64url'))
        .update(symmetric)
        .digest('base64url');
      const genuine = await (await keys.signing(application)).privateKey;
      const signedWithout = (claim: string): Promise<string> => {
        const { [claim]: _, ...rest } = said;
        return new SignJWT(rest).setProtectedHeader({ alg: 'EdDSA', kid }).sign(genuine);
      };
      const verdicts = await judge({
        'no header': null,
        'an empty header': '',
        'no JWT': 'alice',
        'another payload': `${header}.${encode({ ...said, sub: 'root' })}.${signature}`,
        'no signature': `${encode({ alg: 'none', kid })}.${payload}.`,
        'a MAC under the public key': `${symmetric}.${mac}`,
        'the key of somebody else under our name': await bySomebodyElse({ kid }),
        'a key that nobody published': await bySomebodyElse({ kid: 'unknown' }),
        'a key that came along': await bySomebodyElse({ jwk: await exportJWK(stranger.publicKey) }),
        'for another application': await new SignJWT({ ...said, aud: 'https://other.company.tld' })
          .setProtectedHeader({ alg: 'EdDSA', kid })
          .sign(genuine),
        // The same name and secret are the same keys: only what was signed differs.
        'of another issuer': await sign(other({ external_host: origin, prefix: '/outpost.goauthentik.io' })),
        expired: await sign(application, Date.now() - 6 * MINUTE),
        'without an end': await signedWithout('exp'),
        'without a subject': await signedWithout('sub'),
        'without an audience': await signedWithout('aud'),
        'without an issuer': await signedWithout('iss'),
      });
      for (const [name, verdict] of Object.entries(verdicts)) assert.equal(verdict, 'refused', name);
    });
  });
}
