// argv → a command → an exit code: 0 done, 1 it failed, 2 it was called wrongly.
// Everything outside comes in through `io`; nothing here may touch `process`, so that each command can be tested.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Env, ReadFile } from '../config/environment.js';
import { type Loaded, type LoadOptions, loadConfig, loadMetricsAddress } from '../config/load.js';
import { nearest } from '../config/near-miss.js';
import type { Problem } from '../config/problems.js';
import { explain } from '../infra/errors.js';
import { VERSION } from '../infra/version.js';

export interface Io {
  readonly env: Env;
  readonly cwd: string;
  readonly readFile?: ReadFile;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Runs the daemon until it is told to stop; resolves with the exit code. */
  readonly serve: (loaded: Loaded) => Promise<number>;
}

interface Command {
  readonly name: string;
  readonly summary: string;
  /** What `--help` behind the name prints; without it, the summary. */
  readonly help?: () => Promise<string>;
  /** `args` is what stands behind the name. */
  readonly run: (args: string[], io: Io) => Promise<number> | number;
}

const OK = 0;
const FAILED = 1;
const USAGE = 2;
const PROBE_TIMEOUT_MS = 3_000;
const MOST_PROBE_TEXT = 500;

// One entry is all that a new command needs.
const COMMANDS: readonly Command[] = [
  { name: 'check', summary: 'validate the configuration', run: withoutArguments(check) },
  {
    name: 'healthcheck',
    summary: 'ask the running daemon whether it lives, for container probes',
    run: withoutArguments(healthcheck),
  },
  { name: 'secret', summary: 'print a fresh cookie secret', run: withoutArguments(secret) },
  {
    name: 'sessions',
    summary: 'count sessions; with --sub SUB, --sid SID or --all, and --provider NAME, end them',
    run: sessions,
  },
  {
    name: 'doctor',
    summary: 'say what is wrong between the proxy and the outpost: akprox doctor URL',
    help: async () => (await import('./doctor/doctor.js')).DOCTOR_HELP,
    run: doctor,
  },
];

/** `argv` without node and the script. Never rejects for anything an operator typed or configured. */
export async function run(argv: string[], io: Io): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) return serve(io);
  if (name.startsWith('-')) return options(argv, io);
  const command = COMMANDS.find((one) => one.name === name);
  if (!command) return unknownCommand(name, io);
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout((await command.help?.()) ?? `akprox ${command.name}: ${command.summary}\n`);
    return OK;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (isUsageError(error)) return usage(error.message, io, command.name);
    throw error;
  }
}

function options(argv: string[], io: Io): number {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    });
    io.stdout(values.help ? help() : `akprox ${VERSION}\n`);
    return OK;
  } catch (error) {
    if (isUsageError(error)) return usage(error.message, io);
    throw error;
  }
}

async function serve(io: Io): Promise<number> {
  const loaded = loadConfig(sourcesOf(io));
  if (loaded.ok) return io.serve(loaded);
  printProblems(loaded.problems, io.stderr);
  return FAILED;
}

function check(io: Io): number {
  const result = loadConfig(sourcesOf(io));
  if (!result.ok) {
    printProblems(result.problems, io.stderr);
    return FAILED;
  }
  for (const warning of result.warnings) io.stderr(`warning: ${warning}\n`);
  const count = result.config.providers.length;
  const source = result.path === null ? 'environment' : basename(result.path);
  const providers = `${count} ${count === 1 ? 'provider' : 'providers'}${result.authentik ? ' and those of authentik' : ''}`;
  io.stdout(`${source}: ok, ${providers}, store ${result.config.store.kind}\n`);
  return OK;
}

async function healthcheck(io: Io): Promise<number> {
  const address = loadMetricsAddress(sourcesOf(io));
  if (address === null) {
    io.stderr('unhealthy: listen.metrics is null, there is nothing to ask\n');
    return FAILED;
  }
  // A listener on every address is asked on the loopback one.
  const url = `http://${address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')}/livez`;
  try {
    const { status, text } = await probe(url);
    if (status >= 200 && status < 300) {
      io.stdout(`healthy: ${url} answered ${status}\n`);
      return OK;
    }
    io.stderr(`unhealthy: ${url} answered ${status}${text === '' ? '' : `: ${text}`}\n`);
  } catch (error) {
    io.stderr(`unhealthy: ${url}: ${explain(error)}\n`);
  }
  return FAILED;
}

/** Connects afresh and leaves nothing open; `fetch` would keep the probe's process alive with its pool. */
function probe(url: string): Promise<{ status: number; text: string }> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(signal.aborted ? new Error(`no answer within ${PROBE_TIMEOUT_MS / 1_000} s`) : error);
    const req = get(url, { agent: false, signal }, (res) => {
      let text = '';
      const done = (): void => {
        resolve({ status: res.statusCode ?? 0, text: text.trim() });
        res.destroy();
      };
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk.slice(0, MOST_PROBE_TEXT);
        if (text.length >= MOST_PROBE_TEXT) done();
      });
      res.once('end', done);
      res.once('error', failed);
    });
    req.once('error', failed);
  });
}

function secret(io: Io): number {
  io.stdout(`${randomBytes(32).toString('base64url')}\n`);
  return OK;
}

async function sessions(args: string[], io: Io): Promise<number> {
  // Loaded on demand: no other command needs a store.
  const { readSessionsRequest, runSessions } = await import('./manage-sessions.js');
  const request = readSessionsRequest(args);
  if (typeof request === 'string') return usage(request, io, 'sessions');
  const loaded = loadConfig(sourcesOf(io));
  if (loaded.ok) return runSessions(request, loaded, io);
  printProblems(loaded.problems, io.stderr);
  return FAILED;
}

async function doctor(args: string[], io: Io): Promise<number> {
  const { readDoctorRequest, runDoctor } = await import('./doctor/doctor.js');
  const readFile = (path: string): string => io.readFile?.(path) ?? readFileSync(resolve(io.cwd, path), 'utf8');
  const request = readDoctorRequest(args, readFile);
  return typeof request === 'string' ? usage(request, io, 'doctor') : runDoctor(request, { ...io, readFile });
}

function withoutArguments(command: (io: Io) => Promise<number> | number): Command['run'] {
  return (args, io) => {
    parseArgs({ args, options: {} });
    return command(io);
  };
}

function help(): string {
  const rows = COMMANDS.map(({ name, summary }) => `  akprox ${name.padEnd(12)}  ${summary}`);
  return `${[
    'Forward-auth daemon: answers a reverse proxy from a session, or sends the browser to log in.',
    '',
    `  akprox ${''.padEnd(12)}  serve, until SIGTERM; SIGHUP reads the configuration again`,
    ...rows,
    `  akprox ${'--help'.padEnd(12)}  this text`,
    `  akprox ${'--version'.padEnd(12)}  the version`,
    '',
    'The configuration is akprox.yaml in the working directory, or the file that AKPROX_CONFIG names.',
  ].join('\n')}\n`;
}

function unknownCommand(name: string, io: Io): number {
  const guess = nearest(
    name,
    COMMANDS.map((command) => command.name),
  );
  return usage(`unknown command '${name}'${guess === undefined ? '' : `, did you mean '${guess}'?`}`, io);
}

function usage(message: string, io: Io, command?: string): number {
  // node's hint about `--` helps nobody here.
  io.stderr(
    `akprox: ${message.replace(/\. To specify a positional.*$/s, '')}\nTry 'akprox ${command === undefined ? '' : `${command} `}--help'.\n`,
  );
  return USAGE;
}

function isUsageError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

function printProblems(problems: readonly Problem[], print: (text: string) => void): void {
  for (const { path, message } of problems) print(`${path}: ${message}\n`);
  print(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}\n`);
}

function sourcesOf(io: Io): LoadOptions {
  return { env: io.env, cwd: io.cwd, ...(io.readFile && { readFile: io.readFile }) };
}
