// How many processors this process may use: those that it may run on, and no more than the CPU quotas of its cgroup and all above
// it pay for, in version 1 or 2. Newer versions of Node.js count quotas too, but round them down: 1.5 processors are two workers.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

/** Text of a file of the kernel; null when there is none. */
export type ReadText = (path: string) => string | null;

/** At least 1. `otherwise`: where the kernel does not say. */
export function usableCpus(read: ReadText, otherwise: number): number {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '') ?? [];
  const allowed = list === undefined ? otherwise : countOf(list);
  return Math.max(1, Math.min(allowed, Math.ceil(cpuQuota(read))));
}

/** `0-3,6` → 5. */
function countOf(list: string): number {
  return list.split(',').reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** In processors; infinite where nothing is limited. */
function cpuQuota(read: ReadText): number {
  const own = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []);
  const quotas = (read('/proc/self/mountinfo') ?? '').split('\n').flatMap((line) => {
    const [mount = '', filesystem = ''] = line.split(' - ');
    const point = mount.split(' ')[4];
    const [type, , options = ''] = filesystem.split(' ');
    const unified = type === 'cgroup2';
    if (point === undefined || !(unified || (type === 'cgroup' && options.split(',').includes('cpu')))) return [];
    const [, , path = '/'] =
      own.find(([, names = '']) => (unified ? names === '' : names.split(',').includes('cpu'))) ?? [];
    return upwards(path).map((group) => (unified ? quotaOf2 : quotaOf1)(read, posix.join(point, group)));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/**
 * `/a/b` → `/a/b`, `/a`, `/`. A container may see its cgroup by the name that it has outside and at the root of the mount: what is
 * not there has no quota.
 */
function upwards(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  return [...names.map((_, gone) => `/${names.slice(0, names.length - gone).join('/')}`), '/'];
}

function quotaOf2(read: ReadText, directory: string): number {
  const [quota = '', period = ''] = (read(posix.join(directory, 'cpu.max')) ?? '').trim().split(' ');
  return ratio(quota, period);
}

function quotaOf1(read: ReadText, directory: string): number {
  const [quota, period] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) =>
    (read(posix.join(directory, name)) ?? '').trim(),
  );
  return ratio(quota ?? '', period ?? '');
}

/** `max` and -1 are no quota. */
function ratio(quota: string, period: string): number {
  return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : Number.POSITIVE_INFINITY;
}

/** Of this process. */
export function systemCpus(): number {
  return usableCpus(readText, availableParallelism());
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
