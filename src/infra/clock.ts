// Two clocks. `now`, Unix milliseconds, is for what other machines and other processes see: when a token or a session ends,
// records of the store, cookies. `monotonic`, milliseconds since whenever, is for ages: it is right only in differences.
//
// A wall clock jumps: NTP at start, an operator's slip, a virtual machine that was held. What somebody's session is compared with
// must not: an hour that never was would end it for good. So `now` follows a jump only when it has lasted a minute; until
// then it goes on as the monotonic clock does.

export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds; never goes back and never jumps. */
  monotonic(): number;
  /** Whether `now` can be told from a jump: false in the first minute of a process, in which nothing may be deleted for its age. */
  settled(): boolean;
}

/** Smaller steps are followed at once: they are what NTP corrects, and a leap second. */
const JUMP = 5_000;
/** How long a jump has to last before it is believed. */
const SETTLES_AFTER = 60_000;

/**
 * `wall` in Unix milliseconds, `monotonic` in milliseconds. It is looked at when it is asked, and needs no timer: a jump
 * is believed when it is seen again a minute later, and was never seen undone in between. In the first minute of a process nothing is known, and
 * `wall` counts as it is.
 */
export function createClock(wall: () => number, monotonic: () => number): Clock {
  /** wall − monotonic, as believed; null until one has lasted. */
  let believed: number | null = null;
  /** As first seen, and when. */
  let candidate = { offset: wall() - monotonic(), since: monotonic() };
  const clock: Clock = {
    monotonic,
    settled() {
      clock.now();
      return believed !== null;
    },
    now() {
      const time = monotonic();
      const offset = wall() - time;
      if (believed !== null && Math.abs(offset - believed) < JUMP) {
        believed = offset;
        candidate = { offset, since: time };
      } else if (Math.abs(offset - candidate.offset) >= JUMP) {
        candidate = { offset, since: time };
      } else if (time - candidate.since >= SETTLES_AFTER) {
        believed = offset;
      }
      return time + (believed ?? offset);
    },
  };
  return clock;
}
