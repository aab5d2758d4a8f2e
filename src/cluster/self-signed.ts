// The certificate of the HTTPS listener until it has one of its own, or an application has.
import type { Pem } from './messages.js';

export async function makeSelfSigned(): Promise<Pem> {
  // Loaded only where it listens.
  const { generate } = await import('selfsigned');
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'akprox self-signed' }], {
    keyType: 'ec',
    curve: 'P-256',
  });
  return { cert, key };
}
