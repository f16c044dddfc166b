import { libnode } from './packages/build.mjs'
import { bin, report } from './run.mjs'
import { workspace } from './setup.mjs'
import { rustTargets } from './packages/tools.mjs'

/** Runs every check that is not a test, and resolves to how many failed. */
export async function lint(pmdk) {
  let failed = 0
  for (const [label, command, args, env] of [...checks(pmdk), ...(await checksElsewhere())]) {
    const result = await report(label, command, args, { env }, ({ ok }) => (ok ? 'clean' : 'FAILED'))
    if (result.ok) continue
    failed += 1
    console.log(result.output.trim())
  }
  return failed
}

function checks(pmdk) {
  // --all-targets would compile the glue as a test too, without its exports, and find all of it unused.
  const clippy = (linked) => ['clippy', ...workspace(linked), '--lib', '--tests', '--examples', '--', '-D', 'warnings']
  return [
    ['rustfmt', 'cargo', ['fmt', '--all', '--check']],
    ['clippy', 'cargo', clippy(pmdk)],
    ...(pmdk ? [['clippy without PMDK', 'cargo', clippy(false)]] : []),
    ['rustdoc', 'cargo', ['doc', ...workspace(pmdk), '--no-deps'], { RUSTDOCFLAGS: '-Dwarnings' }],
    ['oxlint', bin('oxlint'), ['--deny-warnings']],
    ['publint', bin('publint'), ['--strict']],
    ['are the types wrong', bin('attw'), ['--pack', '.', '--profile', 'strict']],
  ]
}

/** The parts that only other platforms compile, for those whose standard library is installed. */
async function checksElsewhere() {
  const wanted = ['x86_64-pc-windows-gnu', 'aarch64-apple-darwin']
  const installed = await rustTargets()
  const env = { LIBNODE_PATH: await libnode() }
  return wanted
    .filter((target) => installed.includes(target))
    .map((target) => [
      `clippy for ${target}`,
      'cargo',
      ['clippy', ...workspace(false), '--lib', '--target', target, '--', '-D', 'warnings'],
      env,
    ])
}
