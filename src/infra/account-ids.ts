// Numbers of users and groups by their names, as /etc/passwd and /etc/group have them. No other directory of users is asked.

/** `file`: the text of one of the two. Null when it has no such name. */
export function accountId(file: string, name: string): number | null {
  for (const line of file.split('\n')) {
    const [entry, , id = ''] = line.split(':');
    if (entry === name && /^\d+$/.test(id)) return Number(id);
  }
  return null;
}
