import { join } from 'node:path'
import { add, none } from './counts.mjs'
import { matrix, withFolder } from './matrix.mjs'
import { root } from './run.mjs'
import { runTests } from './tests.mjs'

/** What is seen to grow where things are left behind. */
const LEAKED = ['heap', 'external', 'arrayBuffers', 'rss', 'descriptors', 'own descriptors', 'mappings', 'own mappings', 'threads']

/** The arguments by which Node.js runs the soak. */
export function soak(folder, minutes, leaks) {
  const program = join(root, 'build/__test__/programs/soak/main.js')
  // Young objects have a fixed, small space: what the runtime keeps is there after seconds.
  return ['--expose-gc', '--max-semi-space-size=1', program, folder, `${minutes}`, ...(leaks ? ['leak'] : [])]
}

const isFlat = ({ ok }) => ok
const grows = ({ ok, stdout }) => !ok && LEAKED.every((what) => new RegExp(`: ${what} .*GREW$`, 'm').test(stdout))

/** A short soak, and one that leaks and has to fail in all that is looked at, which is in /proc. Resolves to the counts. */
export async function testSoak() {
  if (process.platform !== 'linux') return { ...none, skipped: 2 }
  return add(await test('Soak', 0.5, false, isFlat), await test('Soak that leaks', 0.15, true, grows))
}

function test(label, minutes, leaks, isRight) {
  const count = (result) => ({ ...none, [isRight(result) ? 'passed' : 'failed']: 1 })
  return withFolder(matrix()[0].folder, (folder) => runTests(label, process.execPath, soak(folder, minutes, leaks), {}, count))
}
