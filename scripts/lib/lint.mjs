import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { libnode } from './packages/build.mjs'
import { rustTargets } from './packages/tools.mjs'
import { bin, report, root } from './run.mjs'
import { workspace } from './setup.mjs'
import { goProgram, ifAvailable, pythonEnvironment } from './tools.mjs'

/** Runs every check that is not a test, and resolves to how many failed. */
export async function lint(pmdk) {
  let failed = 0
  for (const [label, command, args, env] of [...checks(pmdk), ...(await checksOfWorkflows()), ...(await checksElsewhere())]) {
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

/** What is wrong in workflows, and what of them could be misused; both without a network. */
async function checksOfWorkflows() {
  const folder = join(root, '.github/workflows')
  const files = readdirSync(folder).map((name) => join(folder, name))
  const actionlint = await ifAvailable(() => goProgram('actionlint', 'github.com/rhysd/actionlint/cmd/actionlint', '1.7.12'))
  const zizmor = await ifAvailable(() => pythonEnvironment('zizmor', join(root, 'scripts/lib/lint-requirements.txt')))
  return [
    ...(actionlint ? [['actionlint', actionlint, files]] : []),
    ...(zizmor ? [['zizmor', join(zizmor, 'zizmor'), ['--offline', '--no-progress', '--strict-collection', '--min-severity', 'medium', ...files]]] : []),
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
