// `akprox check --online` in this process, for a configuration that is no file.
import { run } from '../../src/commands/command-line.js';

export interface Checked {
  readonly code: number;
  readonly output: string;
  /** The codes of what was found, in their order. */
  readonly findings: string[];
}

/** `files`: by absolute path, beside the configuration. */
export async function checkOnline(
  config: unknown,
  {
    files = {},
    env = {},
    args = ['--online'],
  }: {
    readonly files?: Readonly<Record<string, string>>;
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
  } = {},
): Promise<Checked> {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const no = (): Promise<never> => Promise.reject(new Error('it only checks'));
  const code = await run(['check', ...args], {
    env,
    cwd: '/etc/akprox',
    readFile: (path) => {
      const text = path === '/etc/akprox/akprox.yaml' ? JSON.stringify(config) : files[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    stdout: write,
    stderr: write,
    read: no,
    serve: no,
  });
  return { code, output, findings: [...output.matchAll(/^(?:error|warning) {2,}(\w+)$/gm)].map(([, one = '']) => one) };
}
