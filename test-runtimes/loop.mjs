// loop.mjs memory: times a loop over a Float64Array of 8 MiB, over mapped memory of that kind and over an ordinary buffer,
// in turns, in the folder PMEM_TEST_DIR. `npm run bench:runtimes` starts it. It prints a JSON object.
import { join } from 'node:path'
import { pmem } from 'pmem'

const SIZE = 8 << 20
const WARM_UP = 60
const ROUNDS = 101

const BODY = `
  let sum = 0
  for (let index = 0; index < view.length; index += 1) {
    view[index] = view[index] * 0.5 + index
    sum += view[index]
  }
  return sum
`

/** A view and a loop over it that is compiled for this view alone: what the compiler learns is not shared. */
function subject(view) {
  // eslint-disable-next-line no-new-func, no-implied-eval -- a function of its own
  const loop = new Function('view', BODY)
  return () => loop(view)
}

function milliseconds(run) {
  const start = performance.now()
  run()
  return performance.now() - start
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

/** How much longer `mapped` takes than `ordinary`. Both run in each round, so that a change of the machine's speed meets both. */
function ratio(mapped, ordinary) {
  for (let round = 0; round < WARM_UP; round += 1) for (const run of [mapped, ordinary]) run()
  const times = Array.from({ length: ROUNDS }, (_, round) => {
    const inTurn = round % 2 ? [mapped, ordinary] : [ordinary, mapped]
    const [first, second] = inTurn.map(milliseconds)
    return round % 2 ? { mapped: first, ordinary: second } : { mapped: second, ordinary: first }
  })
  const fastest = (name) => Math.min(...times.map((time) => time[name]))
  return {
    median: median(times.map((time) => time.mapped / time.ordinary)),
    fastest: fastest('mapped') / fastest('ordinary'),
    milliseconds: fastest('ordinary'),
  }
}

const [memory] = process.argv.slice(2)
const region = pmem.mapFile(join(process.env.PMEM_TEST_DIR, memory), { length: SIZE, create: true, memory })
// It stays open: once any buffer was detached, V8 compiles all loops over typed arrays with more checks.
console.log(JSON.stringify(ratio(subject(region.view(Float64Array)), subject(new Float64Array(SIZE / 8)))))
