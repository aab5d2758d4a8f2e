// How many workers `auto` is: by what the kernel's files say in containers of either version of cgroups, and outside of one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { usableCpus } from '../../src/infra/usable-cpus.js';

const STATUS = (list: string) => `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}\nMems_allowed:\t1\n`;
const V2 = '31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
const V1 = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
`;

const CASES: readonly [what: string, files: Record<string, string>, cpus: number][] = [
  ['nothing is known', {}, 16],
  ['processors are given to it', { '/proc/self/status': STATUS('0-3,6,8-9') }, 7],
  ['version 2 limits nothing', { '/proc/self/mountinfo': V2, '/sys/fs/cgroup/cpu.max': 'max 100000\n' }, 16],
  ['version 2, one and a half', { '/proc/self/mountinfo': V2, '/sys/fs/cgroup/cpu.max': '150000 100000\n' }, 2],
  ['version 2, less than one', { '/proc/self/mountinfo': V2, '/sys/fs/cgroup/cpu.max': '20000 100000\n' }, 1],
  ['version 2, exactly three', { '/proc/self/mountinfo': V2, '/sys/fs/cgroup/cpu.max': '300000 100000\n' }, 3],
  [
    'version 2, a slice above is what limits',
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': '0::/a.slice/b.service\n',
      '/sys/fs/cgroup/a.slice/b.service/cpu.max': '800000 100000\n',
      '/sys/fs/cgroup/a.slice/cpu.max': '350000 100000\n',
    },
    4,
  ],
  [
    'version 2, the quota of another unit is not ours',
    {
      '/proc/self/mountinfo': V2,
      '/proc/self/cgroup': '0::/a.slice\n',
      '/sys/fs/cgroup/a.slice/b.service/cpu.max': '100000 100000\n',
    },
    16,
  ],
  [
    'version 1 in a container, which sees its name from outside',
    {
      '/proc/self/mountinfo': V1,
      '/proc/self/cgroup': '5:cpuset:/other\n4:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '250000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    },
    3,
  ],
  [
    'version 1 limits nothing',
    {
      '/proc/self/mountinfo': V1,
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    },
    16,
  ],
  [
    'version 1 with version 2 beside it for other things',
    {
      '/proc/self/mountinfo': `${V1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`,
      '/proc/self/cgroup': '4:cpu,cpuacct:/x/y\n0::/x/y\n',
      '/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us': '400000\n',
      '/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us': '100000\n',
    },
    4,
  ],
  [
    'fewer processors than the quota pays for',
    {
      '/proc/self/status': STATUS('1'),
      '/proc/self/mountinfo': V2,
      '/sys/fs/cgroup/cpu.max': '400000 100000\n',
    },
    1,
  ],
  ['the files say nothing that can be read', { '/proc/self/mountinfo': V2, '/sys/fs/cgroup/cpu.max': 'x\n' }, 16],
];

describe('usableCpus', () => {
  for (const [what, files, cpus] of CASES) {
    it(`${cpus} where ${what}`, () => {
      assert.equal(
        usableCpus((path) => files[path] ?? null, 16),
        cpus,
      );
    });
  }
});
