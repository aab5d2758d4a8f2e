// The certificates that the HTTPS listener would show: whether they count today, and for the host that they are for. That they can be
// read and fit their keys is a rule of the configuration itself.
import { X509Certificate } from 'node:crypto';
import type { Config } from '../../config/schema.js';
import type { OnlineReport } from './online-findings.js';

const DAY = 86_400_000;
const SOON = 14 * DAY;

export interface Looking {
  readonly config: Config;
  readonly subjectOf: (place: number) => string;
  readonly readFile: (path: string) => string;
  readonly now: () => number;
}

export function lookAtCertificates({ config, subjectOf, readFile, now }: Looking, report: OnlineReport): void {
  if (config.listen.https === null) return;
  const shown = [
    { subject: 'listen.tls', files: config.listen.tls, host: null },
    ...config.providers.map(({ tls, origin }, place) => ({
      subject: subjectOf(place),
      files: tls,
      host: origin.hostname,
    })),
  ];
  for (const { subject, files, host } of shown) {
    if (files === undefined) continue;
    const certificate = new X509Certificate(readFile(files.cert));
    const [from, until] = [certificate.validFrom, certificate.validTo].map((text) => Date.parse(text));
    const end = new Date(until ?? 0).toISOString().slice(0, 10);
    if ((until ?? 0) <= now()) report.add('certificate_expired', subject, `${files.cert} ended on ${end}`);
    else if ((from ?? 0) > now()) report.add('certificate_expired', subject, `${files.cert} does not count yet`);
    else if ((until ?? 0) < now() + SOON) report.add('certificate_ends', subject, `${files.cert} ends on ${end}`);
    else report.passed.push(`${subject}: ${files.cert} counts until ${end}`);
    if (host !== null && certificate.checkHost(host) === undefined)
      report.add('certificate_name', subject, `${files.cert} is not for ${host}`);
  }
}
