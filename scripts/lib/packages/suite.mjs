import { add, countAva, describe } from '../counts.mjs'
import { report } from '../run.mjs'
import { Unavailable } from '../tools.mjs'

/** Checks that are counted and go on after a failure: functions of the scripts, and programs that print a mark for each. */
export class Suite {
  counts = { passed: 0, failed: 0, skipped: 0 }

  async check(name, work) {
    try {
      await work()
      this.#add({ passed: 1, failed: 0, skipped: 0 })
    } catch (error) {
      this.#add({ passed: 0, failed: 1, skipped: 0 })
      console.log(`FAILED: ${name}\n${error.message}`)
    }
  }

  async program(label, command, args, options) {
    const result = await report(label, command, args, options, (ended) => describe(countAva(ended)))
    const counts = countAva(result)
    this.#add(counts)
    if (counts.failed) console.log(result.output.trimEnd())
  }

  /** Does what this machine may lack something for; not at all after `end`, a time of `performance.now`. */
  async attempt(name, end, work) {
    if (performance.now() > end) return this.#skip(name, 'the time for it is up')
    try {
      await work()
    } catch (error) {
      if (error instanceof Unavailable) return this.#skip(name, error.message)
      await this.check(name, () => Promise.reject(error))
    }
  }

  #skip(name, reason) {
    this.#add({ passed: 0, failed: 0, skipped: 1 })
    console.log(`SKIPPED: ${name}: ${reason}`)
  }

  #add(counts) {
    this.counts = add(this.counts, counts)
  }
}
