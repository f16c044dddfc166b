// What runs in other processes, which are killed.
const { PmemLevel } = require('pmem-level')

const programs = {
  /** Says of each change that it is done, and goes on until it is killed. */
  async write(location, sync) {
    const db = new PmemLevel(location)
    for (let index = 0; ; index += 1) {
      await db.batch([{ type: 'put', key: `a${index}`, value: 'x' }, { type: 'put', key: `b${index}`, value: 'y' }], { sync: sync === 'true' })
      process.stdout.write(`${index}\n`)
    }
  },

  /** Has it open until it is killed. */
  async hold(location) {
    await new PmemLevel(location).open()
    process.stdout.write('open\n')
    setInterval(() => {}, 1000)
  },
}

const [, , name, ...args] = process.argv
programs[name](...args)
