// Programs in processes and in threads of their own, in the runtime that runs the suite.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { launchArguments } from './runtimes.mjs'

const runtime = globalThis.Bun ? 'bun' : globalThis.Deno ? 'deno' : 'node'
const program = (name) => new URL(`../programs/${name}`, import.meta.url)

/** Runs a program of `programs/` to its end; `status` is its exit code, or the signal that ended it. */
export function ended(name, args) {
  return new Promise((resolve, reject) => {
    const all = [...launchArguments(runtime), fileURLToPath(program(name)), ...args]
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ status: signal ?? code, output }))
  })
}

const threads = new Set()

/** Ends the workers that failed checks left running. */
export async function endThreads() {
  await Promise.all([...threads].map((thread) => thread.terminate()))
}

/** A worker that runs `programs/worker.mjs`: it does the task of that name once it is asked to, and then waits or ends. */
export class Thread {
  #worker
  #messages = []
  #waiting = []
  /** Its exit code, once it ends, whether it fails or not. */
  exit

  constructor(task, data) {
    this.#worker = new Worker(program('worker.mjs'), { workerData: { task, ...data } })
    this.#worker.on('message', (message) => this.#settle({ message }))
    threads.add(this)
    this.exit = new Promise((resolve) => {
      this.#worker.on('error', (error) => this.#settle({ error })).on('exit', (code) => {
        this.#settle({ error: new Error(`the worker ended with ${code}`) })
        threads.delete(this)
        resolve(code)
      })
    })
  }

  /** Sends a message. */
  post(message, transferred) {
    this.#worker.postMessage(message, transferred)
  }

  /** The next message from the worker; rejects where it fails or ends instead. */
  next() {
    if (this.#messages.length > 0) return settled(this.#messages.shift())
    return new Promise((resolve) => this.#waiting.push(resolve)).then(settled)
  }

  /** Ends it from outside. */
  terminate() {
    return this.#worker.terminate()
  }

  #settle(result) {
    const resolve = this.#waiting.shift()
    if (resolve) resolve(result)
    else this.#messages.push(result)
  }
}

async function settled({ message, error }) {
  if (error) throw error
  return message
}
