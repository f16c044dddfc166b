/** What the specs of log and block pools share. */

import { closeSync, mkdtempSync, openSync, readSync, rmSync, statfsSync, truncateSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { capabilities, type pmem, pmemblk, pmemlog } from 'pmem'

export type EngineName = 'pmdk' | 'rust'

/** The engines of this build: every test runs over each of them. */
export const engines = capabilities.engines as readonly EngineName[]

export const KiB = 1 << 10
export const MiB = 1 << 20
export const GiB = 1 << 30

const TMPFS = 0x01021994

/** Where the files of this run lie. */
export const testFolder = process.env.PMEM_TEST_DIR ?? tmpdir()

export const onTmpfs = statfsSync(testFolder).type === TMPFS

/** Whether all files are taken for persistent memory in this run. */
export const isForcedPmem = process.env.PMEM_IS_PMEM_FORCE === '1'

/** Whether making something durable costs no disk access here, so that a test can do it 100,000 times. */
export const durableIsCheap = onTmpfs || isForcedPmem

/** A new folder for one test, gone after it. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(testFolder, 'pools-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A path in a new folder for one test, gone after it. */
export function file(t: ExecutionContext, name = 'pool'): string {
  return join(folder(t), name)
}

type EngineTest = (t: ExecutionContext, engine: EngineName) => void | Promise<void>

/** A test over each engine. */
export function eachEngine(title: string, body: EngineTest): void {
  for (const engine of engines) test(`${engine}: ${title}`, (t) => body(t, engine))
}

/** A test over each engine that cannot run here, with the reason in its title: what reports skipped tests then says why. */
export function skipped(title: string, reason: string): void {
  test.skip(`${title} (skipped: ${reason})`, () => {})
}

/** A test of a pool that one engine makes and another opens, over each pair. */
export function eachPair(title: string, body: (t: ExecutionContext, made: EngineName, opened: EngineName) => void | Promise<void>) {
  for (const made of engines) {
    for (const opened of engines) test(`${made} to ${opened}: ${title}`, (t) => body(t, made, opened))
  }
}

/** Whether a pool of this kind is read and checked while another process has it open for writing. */
export function readsBeside({ name }: Kind): boolean {
  return name === 'log' && process.platform === 'linux'
}

/** What both kinds of pools have in common. */
export interface Kind {
  readonly name: 'log' | 'blk'
  readonly minPool: number
  readonly create: (path: pmem.Path, poolSize?: number | bigint, options?: pmemlog.CreateOptions) => Pool
  readonly open: (path: pmem.Path, options?: pmemlog.OpenOptions) => Pool
  readonly check: (path: pmem.Path) => boolean
}

export interface Pool extends Disposable, AsyncDisposable {
  readonly engine: string
  readonly closed: boolean
  close(): void
  /** Makes the change that `marks` counts. */
  mark(): void
  /** How many changes the pool has. */
  marks(): number
  readonly handle: pmemlog.Log | pmemblk.BlockArray
}

function poolOf(handle: pmemlog.Log | pmemblk.BlockArray): Pool {
  const isLog = 'append' in handle
  return {
    handle,
    get engine() {
      return handle.engine
    },
    get closed() {
      return handle.closed
    },
    close: () => handle.close(),
    mark: () => {
      if (isLog) handle.append('x')
      else handle.write(Buffer.of(handle.read(0)[0]! + 1), 0)
    },
    marks: () => (isLog ? handle.tell() : handle.read(0)[0]!),
    [Symbol.dispose]: () => handle[Symbol.dispose](),
    [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
  }
}

export const kinds: readonly Kind[] = [
  {
    name: 'log',
    minPool: pmemlog.MIN_POOL,
    create: (path, poolSize, options) => poolOf(pmemlog.create(path, poolSize, options)),
    open: (path, options) => poolOf(pmemlog.open(path, options)),
    check: (path) => pmemlog.check(path),
  },
  {
    name: 'blk',
    minPool: pmemblk.MIN_POOL,
    create: (path, poolSize, options) => poolOf(pmemblk.create(path, 512, poolSize, options)),
    open: (path, options) => poolOf(pmemblk.open(path, 0, options)),
    check: (path) => pmemblk.check(path),
  },
]

/** A test over each kind of pool and each engine. */
export function eachKind(title: string, body: (t: ExecutionContext, kind: Kind, engine: EngineName) => void | Promise<void>) {
  for (const kind of kinds) eachEngine(`${kind.name}: ${title}`, (t, engine) => body(t, kind, engine))
}

/** Makes a log, which is closed after the test. */
export function newLog(t: ExecutionContext, engine: EngineName, poolSize: number | bigint = pmemlog.MIN_POOL, path = file(t)) {
  const log = pmemlog.create(path, poolSize, { engine })
  t.teardown(() => log.close())
  return { log, path }
}

/** Makes a block array, which is closed after the test. */
export function newBlocks(
  t: ExecutionContext,
  engine: EngineName,
  blockSize = 512,
  poolSize: number | bigint = pmemblk.MIN_POOL,
  options: pmemblk.CreateOptions = {},
  path = file(t),
) {
  const blocks = pmemblk.create(path, blockSize, poolSize, { engine, ...options })
  t.teardown(() => blocks.close())
  return { blocks, path }
}

/** Everything that a log holds. */
export function contents(log: pmemlog.Log): Buffer {
  return log.read(0, log.tell())
}

/** What an error is expected to have besides its code. */
export interface Expected {
  readonly syscall?: string
  readonly path?: string
  readonly message?: RegExp
}

/** That an error has a code, and what belongs to that code. */
export function isError(t: ExecutionContext, error: unknown, code: string, { syscall, path, message }: Expected = {}): void {
  t.true(error instanceof Error, `${code} is expected, not ${String(error)}`)
  const found = error as NodeJS.ErrnoException
  t.is(found.code, code, found.message)
  if (code === 'ERR_OUT_OF_RANGE') t.true(error instanceof RangeError, found.message)
  if (code.startsWith('ERR_INVALID_ARG')) t.true(error instanceof TypeError, found.message)
  const errno = (constants.errno as Record<string, number>)[code]
  if (errno !== undefined) {
    t.is(found.errno, -errno)
    t.is(typeof found.syscall, 'string')
    t.true(found.message.startsWith(`${code}: `), found.message)
  }
  if (syscall !== undefined) t.is(found.syscall, syscall)
  if (path !== undefined) t.is(found.path, path)
  if (message !== undefined) t.regex(found.message, message)
}

/** That a call throws an error with a code, and what belongs to that code. */
export function refuses(t: ExecutionContext, code: string, work: () => unknown, expected?: Expected): void {
  let error: unknown
  try {
    work()
  } catch (thrown) {
    error = thrown
  }
  isError(t, error, code, expected)
}

/** That a promise, which must be one and not an exception, rejects with a code. */
export async function rejects(t: ExecutionContext, code: string, work: () => Promise<unknown>, expected?: Expected): Promise<void> {
  const promise = work()
  t.true(promise instanceof Promise)
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  isError(t, error, code, expected)
}

/** Values of which none is data, a size or a path. */
export const nothings: readonly unknown[] = [undefined, null, true, Symbol('s'), {}, [], () => 1, new Date(0), /x/, new Map()]

/** Bytes of a file, read around the package. */
export function peek(path: string, offset: number, length: number): Buffer {
  const [descriptor, bytes] = [openSync(path, 'r'), Buffer.alloc(length)]
  try {
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
  } finally {
    closeSync(descriptor)
  }
}

/** Writes bytes into a file, around the package. */
export function poke(path: string, offset: number, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'r+')
  try {
    writeSync(descriptor, bytes, 0, bytes.length, offset)
  } finally {
    closeSync(descriptor)
  }
}

/** Where a log's file says where it ends, and how far it is written. */
const END = 4104
const WRITE_OFFSET = 4112
const DATA_START = 8192

/** How much a log's file says it holds. */
export function tellOfFile(path: string): number {
  return Number(peek(path, WRITE_OFFSET, 8).readBigUInt64LE()) - DATA_START
}

/** Makes the file of a closed log say that it holds `length` bytes. */
export function pokeTell(path: string, length: number): void {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(DATA_START + length))
  poke(path, WRITE_OFFSET, bytes)
}

/** Makes the file of a closed, empty pool longer without giving it blocks: more than a disk or a machine's memory may have. */
export function growPool(path: string, size: number): void {
  truncateSync(path, 8192)
  truncateSync(path, size)
}

/** `growPool` for a log, which knows where it ends. */
export function growLog(path: string, size: number): void {
  growPool(path, size)
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(size))
  poke(path, END, bytes)
}

/** Bytes that look random and are the same for the same seed, at any place. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let index = 0; index < length; index += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state
  }
  return bytes
}

/** That two runs of bytes are the same; a difference is shown by its place, not by a dump of both. */
export function sameBytes(t: ExecutionContext, actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  if (Buffer.compare(actual, expected) === 0) {
    t.pass()
    return
  }
  const differs = expected.findIndex((byte, index) => byte !== actual[index])
  const place = differs === -1 ? expected.length : differs
  t.fail(`${what}: ${actual.length} bytes for ${expected.length}, the first difference at ${place}`)
}
