import { add, countAva, describe } from './counts.mjs'
import { report } from './run.mjs'

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

  skip(name, reason) {
    this.#add({ passed: 0, failed: 0, skipped: 1 })
    console.log(`SKIPPED: ${name}: ${reason}`)
  }

  #add(counts) {
    this.counts = add(this.counts, counts)
  }
}
