// The log of everything that a request can cause. A line of one kind is written once a minute and the next one says how many were
// held back, so that nobody can fill a disk, or bury somebody else's line, by asking.
//
// A kind is what we choose: the text and, of the facts, `provider`, `code` and `dialect`. What a client chooses (a host, the
// name of a header) is no part of it, or it would be as good as no limit: it goes into `about`, of which a kind has a handful.
import type { Logger } from 'pino';
import { boundedMap } from './bounded-map.js';
import { copyString } from './copy-string.js';
import { createRateGate, type RateGate } from './rate-gate.js';

type Facts = Readonly<Record<string, unknown>>;
/** Answers with `false` when the line is not written. */
type Write = (facts: Facts, text: string, about?: string) => unknown;

/** `text` is a constant. `about`: lines of one kind that differ in it are written both. */
export interface GatedLog {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

export interface LogGate {
  /**
   * How many lines of this kind were held back since the last one, or null: hold this one back too. `kind`: the text, and behind a
   * NUL what tells kinds of one text apart.
   */
  pass(kind: string, about?: string): number | null;
}

const PERIOD = 60_000;
/** Lines of one kind in a minute, when each is about something else. */
const MOST_ABOUT = 5;
const LONGEST_ABOUT = 300;
/** Some twenty kinds for each of a thousand providers, which live updates may replace. */
const MOST_KINDS = 32_768;
/**
 * Of one text, in a minute. Of each by itself: with many providers a stranger can cause that many of some text, and none of them
 * may take the place of a line that says what an operator has to know.
 */
const MOST_OF_A_TEXT = 200;

interface Kind {
  held: number;
  /** Of what it is about. */
  readonly gate: RateGate;
  readonly ofText: RateGate;
}

/** Of kinds that are remembered; in a minute: of lines of a kind that are about something else each, and of one text. */
export interface LogLimits {
  readonly kinds: number;
  readonly about: number;
  readonly ofText: number;
}

const LIMITS: LogLimits = { kinds: MOST_KINDS, about: MOST_ABOUT, ofText: MOST_OF_A_TEXT };

/** `monotonic` in milliseconds. */
export function createLogGate(monotonic: () => number, limits = LIMITS): LogGate {
  const kinds = boundedMap<string, Kind>(limits.kinds);
  /** There are as many texts as the code has. */
  const texts = new Map<string, RateGate>();

  function gateOfText(text: string): RateGate {
    const gate = texts.get(text) ?? createRateGate({ period: PERIOD, most: limits.ofText, monotonic });
    texts.set(text, gate);
    return gate;
  }

  return {
    pass(kind, about = '') {
      let known = kinds.get(kind);
      if (known === undefined) {
        const gate = createRateGate({ period: PERIOD, most: limits.about, monotonic });
        known = { held: 0, gate, ofText: gateOfText(kind.split('\0', 1)[0] ?? '') };
        kinds.set(copyString(kind), known);
      }
      const name = about.slice(0, LONGEST_ABOUT);
      if (!known.gate.isOpen(name) || !known.ofText.admit(`${kind}\0${name}`)) {
        known.held += 1;
        return null;
      }
      known.gate.admit(name);
      const { held } = known;
      known.held = 0;
      return held;
    },
  };
}

/** `monotonic` in milliseconds. */
export function createGatedLog(log: Logger, monotonic: () => number): GatedLog {
  const gate = createLogGate(monotonic);
  const writer =
    (level: 'debug' | 'info' | 'warn' | 'error'): Write =>
    (facts, text, about) => {
      if (!log.isLevelEnabled(level)) return false;
      const held = gate.pass(
        `${text}\0${own(facts['provider'])}\0${own(facts['code'])}\0${own(facts['dialect'])}`,
        about,
      );
      if (held === null) return false;
      log[level]({ ...facts, held }, text);
      return true;
    };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

function own(fact: unknown): string {
  return typeof fact === 'string' ? fact : '';
}
