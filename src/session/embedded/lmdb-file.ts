// The file of an LMDB environment, looked at from outside. LMDB maps it and trusts it: a page that is damaged or gone ends the process
// with a signal instead of an error. So its meta pages and the upper part of its trees are checked before it is opened and now
// and then afterwards, and its length before each use: what is cut off a file that is mapped is a bus error for whoever reads it.
import { accessSync, closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { AkproxError, explain } from '../../infra/errors.js';
import { makeDirectory } from '../../infra/make-directory.js';

export function lmdbFileOf(path: string): string {
  return join(path, 'data.mdb');
}

/** Notices that a mapped file was cut off. LMDB never makes it shorter. */
export class LengthGuard {
  readonly #descriptor: number;
  #longest: number;
  #cut = false;

  constructor(file: string) {
    this.#descriptor = openSync(file, 'r');
    this.#longest = fstatSync(this.#descriptor).size;
  }

  /** Throws once the file has been shorter than before, and from then on: what was in it is gone, whatever comes back. */
  check(): void {
    const { size } = fstatSync(this.#descriptor);
    if (size < this.#longest) this.#cut = true;
    else this.#longest = size;
    if (this.#cut) {
      throw new Error(
        `data.mdb was cut off while it was in use (${size} bytes, it had ${this.#longest}): stop akprox, restore the file or move it away, and start it`,
      );
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

export function unusable(path: string, problem: string, cause?: unknown): AkproxError {
  return new AkproxError('store_unusable', `store.path ${JSON.stringify(path)} ${problem}`, cause);
}

export function prepareDirectory(path: string): void {
  try {
    makeDirectory(path, 0o700);
    if (!statSync(path).isDirectory()) throw new Error('not a directory');
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw unusable(path, 'is not a directory: name one, akprox makes it', error);
    throw unusable(
      path,
      `is not a directory that can be made and written: let the user that akprox runs as write there, or name another (${explain(error)})`,
      error,
    );
  }
}

/** Other processes may commit meanwhile: only what fails twice over an unchanged file is damage. */
export async function verifyDataFile(path: string): Promise<void> {
  const file = lmdbFileOf(path);
  for (let attempt = 0; existsSync(file); attempt += 1) {
    let before = '';
    try {
      before = fingerprint(file);
      await checkFile(file);
      return;
    } catch (error) {
      if (attempt > 0 && before === fingerprint(file)) {
        throw unusable(path, `holds a damaged data.mdb (${explain(error)}): move it away, or restore it`, error);
      }
      // In use and busy: whoever commits to it has checked it.
      if (attempt >= 20) return;
    }
    await delay(25);
  }
}

/** Changes with every commit. */
function fingerprint(file: string): string {
  const { size, mtimeMs, ino } = statSync(file);
  return `${ino}/${size}/${mtimeMs}`;
}

/** The format of LMDB data version 2 on a 64-bit little-endian machine: `MDB_meta`, `MDB_db` and `MDB_page_header` in mdb.c. */
const PAGE_HEADER = 24;
const META_FLAG = 0x08;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const BIG_DATA = 0x01;
const SUB_TABLE = 0x02;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const MAX_PAGES_CHECKED = 8_192;
/** So many are read in less than a millisecond. */
const PAGES_A_TURN = 64;

async function checkFile(file: string): Promise<void> {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size === 0) return; // LMDB starts such a file anew
    const read = (offset: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      if (readSync(descriptor, bytes, 0, length, offset) !== length) throw new Error('the file is too short');
      return bytes;
    };
    const first = parseMeta(read(0, 256));
    const second = parseMeta(read(first.pageSize, 256));
    if (second.pageSize !== first.pageSize) throw new Error('its meta pages disagree');
    const meta = second.transaction > first.transaction ? second : first;
    const pages = Math.floor(size / meta.pageSize);
    await checkTrees(meta.roots, pages, (page) => read(page * meta.pageSize, meta.pageSize));
  } finally {
    closeSync(descriptor);
  }
}

function parseMeta(page: Buffer): { pageSize: number; transaction: bigint; roots: bigint[] } {
  if (page.readUInt16LE(18) !== META_FLAG || page.readUInt32LE(PAGE_HEADER) !== 0xbeefc0de) {
    throw new Error('it is not an LMDB file');
  }
  const version = page.readUInt32LE(PAGE_HEADER + 4) & 0xffff;
  if (version !== 2) throw new Error(`its format is version ${version}, not 2`);
  const pageSize = page.readUInt32LE(PAGE_HEADER + 24);
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
    throw new Error('its page size is wrong');
  return {
    pageSize,
    transaction: page.readBigUInt64LE(PAGE_HEADER + 128),
    roots: [page.readBigUInt64LE(PAGE_HEADER + 24 + 40), page.readBigUInt64LE(PAGE_HEADER + 72 + 40)],
  };
}

/** Breadth first, so that the branch pages come before the many leaves. */
async function checkTrees(roots: readonly bigint[], pages: number, read: (page: number) => Buffer): Promise<void> {
  const pending: number[] = [];
  const visit = (page: bigint): void => {
    if (page === NO_PAGE) return;
    if (page < 2n || page >= BigInt(pages)) throw new Error('it is cut off, or points outside itself');
    pending.push(Number(page));
  };
  roots.forEach(visit);
  for (let i = 0; i < pending.length && i < MAX_PAGES_CHECKED; i += 1) {
    if (i % PAGES_A_TURN === PAGES_A_TURN - 1) await nextTurn();
    const page = pending[i] ?? 0;
    for (const child of childrenOf(read(page), page, pages)) visit(child);
  }
}

function childrenOf(page: Buffer, number: number, pages: number): bigint[] {
  const flags = page.readUInt16LE(18) & (BRANCH | LEAF | OVERFLOW | META_FLAG);
  // All offsets in a page count from the end of its header, where the slots begin.
  const lower = PAGE_HEADER + page.readUInt16LE(20);
  const upper = PAGE_HEADER + page.readUInt16LE(22);
  if (page.readBigUInt64LE(0) !== BigInt(number) || (flags !== BRANCH && flags !== LEAF))
    throw new Error('a page is damaged');
  if (lower > upper || upper > page.length) throw new Error('a page is damaged');
  const children: bigint[] = [];
  for (let slot = PAGE_HEADER; slot < lower; slot += 2) {
    const node = PAGE_HEADER + page.readUInt16LE(slot);
    if (node < upper || node + 8 > page.length) throw new Error('a page is damaged');
    const low = page.readUInt32LE(node);
    const nodeFlags = page.readUInt16LE(node + 4);
    const data = node + 8 + page.readUInt16LE(node + 6);
    if (flags === BRANCH) {
      if (data > page.length) throw new Error('a page is damaged');
      children.push(BigInt(low) | (BigInt(nodeFlags) << 32n));
    } else if (nodeFlags & BIG_DATA) {
      if (data + 24 > page.length) throw new Error('a page is damaged');
      const end = page.readBigUInt64LE(data) + page.readBigUInt64LE(data + 16);
      if (end > BigInt(pages)) throw new Error('it is cut off, or points outside itself');
    } else {
      if (data + low > page.length) throw new Error('a page is damaged');
      if (nodeFlags & SUB_TABLE && low >= 48) children.push(page.readBigUInt64LE(data + 40));
    }
  }
  return children;
}
