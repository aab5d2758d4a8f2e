// What has been read of the options, and what there is to say about those that were not taken over.
import type { GivenOption, GivenOptions } from './given-options.js';

export interface Note {
  readonly option: string;
  readonly advice: string;
  /** It decides who gets in. */
  readonly access: boolean;
}

type Secret = string | { readonly file: string } | { readonly env: string };

export class Reader {
  readonly notes: Note[] = [];
  private readonly options: GivenOptions;
  private readonly taken = new Set<string>();

  constructor(options: GivenOptions) {
    this.options = options;
  }

  /** The entries of a list that are not empty. */
  list(name: string): readonly string[] {
    return this.take(name)?.values.filter((value) => value !== '') ?? [];
  }

  /** '' when it is not given. */
  text(name: string): string {
    return this.list(name).join(' ');
  }

  isOn(name: string): boolean {
    return this.text(name) === 'true';
  }

  isOff(name: string): boolean {
    return this.text(name) === 'false';
  }

  /** Where it is kept; the text itself only where it stood in the file. Undefined: not given. */
  secret(name: string): Secret | undefined {
    const file = this.text(`${name}_file`);
    const option = this.take(name);
    const value = option?.values.join(',') ?? '';
    if (value !== '' && option?.env !== undefined) return { env: option.env };
    if (value !== '') return value;
    return file === '' ? undefined : { file };
  }

  isFromEnvironment(name: string): boolean {
    return this.options.get(name)?.env !== undefined;
  }

  say(option: string, advice: string): void {
    this.notes.push({ option, advice, access: false });
  }

  /** About who gets in: said first. */
  warn(option: string, advice: string): void {
    this.notes.push({ option, advice, access: true });
  }

  /** Names of those that nobody has asked for and that say something. */
  left(): string[] {
    return [...this.options]
      .filter(([name, option]) => !this.taken.has(name) && saysSomething(option))
      .map(([name]) => name);
  }

  private take(name: string): GivenOption | undefined {
    this.taken.add(name);
    return this.options.get(name);
  }
}

/** What is off, empty or zero is as if it were not there. */
function saysSomething({ values }: GivenOption): boolean {
  return values.some((value) => !['', 'false', '0', '0s'].includes(value));
}
