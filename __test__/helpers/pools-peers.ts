/** Other processes and workers, which run functions of a test. */

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import type * as fs from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import type { journal, objects, pmemblk, pmemlog } from 'pmem'

/** What a function finds where it runs. It can use nothing else, not even what its module imports. */
export interface It {
  readonly pmemlog: typeof pmemlog
  readonly pmemblk: typeof pmemblk
  readonly journal: typeof journal
  readonly objects: typeof objects
  readonly fs: typeof fs
  /** The program of a worker that takes further calls. */
  readonly program: string
  /** What one call leaves to the next. */
  readonly kept: Record<string, any>
}

export interface Call {
  readonly id: number
  readonly source: string
  readonly args: readonly unknown[]
}

export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: Partial<NodeJS.ErrnoException>
}

type Work<A extends unknown[], R> = (it: It, ...args: A) => R | Promise<R>

/** The far end: one call after the other, each answered with a value or an error. */
export abstract class Peer {
  readonly #waiting = new Map<number, { resolve: (value: any) => void; reject: (reason: Error) => void }>()
  #calls = 0
  /** Why it ended; undefined while it runs. */
  #end: Error | undefined

  /** Runs a function there. It is sent as text. */
  run<A extends unknown[], R>(work: Work<A, R>, ...args: A): Promise<R> {
    const result = new Promise<R>((resolve, reject) => {
      if (this.#end) throw this.#end
      const id = (this.#calls += 1)
      this.#waiting.set(id, { resolve, reject })
      this.post({ id, source: work.toString(), args })
    })
    // A test that fails before it awaits this has failed already.
    result.catch(() => {})
    return result
  }

  protected abstract post(call: Call): void

  /** Ends it at once, whatever it does. */
  abstract kill(): Promise<void>

  protected answered({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error) waiting?.reject(Object.assign(new Error(error.message), error))
    else waiting?.resolve(value)
  }

  protected ended(how: string): void {
    this.#end = Object.assign(new Error(how), { code: 'ENDED' })
    for (const { reject } of this.#waiting.values()) reject(this.#end)
    this.#waiting.clear()
  }
}

const program = join(__dirname, 'pools-peer.js')

class ProcessPeer extends Peer {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | string | null>

  constructor(options: ForkOptions) {
    super()
    this.#child = fork(program, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'], ...options })
    this.#child.on('message', (answer) => this.answered(answer as Answer))
    this.#ended = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        this.ended(`the process ended with ${signal ?? code}`)
        resolve(signal ?? code)
      })
    })
  }

  protected override post(call: Call): void {
    this.#child.send(call)
  }

  override async kill(): Promise<void> {
    this.keep(true)
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** What the process writes to its descriptor 3. */
  get pipe(): Readable {
    return this.#child.stdio[3] as Readable
  }

  /** Whether the process keeps this one alive. */
  protected keep(kept: boolean): void {
    for (const part of [this.#child, this.#child.channel, this.#child.stdio[3] as Socket | undefined]) {
      if (kept) part?.ref()
      else part?.unref()
    }
  }

  /** Sends no more calls, and waits until the process has done what it has to do. Resolves to its exit code or signal. */
  leave(): Promise<number | string | null> {
    this.#child.disconnect()
    return this.#ended
  }
}

class WorkerPeer extends Peer {
  readonly #worker = new Worker(program)

  constructor() {
    super()
    this.#worker.on('message', (answer) => this.answered(answer as Answer))
    this.#worker.on('error', (error) => this.ended(error.message))
    this.#worker.on('exit', (code) => this.ended(`the worker ended with ${code}`))
  }

  protected override post(call: Call): void {
    this.#worker.postMessage(call)
  }

  override async kill(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Another process, which is gone after the test. */
export function startProcess(t: ExecutionContext, options: ForkOptions = {}): ProcessPeer {
  return startedFor(t, new ProcessPeer(options))
}

/** Another thread of this process, which is gone after the test. */
export function startWorker(t: ExecutionContext): Peer {
  return startedFor(t, new WorkerPeer())
}

function startedFor<P extends Peer>(t: ExecutionContext, peer: P): P {
  t.teardown(() => peer.kill())
  return peer
}

/** Another process that does not keep this one alive but while it has something to do. */
class IdlePeer extends ProcessPeer {
  #running = 0

  override async run<A extends unknown[], R>(work: Work<A, R>, ...args: A): Promise<R> {
    this.keep((this.#running += 1) > 0)
    try {
      return await super.run(work, ...args)
    } finally {
      this.keep((this.#running -= 1) > 0)
    }
  }
}

let other: IdlePeer | undefined

/** Runs a function in another process, which is the same one for all tests of a file. */
export function elsewhere<A extends unknown[], R>(work: Work<A, R>, ...args: A): Promise<R> {
  other ??= new IdlePeer({})
  return other.run(work, ...args)
}

test.after.always(() => other?.kill())
