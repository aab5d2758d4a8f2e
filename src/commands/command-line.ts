// argv → a command → an exit code: 0 done, 1 it failed, 2 it was called wrongly. The commands are the table below, each a file
// beside this one.
import { parseArgs } from 'node:util';
import { nearest } from '../config/near-miss.js';
import { type Command, type Io, OK, usage } from './command.js';
import { serve } from './serve.js';

// One entry is all that a new command needs. Each is loaded when it is called: the daemon keeps nothing of them.
const COMMANDS: readonly Command[] = [
  {
    name: 'check',
    summary: 'validate the configuration, and print the URIs to register; --online asks, --print shows what counts',
    help: async () => (await import('./check-config.js')).CHECK_HELP,
    run: async (args, io) => (await import('./check-config.js')).checkConfig(args, io),
  },
  {
    name: 'healthcheck',
    summary: 'ask the running daemon whether it lives, for container probes',
    run: withoutArguments(async (io) => (await import('./healthcheck.js')).healthcheck(io)),
  },
  {
    name: 'secret',
    summary: 'print a fresh cookie secret',
    run: withoutArguments(async (io) => (await import('./secret.js')).secret(io)),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of akprox.yaml, for editors',
    run: withoutArguments(async (io) => (await import('./print-schema.js')).printSchema(io)),
  },
  {
    name: 'sessions',
    summary:
      'count sessions; with --sub SUB, --sid SID or --all, and --provider NAME, end them; --sub SUB --list shows them',
    help: async () => (await import('./manage-sessions.js')).SESSIONS_HELP,
    run: async (args, io) => (await import('./manage-sessions.js')).manageSessions(args, io),
  },
  {
    name: 'import',
    summary: 'make a configuration from that of oauth2-proxy: akprox import oauth2-proxy FILE',
    help: async () => (await import('./import/import-configuration.js')).IMPORT_HELP,
    run: async (args, io) => (await import('./import/import-configuration.js')).importConfiguration(args, io),
  },
  {
    name: 'status',
    summary: 'what the running daemon does: workers, store, identity providers, configuration, certificates',
    run: withoutArguments(async (io) => (await import('./show-status.js')).showStatus(io)),
  },
  {
    name: 'reload',
    summary: 'have the running daemon read the configuration again, and say what came of it',
    run: withoutArguments(async (io) => (await import('./reload-daemon.js')).reloadDaemon(io)),
  },
  {
    name: 'doctor',
    summary: 'say what is wrong between the proxy and the outpost: akprox doctor URL',
    help: async () => (await import('./doctor/doctor.js')).DOCTOR_HELP,
    run: async (args, io) => (await import('./doctor/doctor.js')).doctor(args, io),
  },
];

/** `argv` without node and the script. Never rejects for anything an operator typed or configured. */
export async function run(argv: string[], given: Io): Promise<number> {
  const read = configOption(argv);
  if (read === null) return usage("option '--config' needs a file", given);
  const { config, others } = read;
  const io = config === undefined ? given : { ...given, config };
  const [name, ...rest] = others;
  if (name === undefined) return serve(io);
  if (name.startsWith('-')) return options(others, io);
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

/** `--config FILE`, before a command or behind it, and the rest; null without a file. */
function configOption(argv: readonly string[]): { config?: string; others: string[] } | null {
  const place = argv.findIndex((argument) => argument === '--config' || argument.startsWith('--config='));
  const option = argv[place];
  if (option === undefined) return { others: [...argv] };
  const separate = option === '--config';
  const config = separate ? argv[place + 1] : option.slice('--config='.length);
  if (config === undefined || config === '' || (separate && config.startsWith('-'))) return null;
  return { config, others: argv.toSpliced(place, separate ? 2 : 1) };
}

function options(argv: string[], io: Io): Promise<number> | number {
  try {
    const { values } = parseArgs({
      args: argv,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    });
    if (values.help !== true) return import('./show-version.js').then(({ showVersion }) => showVersion(io));
    io.stdout(help());
    return OK;
  } catch (error) {
    if (isUsageError(error)) return usage(error.message, io);
    throw error;
  }
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
    `  akprox ${''.padEnd(12)}  serve, until SIGTERM; SIGHUP reads the configuration again, SIGUSR2 starts a successor`,
    ...rows,
    `  akprox ${'--help'.padEnd(12)}  this text`,
    `  akprox ${'--version'.padEnd(12)}  the version, and what serves listen.http`,
    '',
    'The configuration is the file that --config names, with any command, else AKPROX_CONFIG, else akprox.yaml in the working directory.',
    'Every setting can come from the environment, which wins: AKPROX_LISTEN_HTTP is listen.http, AKPROX_PROVIDER_GRAFANA_OIDC_ISSUER is',
    'oidc.issuer of the provider grafana, and _FILE behind the name of a secret names the file that it is in.',
  ].join('\n')}\n`;
}

function unknownCommand(name: string, io: Io): number {
  const guess = nearest(
    name,
    COMMANDS.map((command) => command.name),
  );
  return usage(`unknown command '${name}'${guess === undefined ? '' : `, did you mean '${guess}'?`}`, io);
}

function isUsageError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
