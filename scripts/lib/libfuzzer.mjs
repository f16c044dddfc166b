import { copyFileSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, none } from './counts.mjs'
import { nightly, nightlyComponents } from './nightly.mjs'
import { preparePmdk } from './pmdk.mjs'
import { root, run, step, StepError } from './run.mjs'

/** What each input led to is told to libFuzzer, and AddressSanitizer looks at all memory. */
const FLAGS = [
  '-Zsanitizer=address',
  '-Cpasses=sancov-module',
  '-Ccodegen-units=1',
  ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map((flag) => `-Cllvm-args=-sanitizer-coverage-${flag}`),
]

/** In MiB for memory, in seconds, and in bytes. */
const LIMITS = ['-malloc_limit_mb=1024', '-rss_limit_mb=3072', '-timeout=60', '-max_len=1000000', '-len_control=0']

const folder = join(root, 'target/fuzz/libfuzzer')

/** Why it cannot be tried. */
async function missing() {
  if ((await nightlyComponents()) === null) return 'there is no nightly Rust'
  return (await run('c++', ['--version'])).ok ? undefined : 'there is no C++ compiler'
}

async function build() {
  const env = await nightly('libfuzzer', FLAGS)
  const features = (await preparePmdk()) ? ['--features', 'pmdk'] : []
  const manifest = join(root, 'crates/pmem-fuzz/Cargo.toml')
  await step('libFuzzer and its targets', 'cargo', ['build', '--locked', '--manifest-path', manifest, ...features], { env })
  return join(env.CARGO_TARGET_DIR, env.CARGO_BUILD_TARGET, 'debug/pmem-fuzz')
}

/** Resolves to how many inputs were tried, and to whether all were right. What is not is kept in the corpus. */
async function fuzz(binary, target, corpus, seconds, pmem) {
  const grown = join(folder, target)
  mkdirSync(grown, { recursive: true })
  const args = [`-max_total_time=${seconds}`, ...LIMITS, '-print_final_stats=1', `-artifact_prefix=${folder}/`, grown, join(corpus, target)]
  const { ok, output } = await run(binary, args, { env: { PMEM_FUZZ_TARGET: target, PMEM_IS_PMEM_FORCE: pmem } })
  const [, inputs] = /^stat::number_of_executed_units: (\d+)$/m.exec(output) ?? []
  if (inputs === undefined) throw new StepError(`The target ${target} did not run:\n${output}`)
  if (!ok) {
    const [, input] = /Test unit written to (\S+)/.exec(output) ?? []
    const kept = input && join(corpus, target, `${basename(input)}.image`)
    if (kept) copyFileSync(input, kept)
    console.log(output.replace(/^(#\d+|INFO:|stat::).*\n/gm, '').trim())
    console.log(`${target}: an input failed with PMEM_IS_PMEM_FORCE=${pmem}; ${kept ? `kept in ${kept}` : 'it was not kept'}`)
  }
  return { inputs: Number(inputs), ok }
}

/** Has libFuzzer change the files of each target for so many seconds, half of them as persistent memory. */
export async function fuzzByCoverage(targets, corpus, seconds) {
  const reason = await missing()
  if (reason !== undefined) return console.log(`libFuzzer: skipped, ${reason}\n${describe({ ...none, skipped: targets.length })}`)
  const binary = await build()
  let failures = 0
  for (const target of targets) {
    const halves = []
    for (const pmem of ['0', '1']) halves.push(await fuzz(binary, target, corpus, Math.ceil(seconds / 2), pmem))
    const isSound = halves.every(({ ok }) => ok)
    failures += isSound ? 0 : 1
    console.log(`${target}: ${halves[0].inputs} inputs, ${halves[1].inputs} with PMEM_IS_PMEM_FORCE=1, ${isSound ? 'none' : 'some'} failed`)
  }
  console.log(describe({ ...none, passed: targets.length - failures, failed: failures }))
  if (failures > 0) throw new StepError('Some inputs failed')
}
