// `unix:/PATH`, as `listen.http` may have it in place of HOST:PORT.

/** The kernel takes 107 bytes; workers add a number, and for a moment `.new`. */
export const LONGEST_PATH = 90;

/** The path; null when `address` is no unix socket. */
export function unixPathOf(address: string): string | null {
  return address.startsWith('unix:/') ? address.slice('unix:'.length) : null;
}
