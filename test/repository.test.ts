// What surrounds the code keeps its form: the workflow, the update bot's settings, the changelog, .editorconfig, and the judge of
// `npm audit`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const json = (path: string): Record<string, never> => JSON.parse(read(path)) as Record<string, never>;
const manifest = JSON.parse(read('package.json')) as { version: string; engines: { node: string } };

interface Workflow {
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Record<string, Job>;
}
interface Job {
  readonly permissions?: unknown;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix?: { readonly node?: readonly number[] } };
  readonly steps: readonly { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> }[];
}

describe('the workflows', () => {
  const files = readdirSync(new URL('.github/workflows', ROOT));
  assert.ok(files.length > 0);

  for (const file of files) {
    const text = read(`.github/workflows/${file}`);
    const workflow = parse(text) as Workflow;
    const jobs = Object.values(workflow.jobs);

    it(`${file} may only read, once at a time, and not for ever`, () => {
      assert.deepEqual(workflow.permissions, { contents: 'read' });
      assert.notEqual(workflow.concurrency, undefined);
      for (const job of jobs) {
        assert.equal(job.permissions, undefined);
        assert.ok((job['timeout-minutes'] ?? Number.POSITIVE_INFINITY) <= 60);
      }
    });

    it(`${file} names every action by its commit, with the version beside it`, () => {
      const lines = text.split('\n').filter((line) => /^\s*(?:- )?uses:/.test(line));
      assert.equal(lines.length, jobs.flatMap(({ steps }) => steps).filter(({ uses }) => uses !== undefined).length);
      for (const line of lines) assert.match(line, /uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    });

    it(`${file} leaves no token behind and puts nothing that others write into a shell`, () => {
      for (const { uses, run, with: options } of jobs.flatMap(({ steps }) => steps)) {
        if (uses?.startsWith('actions/checkout@')) assert.equal(options?.['persist-credentials'], false);
        assert.doesNotMatch(run ?? '', /\$\{\{/);
      }
    });
  }

  it('run .ci/run on every Node.js that package.json names', () => {
    const { test } = (parse(read('.github/workflows/ci.yml')) as Workflow).jobs;
    assert.ok(test?.steps.some(({ run }) => run === 'bash .ci/run'));
    const majors = [...manifest.engines.node.matchAll(/(?:^|[\^ ])(\d+)(?=\.| |$)/g)].map(([, major]) => Number(major));
    assert.deepEqual(test?.strategy?.matrix?.node, majors);
  });
});

it('the update bot waits a week, and leaves the repack of uWebSockets.js to a person', () => {
  const { version, updates } = parse(read('.github/dependabot.yml')) as {
    version: number;
    updates: {
      'package-ecosystem': string;
      directory: string;
      schedule: { interval: string };
      cooldown?: { 'default-days'?: number };
      ignore?: { 'dependency-name': string; 'update-types'?: string[] }[];
    }[];
  };
  assert.equal(version, 2);
  assert.deepEqual(
    updates.map((update) => update['package-ecosystem']),
    ['npm', 'github-actions', 'docker'],
  );
  for (const update of updates) {
    assert.ok((update.cooldown?.['default-days'] ?? 0) >= 7, update['package-ecosystem']);
    assert.equal(update.directory, '/');
    assert.match(update.schedule.interval, /^(?:daily|weekly|monthly)$/);
  }
  const left = updates[0]?.ignore?.filter((one) => one['update-types'] === undefined);
  assert.deepEqual(
    left?.map((one) => one['dependency-name']),
    ['uWebSockets.js', 'uws-pack'],
  );
  const { dependencies } = json('package.json') as unknown as { dependencies: Record<string, string> };
  assert.match(dependencies['uWebSockets.js'] ?? '', /^npm:uws-pack@\d+\.\d+\.\d+$/);
});

it('CHANGELOG.md has this version, and every section in the form of Keep a Changelog', () => {
  const text = read('CHANGELOG.md');
  const versions = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading ?? '');
  assert.equal(versions[0], 'Unreleased');
  for (const heading of versions.slice(1)) assert.match(heading, /^\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}$/);
  assert.ok(
    versions.some((heading) => heading.startsWith(`${manifest.version} - `)),
    manifest.version,
  );
  const kinds = [...text.matchAll(/^### (.+)$/gm)].map(([, kind]) => kind ?? '');
  for (const kind of kinds) assert.match(kind, /^(?:Added|Changed|Deprecated|Removed|Fixed|Security)$/);
  assert.doesNotMatch(text, /^### .+\n+(?:#|$(?![\s\S]))/m, 'a section without an entry');
});

it('.editorconfig agrees with Biome', () => {
  const everything = read('.editorconfig').split(/^\[/m)[1] ?? '';
  const value = (key: string): string | undefined => new RegExp(`^${key} = (.+)$`, 'm').exec(everything)?.[1];
  const { formatter } = json('biome.json') as unknown as {
    formatter: { indentStyle: string; indentWidth: number; lineWidth: number };
  };
  assert.equal(value('indent_style'), formatter.indentStyle);
  assert.equal(value('indent_size'), String(formatter.indentWidth));
  assert.equal(value('max_line_length'), String(formatter.lineWidth));
  assert.equal(value('end_of_line'), 'lf');
});

describe('.ci/tools.sh', () => {
  // Go's checksum database vouches for modules.
  it('names every program that it downloads by its content', () => {
    const calls =
      read('.ci/tools.sh')
        .replaceAll('\\\n', ' ')
        .match(/(?:from_wheel|get_keycloak) [a-z\d][^)]*/g) ?? [];
    assert.equal(calls.length, 3);
    for (const call of calls) assert.match(call, / [0-9a-f]{64}\b/);
  });
});

describe('.ci/audit.mjs', () => {
  const judge = (printed: string) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('.ci/audit.mjs', ROOT))], {
      input: printed,
      encoding: 'utf8',
    });
    return { status, text: stdout + stderr };
  };
  const report = (counts: Record<string, number>): string =>
    JSON.stringify({
      auditReportVersion: 2,
      vulnerabilities: {
        some: { name: 'some', severity: 'moderate', range: '<1.0.0' },
        other: { name: 'other', severity: 'high', range: '<2.0.0' },
      },
      metadata: { vulnerabilities: { info: 0, low: 0, moderate: 1, high: 0, critical: 0, ...counts } },
    });

  it('fails for what is of high or critical severity, and names it', () => {
    assert.deepEqual(judge(report({ high: 1 })), { status: 1, text: 'npm audit: other <2.0.0: high\n' });
    assert.equal(judge(report({ critical: 1 })).status, 1);
  });

  it('passes what is of less', () => {
    assert.equal(judge(report({})).status, 0);
  });

  it('passes a registry that does not answer audits, with one line', () => {
    for (const printed of [
      '',
      'npm error',
      '{"statusCode":405,"error":{"summary":"","detail":""}}',
      '{"metadata":{}}',
      'null',
    ]) {
      const { status, text } = judge(printed);
      assert.equal(status, 0, printed);
      assert.equal(text, 'npm audit: the registry does not answer; nothing is known\n', printed);
    }
  });
});
