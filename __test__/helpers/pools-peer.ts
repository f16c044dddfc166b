/** Runs what another thread or process sends, one call after the other: the far end of `pools-peers.ts`. */

import * as fs from 'node:fs'
import { isMainThread, parentPort } from 'node:worker_threads'
import { journal, objects, pmemblk, pmemlog } from 'pmem'
import type { Answer, Call, It } from './pools-peers.js'

const it: It = { journal, objects, pmemlog, pmemblk, fs, program: __filename, kept: {} }

async function answer({ id, source, args }: Call): Promise<Answer> {
  try {
    // The function has no names but its parameters: it was written for this.
    // eslint-disable-next-line no-eval -- the source is a function of the tests themselves
    const work = (0, eval)(`(${source})`) as (it: It, ...args: unknown[]) => unknown
    return { id, value: await work(it, ...args) }
  } catch (error) {
    const { name, message, code, errno, syscall, path } = error as NodeJS.ErrnoException
    return { id, error: { name, message, code, errno, syscall, path } }
  }
}

function receive(post: (answer: Answer) => void): (call: Call) => void {
  let last: Promise<void> = Promise.resolve()
  return (call) => {
    last = last.then(async () => post(await answer(call)))
  }
}

if (isMainThread) {
  process.on('message', receive((message) => process.send!(message)))
} else {
  parentPort!.on('message', receive((message) => parentPort!.postMessage(message)))
}
