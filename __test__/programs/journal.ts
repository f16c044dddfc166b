/** A worker or a process that does something with a journal: the first argument says what, the second where. */

import { parentPort, workerData } from 'node:worker_threads'
import pino from 'pino'
import { journal } from 'pmem'
import destination from 'pmem/pino'

const [what, folder, ...rest] = (workerData ?? process.argv.slice(2)) as [keyof typeof works, string, ...string[]]

/** Tells whoever started it. */
function tell(message: unknown): void {
  if (parentPort) parentPort.postMessage(message)
  else if (process.send) process.send(message as object)
  else console.log(JSON.stringify(message))
}

const works = {
  /** Appends numbered records, in every way, and tells the sequence of each. */
  async append() {
    const [name, count] = rest
    const events = journal.open(folder)
    const sequences: number[] = []
    for (let number = 0; number < Number(count); number += 4) {
      const text = (more: number) => `${name} ${number + more}`
      const pending = events.appendAsync(text(0))
      const first = events.appendMany([text(1), text(2)])
      const last = events.append(text(3))
      sequences.push(await pending, first, first + 1, last)
    }
    events.close()
    tell(sequences)
  },
  /** Follows, and tells the texts of so many records. */
  async follow() {
    const [count, readonly] = rest
    const events = journal.open(folder, { readonly: readonly === 'readonly' })
    const texts: string[] = []
    tell('ready')
    if (Number(count) > 0) for await (const record of events.follow()) if (texts.push(record.text()) === Number(count)) break
    tell(texts)
    events.close()
  },
  /** Waits for a record for ever, by every way of waiting. */
  async wait() {
    const events = journal.open(folder)
    const from = events.next
    const follows = Array.from({ length: 20 }, () => events.follow({ from }).next())
    events.createReadStream({ from, follow: true }).resume()
    const consuming = events.consume('worker', () => {})
    tell('ready')
    await Promise.all([...follows, consuming])
  },
  /** As wait, and ends by a call meanwhile. */
  async exit() {
    void works.wait()
    setImmediate(() => process.exit(3))
  },
  async throw() {
    void works.wait()
    setImmediate(() => {
      throw new Error('the worker failed')
    })
  },
  /** Consumes for ever, readonly, and tells each text. */
  async consume() {
    await journal.open(folder, { readonly: true }).consume('worker', (record) => tell(record.text()))
  },
  /** Tells why the journal cannot be opened, or that it can. */
  async refused() {
    try {
      journal.open(folder).close()
      tell('opened')
    } catch (error) {
      tell((error as NodeJS.ErrnoException).code)
    }
  },
  /** Appends for ever what is not durable, and tells each sequence. */
  async flood() {
    const events = journal.open(folder)
    for (;;) {
      for (let count = 0; count < 100; count += 1) events.append(`record ${events.next}`, { durable: false })
      tell(events.append('durable'))
      await new Promise(setImmediate)
    }
  },
  /** Tells how calls fail of which the first fails to sync, and what there is once the journal is opened again. */
  async unsynced() {
    const events = journal.open(folder)
    events.append('acknowledged')
    process.env.SYNCS_LEFT = '0'
    const calls: (() => unknown)[] = [
      () => (rest[0] === 'sync' ? events.append('one') : events.appendAsync('one')),
      () => events.append('two'),
      () => events.appendAsync('three'),
      () => events.flush(),
      () => events.flushed(),
    ]
    const errors: object[] = []
    for (const call of calls) {
      try {
        await call()
        errors.push({})
      } catch (error) {
        errors.push({ ...(error as object) })
      }
    }
    const { next } = events
    events.close()
    const again = journal.open(folder)
    again.append('after')
    tell({ errors, next, texts: Array.from(again, (record) => record.text()) })
    again.close()
  },
  /** Logs lines with pino, and tells how many; then it ends as it was told. */
  async pino() {
    const [count, end] = rest
    const logger = pino({ base: null }, destination({ folder }))
    for (let number = 0; number < Number(count); number += 1) logger.info({ number }, 'a line')
    if (end === 'kill') process.kill(process.pid, 'SIGKILL')
    if (end === 'exit') process.exit(0)
    if (end === 'throw') throw new Error('the program failed')
  },
}

void works[what]()
