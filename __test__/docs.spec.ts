import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmemblk, pmemlog } from 'pmem'
import { file, folder } from './helpers/files.js'
import { root } from './helpers/programs.js'
import {
  CompiledSnippets,
  type Ended,
  type Snippet,
  documentedOutput,
  findSnippets,
  run,
  snippetsOfComments,
  snippetsOfMarkdown,
} from './helpers/snippets.js'

const snippets = findSnippets()
let compiled: CompiledSnippets

test.before(async () => {
  compiled = await CompiledSnippets.compile(snippets)
})

test.after.always(() => {
  compiled?.remove()
})

for (const snippet of snippets) {
  test(`${snippet.file}:${snippet.line}`, async (t) => {
    t.is(compiled.errors(snippet), '')
    const ended = await compiled.run(snippet, folder(t))
    if (!capabilities.externalBuffers && needsExternalBuffers(snippet)) {
      t.false(ended.ok)
      t.regex(ended.stderr, /code: 'ERR_PMEM_UNSUPPORTED'/)
      return
    }
    t.true(ended.ok, ended.stderr)
    const expected = documentedOutput(snippet)
    if (expected !== undefined) t.is(ended.stdout, expected)
  })
}

/**
 * Whether a snippet uses what a runtime without external buffers refuses, for regions that are no multiple of 64 KiB, or that
 * grow once they have a memory.
 */
function needsExternalBuffers({ code }: Snippet): boolean {
  return /region\.buffer\b|'external'|region\.view[^]*region\.grow/.test(code) && !/'wasm'|shared: true/.test(code)
}

test('snippets are found where they stand', (t) => {
  const page = ['# Page', '```ts', 'one', '', '  two', '```', '```sh', 'npm', '```', '- item', '  ````js', '  ```', ' `````', '```ts target=es2022', 'three', '```']
  t.deepEqual(snippetsOfMarkdown('a.md', page.join('\n')), [
    { file: 'a.md', line: 3, language: 'ts', code: 'one\n\n  two' },
    { file: 'a.md', line: 12, language: 'js', code: '```' },
    { file: 'a.md', line: 15, language: 'ts', code: 'three', target: 'es2022' },
  ])
  t.throws(() => snippetsOfMarkdown('a.md', '```ts\none'), { message: /a\.md:2/ })

  const module = ['', '/**', ' * Text.', ' *', ' * @example', ' * one', ' *   two', ' *', ' * @throws x', ' */', '/** */']
  const fenced = ['  /**', '   * @example', '   * ```js', '   * three', '   * ```', '   */']
  t.deepEqual(snippetsOfComments('a.ts', [...module, ...fenced].join('\n')), [
    { file: 'a.ts', line: 6, language: 'ts', code: 'one\n  two\n' },
    { file: 'a.ts', line: 15, language: 'js', code: 'three' },
  ])

  const files = new Set(snippets.map((snippet) => snippet.file))
  t.true(files.has('README.md') && files.has('ts/region/region.ts'))
})

test('a wrong snippet is reported with its line', async (t) => {
  const snippet = (line: number, code: string): Snippet => ({ file: 'docs/a.md', line, language: 'ts', code })
  const mistyped = snippet(10, "import { pmem } from 'pmem'\n\npmem.map(true)")
  const throwing = snippet(20, "import { pmem } from 'pmem'\n\npmem.map('missing')")
  const right = snippet(30, 'console.log(1) // => 1\nconsole.log(2)\n// => 2')
  const checked = await CompiledSnippets.compile([mistyped, throwing, right])
  try {
    t.regex(checked.errors(mistyped), /^docs\/a\.md:12:10: error TS/)
    t.is(checked.errors(throwing), '')
    const thrown = await checked.run(throwing, folder(t))
    t.false(thrown.ok)
    t.regex(thrown.stderr, /docs\/a\.md:22/)
    t.regex(thrown.stderr, /ENOENT/)
    t.is((await checked.run(right, folder(t))).stdout, '1\n2\n')
    t.is(documentedOutput(right), '1\n2\n')
    t.is(documentedOutput(throwing), undefined)
  } finally {
    checked.remove()
  }
})

test('the README is short', (t) => {
  t.true(readFileSync(join(root, 'README.md'), 'utf8').trimEnd().split('\n').length <= 150)
})

test('adapters.md has the programs that the pages of the adapters have, which their own tests run', (t) => {
  const read = (path: string) => readFileSync(join(root, path), 'utf8')
  const programs = Array.from(read('docs/adapters.md').matchAll(/^```mjs\n(.*?)^```$/gms), ([, code]) => code ?? '')
  const pages = ['level', 'keyv'].map((name) => read(`packages/${name}/README.md`))
  t.true(programs.length > 0)
  t.deepEqual(programs.filter((code) => !pages.some((page) => page.includes(`\`\`\`js\n${code}\`\`\``))), [])
})

test('the page on guarantees names every error code', (t) => {
  const read = (path: string) => readFileSync(join(root, path), 'utf8')
  const codes = new Set(`${read('ts/shared/errors.ts')}${read('crates/pmem/src/error.rs')}`.match(/\bERR_\w+/g))
  const page = read('docs/guarantees.md')
  t.deepEqual([...codes].filter((code) => !page.includes(`\`${code}\``)), [])
})

function runMain(t: ExecutionContext, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ended> {
  return run([join(root, 'build/examples/main.js'), ...args], folder(t), env)
}

function isMainOutput({ stdout }: Ended): boolean {
  const [written, found] = stdout.split('The region again')
  const numbers = ['0, 1, 4, 9, 16, 25, 36, 49', '1, 0.5, 0.25, 0.125, 0.0625']
  const [, writer] = /written by process (\d+)"/.exec(written ?? '') ?? []
  const [, text] = /text: "(.*)"/.exec(found ?? '') ?? []
  const pools = ['the last: "persistent logging!', '"persistent block!'].map((own) => `${own} written by process ${writer}"`)
  const again = found?.slice(found.indexOf('The log again')) ?? ''
  return Boolean(
    writer &&
      text === `Hello from persistent memory, written by process ${writer}` &&
      numbers.every((line) => found?.includes(line)) &&
      pools.every((line) => again.includes(line)) &&
      /its engine is (pmdk|rust)/.test(written ?? '') &&
      stdout.endsWith('\nEverything is there.\n'),
  )
}

test('the main example keeps its data in the file that it is given, and takes it again', async (t) => {
  const path = join(folder(t), 'given')
  const [first, second] = [await runMain(t, [path]), await runMain(t, [path])]
  for (const ended of [first, second]) {
    t.true(ended.ok, ended.stderr)
    t.true(isMainOutput(ended), ended.stdout)
    t.true(ended.stdout.includes(`4096 bytes of ${path}`))
  }
  t.regex(first.stdout, /it is empty[^]*block 20 is zeros[^]* 1 entry, /)
  t.regex(second.stdout, /bytes from earlier runs[^]*block 20 holds "persistent block![^]* 2 entries, /)
  t.true(pmemlog.check(`${path}.log`))
  t.true(pmemblk.check(`${path}.blk`, 256))
  const bytes = readFileSync(path)
  t.is(bytes.length, 4096)
  t.true(bytes.toString().startsWith('Hello from persistent memory, written by process '))
  t.is(bytes.readInt32LE(1024 + 4 * 7), 49)
  t.is(bytes.readDoubleLE(2048 + 8 * 4), 0.0625)
})

test('the main example leaves no temporary file behind', async (t) => {
  const temporary = folder(t)
  const ended = await runMain(t, [], { TMPDIR: temporary })
  t.true(ended.ok, ended.stderr)
  t.true(isMainOutput(ended), ended.stdout)
  t.deepEqual(readdirSync(temporary), [])
})

test('the main example says on what it works', async (t) => {
  const forced = await runMain(t, [file(t)], { PMEM_IS_PMEM_FORCE: '1' })
  t.regex(forced.stdout, /persistent memory \(PMEM_IS_PMEM_FORCE says so\)/)
  t.true(isMainOutput(forced), forced.stdout)
  const cached = await runMain(t, [file(t)], { PMEM_IS_PMEM_FORCE: '0' })
  t.regex(cached.stdout, /page cache: persist is an msync/)
  t.true(isMainOutput(cached), cached.stdout)
})

test('the main example works without external buffers', async (t) => {
  const ended = await runMain(t, [file(t)], { PMEM_NO_EXTERNAL_BUFFERS: '1' })
  t.true(ended.ok, ended.stderr)
  t.true(isMainOutput(ended), ended.stdout)
})

test('the main example changes no file that is not its own', async (t) => {
  const letter = file(t, 'Dear reader')
  const refused = await runMain(t, [letter])
  t.false(refused.ok)
  t.true(refused.stderr.startsWith(`${letter} holds something else`), refused.stderr)
  t.is(readFileSync(letter, 'utf8'), 'Dear reader')

  const long = file(t, 10_000)
  t.regex((await runMain(t, [long])).stderr, /"length" is out of range/)
  t.is(readFileSync(long).length, 10_000)

  const path = join(folder(t), 'other')
  const log = pmemlog.create(`${path}.log`)
  log.append('Dear reader')
  log.close()
  t.true((await runMain(t, [path])).stderr.startsWith(`${path}.log holds something else`))
  t.is(readFileSync(`${path}.log`).toString('utf8', 8192, 8203), 'Dear reader')
  t.false(existsSync(`${path}.blk`))
})

test('the main example says what is wrong with a path', async (t) => {
  t.regex((await runMain(t, [folder(t)])).stderr, /^EISDIR: /)
  t.regex((await runMain(t, [join(folder(t), 'missing/file')])).stderr, /^ENOENT: /)
})

test('the second process of the main example notices what is missing', async (t) => {
  const ended = await runMain(t, ['--read', file(t)])
  t.false(ended.ok)
  t.regex(ended.stderr, /the text at byte 0 is missing/)
})
