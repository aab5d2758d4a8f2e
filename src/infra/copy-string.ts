// A copy of a string that is about to be kept. A slice of a header is a view in V8: kept in a map, it keeps the whole header
// (up to 64 KiB of a client's choosing) alive.

export function copyString(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
