// The steps of the Dockerfile without Docker: its RUN and COPY in folders, the last stage in a root of its own.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('in-image.sh', import.meta.url));

interface Stage {
  readonly from: string;
  readonly name: string;
  readonly steps: readonly { readonly instruction: string; readonly rest: string }[];
}

export interface Image {
  /** Its root; `/usr`, `/lib` and whatever else the base image has are missing in it. */
  readonly root: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** RUN of the last stage, which wants a root with a system in it. */
  readonly commands: readonly string[];
}

function stagesOf(dockerfile: string): Stage[] {
  const lines = dockerfile.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ');
  const stages: { from: string; name: string; steps: Stage['steps'][number][] }[] = [];
  for (const [, instruction = '', rest = ''] of lines.matchAll(/^([A-Z]+) (.*)$/gm)) {
    if (instruction === 'FROM') {
      const [, from = '', name = ''] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
      stages.push({ from, name, steps: [] });
    } else stages.at(-1)?.steps.push({ instruction, rest });
  }
  return stages;
}

/** Makes the last stage, and those that it copies from, of the files in `context`. Folders go below `directory`. */
export function buildImage(context: string, directory: string): Image {
  const stages = stagesOf(readFileSync(join(context, 'Dockerfile'), 'utf8'));
  const images = new Map<string, Image>();

  /** A stage that begins with another goes on in its folder, which is no longer as the other left it. */
  function build(stage: Stage, isLast: boolean): Image {
    const base = stages.find(({ name }) => name !== '' && name === stage.from);
    const begun = base && imageOf(base);
    const root = begun?.root ?? join(directory, 'root', stage.name || 'last');
    let { workdir, entrypoint, env } = begun ?? { workdir: '/', entrypoint: [], env: {} };
    const commands: string[] = [];
    for (const { instruction, rest } of stage.steps) {
      if (instruction === 'WORKDIR') workdir = resolve(workdir, rest);
      else if (instruction === 'ENTRYPOINT') entrypoint = JSON.parse(rest) as string[];
      else if (instruction === 'ENV') env = { ...env, ...Object.fromEntries([rest.split('=')]) };
      else if (instruction === 'COPY') copy(rest, root, workdir);
      else if (instruction === 'RUN' && isLast) commands.push(rest);
      else if (instruction === 'RUN') run(rest, join(root, workdir));
    }
    return { root, workdir, entrypoint, env, commands };
  }

  function imageOf(stage: Stage, isLast = false): Image {
    const image = images.get(stage.name) ?? build(stage, isLast);
    images.set(stage.name, image);
    return image;
  }

  function copy(rest: string, root: string, workdir: string): void {
    const words = rest.split(' ');
    const from = /^--from=(\S+)/.exec(words[0] ?? '')?.[1];
    const stage = stages.find(({ name }) => name === from);
    const source = stage === undefined ? context : imageOf(stage).root;
    const target = words.at(-1) ?? '';
    for (const word of words.slice(from === undefined ? 0 : 1, -1)) {
      const into = join(root, resolve(workdir, target), target.endsWith('/') ? basename(word) : '');
      cpSync(join(source, word), into, { recursive: true });
    }
  }

  const last = stages.at(-1);
  if (last === undefined) throw new Error('the Dockerfile has no stage');
  return imageOf(last, true);
}

function run(command: string, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}\n${stderr}`);
}

/** Null when there is what `inImage` needs. */
export function rootMissing(): string | null {
  if (process.getuid?.() !== 0) return 'a root of its own wants root';
  return spawnSync('unshare', ['--mount', 'true']).status === 0 ? null : 'no mounts of its own can be made here';
}

/** How to start the image's entry point as a container of it would be: see in-image.sh. */
export function inImage(
  image: Image,
  data: string,
  user: string,
): { command: [string, ...string[]]; env: Record<string, string> } {
  const { root, commands, entrypoint, workdir, env } = image;
  return {
    command: ['unshare', '--mount', 'sh', SCRIPT, root, data, workdir, user, ...entrypoint],
    env: { ...env, NODE: process.execPath, RUN: commands.join('\n') },
  };
}
