// npm run bench:runtimes: sets up what is missing and measures, in every JavaScript runtime, how much longer a loop over a
// Float64Array takes where it lies over a mapped file than where it lies over an ordinary buffer.
import { matrix, withFolder } from './lib/matrix.mjs'
import { main, run, StepError } from './lib/run.mjs'
import { installRuntimes, launch } from './lib/runtimes.mjs'
import { setUp } from './lib/setup.mjs'

const GOAL = 1.1
const MEMORIES = ['external', 'wasm']
const line = (cells) => cells.map((cell, index) => (index ? cell.padStart(18) : cell.padEnd(10))).join('')
const ratio = (number) => `${number.toFixed(2)}${number <= GOAL ? '' : ` above ${GOAL}`}`

async function measure(name, memory, PMEM_TEST_DIR) {
  const { ok, stdout, output } = await run(...launch(name, 'loop.mjs', memory), { env: { PMEM_TEST_DIR } })
  if (!ok) throw new StepError(`${name}: ${output}`)
  const { median, fastest, milliseconds } = JSON.parse(stdout)
  console.log(line([name, memory, milliseconds.toFixed(2), ratio(median), ratio(fastest)]))
}

await main(async () => {
  await setUp()
  const names = await installRuntimes()
  if (names.length === 0) throw new StepError('The runtimes are pinned for Linux x64 alone')
  const [{ label, folder }] = matrix()
  console.log(`\nA loop over 8 MiB of a Float64Array, ${label}; times that of an ordinary buffer, at most ${GOAL} wanted`)
  console.log(line(['runtime', 'memory', 'ordinary, ms', 'median of rounds', 'fastest round']))
  for (const name of names) {
    for (const memory of MEMORIES) await withFolder(folder, (temporary) => measure(name, memory, temporary))
  }
})
