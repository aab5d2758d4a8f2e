// `akprox check --online`: what the daemon will talk to, asked once. It changes nothing there: a code that is none is refused, a login that
// needs no page is begun without a browser, a store is opened and counted.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createCoreApi } from '../../authentik/api.js';
import type { Loaded } from '../../config/load.js';
import { explain } from '../../infra/errors.js';
import { createLog } from '../../infra/log.js';
import { openStore } from '../../session/open-store.js';
import { counted, type Io } from '../command.js';
import { askProvider } from './ask-provider.js';
import { lookAtCertificates } from './look-at-certificates.js';
import { OnlineReport } from './online-findings.js';

/** True when nothing is wrong that must not be. */
export async function checkOnline({ config, authentik }: Loaded, io: Io): Promise<boolean> {
  const report = new OnlineReport();
  const subjectOf = (place: number): string => `providers[${place}] (${config.providers[place]?.name})`;
  const progress = (what: string): void => io.stderr(`asking: ${what}\n`);
  const now = Date.now;
  const monotonic = (): number => performance.now();
  const readFile = (path: string): string =>
    (io.readFile ?? ((one) => readFileSync(one, 'utf8')))(resolve(io.cwd, path));

  lookAtCertificates({ config, subjectOf, readFile, now }, report);
  progress(`the store (${config.store.kind})`);
  await askStore(config.store, io, report);
  if (authentik !== null) {
    progress(`authentik at ${authentik.host}`);
    await askAuthentik({ ...authentik, proxies: config.proxies }, report);
  }
  for (const [place, provider] of config.providers.entries()) {
    progress(`${provider.oidc.issuer}, for ${provider.name}`);
    await askProvider({ provider, subject: subjectOf(place), proxies: config.proxies, now, monotonic }, report);
  }
  io.stdout(textOf(report));
  return report.findings.every(({ severity }) => severity !== 'error');
}

async function askStore(config: Loaded['config']['store'], io: Io, report: OnlineReport): Promise<void> {
  const store = config.kind === 'embedded' ? { ...config, path: resolve(io.cwd, config.path) } : config;
  if (store.kind === 'embedded' && !existsSync(join(store.path, 'data.mdb'))) {
    const obstacle = obstacleTo(store.path);
    if (obstacle !== null) report.add('store_unreachable', 'store', `store.path: ${obstacle}`);
    else report.unseen.push(`store: whether it can be used: there is none in ${store.path} yet, the daemon makes it`);
    return;
  }
  try {
    const opened = await openStore(store, Date.now, createLog('silent', 'check'));
    try {
      const { sessions } = await opened.stats();
      const count = Object.values(sessions).reduce((sum, one) => sum + one, 0);
      report.passed.push(`store: ${store.kind}, ${counted(count, 'session')}`);
    } finally {
      await opened.close();
    }
  } catch (error) {
    report.add('store_unreachable', 'store', explain(error));
  }
}

/** Why the daemon, run by this user, could not make a store there; null where it could. */
function obstacleTo(path: string): string | null {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory() ? null : `${path} is no directory`;
  } catch (error) {
    const parent = dirname(path);
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && parent !== path)
      return obstacleTo(parent);
    return `no store can be made below ${path} by this user: ${explain(error)}`;
  }
}

async function askAuthentik(options: Parameters<typeof createCoreApi>[0], report: OnlineReport): Promise<void> {
  try {
    const core = createCoreApi(options);
    const { name } = await core.instance();
    const providers = await core.proxyProviders();
    report.passed.push(`authentik: the outpost ${name} has ${counted(providers.length, 'provider')}`);
  } catch (error) {
    report.add('authentik_unreachable', 'authentik', explain(error));
  }
}

function textOf({ findings, passed, unseen }: OnlineReport): string {
  const lines = ['', ...passed.map((what) => `ok       ${what}`), ...unseen.map((what) => `unseen   ${what}`)];
  for (const { code, severity, subject, seen, change } of findings)
    lines.push(
      '',
      `${severity.padEnd(7)}  ${code}`,
      `  where   ${subject}`,
      `  seen    ${seen}`,
      `  change  ${change}`,
    );
  lines.push(
    '',
    findings.length === 0 ? 'nothing is wrong that could be seen from here' : counted(findings.length, 'finding'),
  );
  // Whatever came from outside: it moves no cursor and begins no line of its own.
  return `${lines.map((line) => line.replace(/[\p{Cc}\p{Cf}]/gu, '?')).join('\n')}\n`;
}
