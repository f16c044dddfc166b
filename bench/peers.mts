// Other stores, which bench/peers/package.json has and the package's own does not: they may be missing. What is used of them is
// declared here, since the benchmarks are also compiled without them.
import { createRequire } from 'node:module'

export type PeerName = 'lmdb' | 'better-sqlite3' | 'classic-level'

export interface Lmdb {
  open(options: {
    path: string
    encoding: 'binary'
    keyEncoding: 'uint32'
    mapSize: number
    overlappingSync?: boolean
    noSync?: boolean
  }): LmdbStore
}

export interface LmdbStore {
  /** Resolves when the transaction is visible. */
  put(key: number, value: Uint8Array): Promise<boolean>
  putSync(key: number, value: Uint8Array): boolean
  get(key: number): Uint8Array | undefined
  transactionSync<T>(work: () => T): T
  /** Resolves when everything that was put is durable. */
  readonly flushed: PromiseLike<unknown>
}

export type Sqlite = new (path: string) => SqliteStore

export interface SqliteStore {
  pragma(source: string): unknown
  exec(source: string): unknown
  prepare(source: string): { run(...parameters: unknown[]): unknown }
}

export interface Level {
  open(): Promise<void>
  getSync(key: string): string | undefined
  put(key: string, value: string, options: { sync: boolean }): Promise<void>
  batch(operations: readonly { type: 'put'; key: string; value: string }[]): Promise<void>
  iterator(): { nextv(most: number): Promise<[string, string][]>; close(): Promise<void> }
}

/** Seen from build/bench, where this module is compiled to. */
const require = createRequire(new URL('../../bench/peers/package.json', import.meta.url))

export function loadLmdb(): Lmdb {
  return require('lmdb') as Lmdb
}

export function loadSqlite(): Sqlite {
  return require('better-sqlite3') as Sqlite
}

/** An open database. */
export async function openLevel(path: string): Promise<Level> {
  const { ClassicLevel } = require('classic-level') as { ClassicLevel: new (path: string) => Level }
  const level = new ClassicLevel(path)
  await level.open()
  return level
}

/** Why a peer cannot be used, or nothing. */
export function missing(peer: PeerName): string | undefined {
  try {
    require(peer)
    return undefined
  } catch (error) {
    return `${peer} is not installed: ${(error as Error).message.split('\n', 1)[0]}`
  }
}
