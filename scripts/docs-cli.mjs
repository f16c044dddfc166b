// npm run docs:cli [-- --print]: writes docs/cli.md, or prints it: the help of all commands, and what their examples print here,
// run one after the other. What differs from run to run is made the same; what `doctor` and `bench` print is this machine's.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './lib/run.mjs'

const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-docs-'))
const cli = join(root, 'dist/ts/cli/main.js')

/** What the examples begin with. */
const BEGINNING = [
  'journal append events zero',
  'journal append events one',
  'journal append events two',
  `objects import app.store < start.json`,
]
const START = { visits: 6, users: { $map: [['ada', { name: 'Ada', visits: 3 }]] }, tags: ['a', 'b'] }

/** What is this machine's alone, and what never ends. */
const isShown = (example) => !/-f\b|^doctor \S|^bench|^inspect/.test(example)

function sh(command) {
  const line = `pmem() { '${process.execPath}' '${cli}' "$@"; }; pmem ${command}`
  const { stdout, stderr } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' })
  return stdout + stderr
}

/** The words of all commands. */
function commands() {
  return [...sh('--help').matchAll(/^ {2}((?:[a-z]+ ?)+?)(?= [A-Z[]|  )/gm)].map(([, name]) => name.trim())
}

/** Text that is the same in each run. */
function same(text) {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z/g, '2026-01-31T12:00:00.000Z')
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '01234567-89ab-cdef-0123-456789abcdef')
    .replaceAll(/^(\s*)allocated .*\n/gm, '')
    .replaceAll(/^(\s*engine\s+)\w+$/gm, '$1rust')
    .replaceAll(/"allocated":\d+,/g, '')
    .replaceAll(folder, '/var/lib/app')
}

function section(name) {
  const help = sh(`${name} --help`)
  const examples = [...help.slice(help.indexOf('\nExample')).matchAll(/^ {2}npx pmem (.*)$/gm)].map(([, example]) => example)
  const [summary, ...rest] = help.slice(0, help.indexOf('\nExample')).trimEnd().split('\n')
  const runs = examples.map((example) => `$ npx pmem ${example}\n${isShown(example) ? same(sh(example)) : ''}`)
  return `## ${name}\n\n${summary}.\n\n\`\`\`text${rest.join('\n')}\n\`\`\`\n\n\`\`\`console\n${runs.join('').trimEnd()}\n\`\`\`\n`
}

function page() {
  writeFileSync(join(folder, 'start.json'), JSON.stringify(START))
  writeFileSync(join(folder, 'app.json'), JSON.stringify({ visits: 1 }))
  writeFileSync(join(folder, 'part.txt'), 'one\ntwo\nthree\n')
  writeFileSync(join(folder, 'records.jsonl'), '{"text":"from a line"}\n')
  for (const command of BEGINNING) sh(command)
  const intro = `# The command line

\`npx pmem\` shows, checks, follows and changes files from a shell. \`info\`, \`check\` and all that prints needs no permission to write, and
changes nothing. Paths may be relative. Made by \`npm run docs:cli\`, which runs every example.

Exit status: 0 where it did what it was asked for, 1 where that failed or where \`check\` found damage, 2 where it was called wrongly, or
\`check\` could not tell. What is printed is on the standard output; what is wrong, in one line, on the standard error. There are colours on
a terminal alone, and none with \`NO_COLOR\`.

\`inspect\` shows them in a browser, which [pmem-inspect](../packages/inspect/README.md) does:

![The tree of a store, and a value of it](images/inspect-store.png)

`
  return intro + commands().map(section).join('\n')
}

try {
  const text = page()
  if (process.argv.includes('--print')) process.stdout.write(text)
  else writeFileSync(join(root, 'docs/cli.md'), text)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
