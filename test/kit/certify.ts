// The outpost's certificate by a CA of one's own, for `listen.tls`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** What the files call the outpost; its certificate is for these names too, besides the loopback address. */
const NAMES = ['akprox', 'akprox.akprox.svc.cluster.local'];

/** A certificate for `listen.tls`, and that of the CA that signed it. */
export async function certify(): Promise<{ ca: string; tls: { cert: string; key: string }; remove(): void }> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-ca-'));
  const elliptic = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const ca = await generate([{ name: 'commonName', value: 'a CA of one’s own' }], {
    ...elliptic,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true },
    ],
  });
  const leaf = await generate([{ name: 'commonName', value: 'akprox' }], {
    ...elliptic,
    ca: { cert: ca.cert, key: ca.private },
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [...NAMES.map((value) => ({ type: 2, value }) as const), { type: 7, ip: '127.0.0.1' }],
      },
    ],
  });
  const [authority, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  writeFileSync(authority, ca.cert);
  writeFileSync(cert, leaf.cert);
  writeFileSync(key, leaf.private);
  return { ca: authority, tls: { cert, key }, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
