import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root } from './helpers/programs.js'

/** A page without what `doctor` prints, which is of one machine. */
function common(page: string): string {
  return page.replace(/(?<=\$ npx pmem doctor\n)[^]*?(?=\$ npx pmem doctor)/, '')
}

test('the page of the command line is what its commands print', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/docs-cli.mjs'), '--print'], { encoding: 'utf8', maxBuffer: 1 << 26 })
  t.is(status, 0, stderr)
  t.is(common(stdout), common(readFileSync(join(root, 'docs/cli.md'), 'utf8')), 'npm run docs:cli makes it anew')
})
