// How much work something is, on a machine of any speed that is busy with others: processor time of this process, and as a multiple
// of a yardstick that runs beside it, round for round.

/** The least over `rounds` of each, as a ratio. */
export async function costInYardsticks(work: () => unknown, yardstick: () => unknown, rounds = 9): Promise<number> {
  const least = { work: Number.POSITIVE_INFINITY, yardstick: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round += 1) {
    least.yardstick = Math.min(least.yardstick, await processorTime(yardstick));
    least.work = Math.min(least.work, await processorTime(work));
  }
  return least.work / least.yardstick;
}

async function processorTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
