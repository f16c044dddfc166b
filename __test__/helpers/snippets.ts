/**
 * The code of the documentation: found, compiled together, and run one by one.
 *
 * A snippet is a whole ES module. Where it has comments `// => text`, they are its output, line by line.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './programs.js'

export interface Snippet {
  /** Its file, relative to the checkout. */
  readonly file: string
  /** The line of the file on which its code begins. */
  readonly line: number
  readonly language: 'ts' | 'js'
  readonly code: string
  /** The compiler's `target`, where the fence names another than that of `tsc --init`: `ts target=es2022`. */
  readonly target?: string | undefined
}

export interface Ended {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

const LANGUAGES = new Map<string, Snippet['language']>([
  ['ts', 'ts'],
  ['typescript', 'ts'],
  ['js', 'js'],
  ['javascript', 'js'],
])

/** Every snippet of the README, of the pages in `docs/` and of the doc comments. */
export function findSnippets(): Snippet[] {
  const pages = ['README.md', ...filesBelow('docs', '.md')]
  const modules = ['index.ts', ...filesBelow('ts', '.ts')]
  const read = (file: string): string => readFileSync(join(root, file), 'utf8')
  return [
    ...pages.flatMap((file) => snippetsOfMarkdown(file, read(file))),
    ...modules.flatMap((file) => snippetsOfComments(file, read(file))),
  ]
}

/** The files of a folder of the checkout, and of all folders in it, relative to the checkout. */
export function filesBelow(folder: string, extension: string): string[] {
  if (!existsSync(join(root, folder))) return []
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith(extension)).map((name) => `${folder}/${name}`).toSorted()
}

/** The fenced snippets of a page, of which `firstLine` is the first line in `file`. */
export function snippetsOfMarkdown(file: string, text: string, firstLine = 1): Snippet[] {
  const snippets: Snippet[] = []
  const lines = text.split('\n')
  for (let start = 0; start < lines.length; start += 1) {
    const [, indent = '', fence, label = '', target] = /^(\s*)(`{3,}|~{3,})\s*(\w*)(?: target=(\w+))?/.exec(lines[start] ?? '') ?? []
    if (fence === undefined) continue
    const line = firstLine + start + 1
    const rest = lines.slice(start + 1)
    const closing = new RegExp(`^\\s*${fence}${fence[0]}*\\s*$`)
    const length = rest.findIndex((candidate) => closing.test(candidate))
    if (length === -1) throw new Error(`${file}:${line}: the fence is not closed`)
    const code = rest.slice(0, length).map((indented) => indented.replace(new RegExp(`^${indent}`), ''))
    const language = LANGUAGES.get(label)
    if (language) snippets.push({ file, line, language, code: code.join('\n'), ...(target && { target }) })
    start += length + 1
  }
  return snippets
}

/** The `@example` blocks of a module's doc comments, which end at the next tag or with the comment. */
export function snippetsOfComments(file: string, text: string): Snippet[] {
  const snippets: Snippet[] = []
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const firstLine = text.slice(0, comment.index).split('\n').length
    const lines = comment[0].replace(/\s*\*\/$/, '').split('\n').map((line) => line.replace(/^\s*\* ?/, ''))
    for (const [index, tag] of lines.entries()) {
      if (!/^@example\b/.test(tag)) continue
      const rest = lines.slice(index + 1)
      const length = rest.findIndex((line) => /^@\w/.test(line))
      const code = rest.slice(0, length === -1 ? rest.length : length).join('\n')
      const line = firstLine + index + 1
      const fenced = snippetsOfMarkdown(file, code, line)
      snippets.push(...(fenced.length ? fenced : [{ file, line, language: 'ts' as const, code }]))
    }
  }
  return snippets
}

/** Snippets compiled by one run of tsc, in a folder of the checkout, so that they import the package by its name. */
export class CompiledSnippets {
  readonly #folder: string
  readonly #errors: ReadonlyMap<string, string>

  private constructor(folder: string, errors: ReadonlyMap<string, string>) {
    this.#folder = folder
    this.#errors = errors
  }

  static async compile(snippets: readonly Snippet[]): Promise<CompiledSnippets> {
    const folder = mkdtempSync(join(root, 'build/snippets-'))
    mkdirSync(join(folder, 'source'))
    for (const snippet of snippets) {
      // As far down in its module as in its file: every message then has the line of the file.
      writeFileSync(join(folder, 'source', nameOf(snippet, 'source')), '\n'.repeat(snippet.line - 1) + snippet.code)
    }
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    await run([tsc, '--init'], folder)
    const compile = (...args: string[]) => run([tsc, '--pretty', 'false', '--project', folder, ...OPTIONS, ...args], folder)
    const { ok, stdout, stderr } = await compile()
    const targets = new Set(snippets.flatMap(({ target }) => target ?? []))
    for (const target of targets) await compile('--target', target, '--outDir', target)
    const errors = new Map(snippets.map((snippet) => [nameOf(snippet, 'source'), errorsOf(snippet, stdout)]))
    if (!ok && [...errors.values()].every((text) => text === '')) throw new Error(`tsc failed: ${stdout}${stderr}`)
    return new CompiledSnippets(folder, errors)
  }

  /** What the compiler says of a snippet; empty where it is right. */
  errors(snippet: Snippet): string {
    return this.#errors.get(nameOf(snippet, 'source')) ?? `${snippet.file} was not compiled`
  }

  /** Runs a snippet in a process of its own. */
  async run(snippet: Snippet, cwd: string): Promise<Ended> {
    const output = join(this.#folder, snippet.target ?? 'output')
    const ended = await run(['--enable-source-maps', join(output, nameOf(snippet, 'output'))], cwd)
    const source = join(this.#folder, 'source', nameOf(snippet, 'source'))
    const stderr = ended.stderr.replaceAll(`file://${source}`, snippet.file).replaceAll(source, snippet.file)
    return { ...ended, stderr }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** What the snippet says it prints; undefined where it says nothing. */
export function documentedOutput(snippet: Snippet): string | undefined {
  const lines = [...snippet.code.matchAll(/\/\/ => (.*)$/gm)].map((match) => `${match[1]}\n`)
  return lines.length ? lines.join('') : undefined
}

/** Runs Node.js to its end, at most a minute. */
export function run(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env: { ...process.env, ...env }, timeout: 60_000 }
    const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ ok: code === 0, stdout, stderr: signal ? `${stderr}ended by ${signal}` : stderr })
    })
  })
}

/** Beside what `tsc --init` makes the default, as users have it. */
const OPTIONS = ['--rootDir', 'source', '--outDir', 'output', '--allowJs', '--checkJs', '--sourceMap', 'false', '--inlineSourceMap']

function nameOf({ file, line, language }: Snippet, side: 'source' | 'output'): string {
  const extension = side === 'output' || language === 'js' ? 'mjs' : 'mts'
  return `${file.replaceAll('/', '_')}.${line}.${extension}`
}

/** The compiler's messages on one snippet, each with the lines that belong to it, under the snippet's own file. */
function errorsOf(snippet: Snippet, output: string): string {
  const name = `source/${nameOf(snippet, 'source')}`
  const messages = output.split(/\n(?=\S)/).filter((message) => message.startsWith(`${name}(`))
  return messages.map((message) => message.replace(/^.*?\((\d+),(\d+)\)/, `${snippet.file}:$1:$2`)).join('\n')
}
