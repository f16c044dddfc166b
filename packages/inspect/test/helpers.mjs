import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
export const { inspect } = require('pmem-inspect')
export const { journal, objects, pmemblk, pmemlog } = require('pmem')

export const here = fileURLToPath(new URL('..', import.meta.url))

/** A folder that is gone once the test is over. */
export function folder(t) {
  const path = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-inspect-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** An inspector of a file, which is closed once the test is over. */
export async function inspected(t, path) {
  const inspector = await inspect(path)
  t.after(() => inspector.close())
  return inspector
}

/** What a server answers to a request, sent as it is. */
export function answered(address, path = '', { method = 'GET', headers = {} } = {}) {
  const { hostname, port, pathname } = new URL(address)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: path.startsWith('/') ? path : pathname + path, method, headers }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** What is asked, as the page asks it. */
export async function asked(address, question) {
  const { status, body } = await answered(address, question)
  return { status, answer: JSON.parse(body) }
}

/** The events of a stream, of which it waits for the next one; `close` leaves. */
export async function events(address, question) {
  const leave = new AbortController()
  const { body } = await fetch(address + question, { signal: leave.signal })
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    close: () => leave.abort(),
    async next() {
      while (!text.includes('\n\n')) {
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
      const end = text.indexOf('\n\n')
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end))
      text = text.slice(end + 2)
      return { event, data: JSON.parse(data) }
    },
  }
}

/** All events of a stream that ends. */
export async function allEvents(address, question) {
  const stream = await events(address, question)
  const all = []
  for (let next = await stream.next(); next; next = await stream.next()) all.push(next)
  return all
}

/** Starts `pmem inspect`, as a user of both packages does. */
export function started(t, ...args) {
  return startedAs(t, undefined, ...args)
}

/** The same, as the user of an id. */
export function startedAs(t, uid, ...args) {
  const project = folder(t)
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(here, join(project, 'node_modules/pmem-inspect'))
  chmodSync(project, 0o755)
  const main = require.resolve('pmem/package.json').replace('package.json', 'dist/ts/cli/main.js')
  return programmed(t, [main, 'inspect', ...args], { cwd: project, uid })
}

/** Starts a program of `pmem`, which runs until it is killed or ends. */
export function writing(t, code) {
  return programmed(t, ['-e', `const { journal, objects, pmemblk, pmemlog } = require('pmem'); ${code}`], { cwd: here })
}

function programmed(t, args, options) {
  const child = spawn(process.execPath, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  child.ended = new Promise((resolve) => {
    let errors = ''
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.on('close', (status, signal) => resolve({ status, signal, errors }))
  })
  return child
}

/** The first line that a program prints. */
export function line(child) {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (text.includes('\n')) resolve(text.split('\n')[0])
    })
    void child.ended.then(({ errors }) => reject(new Error(`it has ended: ${errors}`)))
  })
}

/** Waits until something holds. */
export async function until(holds, what) {
  const end = Date.now() + 20_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it was waited for in vain that ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** All that a file, or the files of a folder, are: names, bytes and times. */
export function stateOf(path) {
  const { mtimeMs, mode } = statSync(path)
  if (statSync(path).isDirectory()) return { mtimeMs, mode, files: readdirSync(path).map((name) => [name, stateOf(join(path, name))]) }
  return { mtimeMs, mode, hash: createHash('sha256').update(readFileSync(path)).digest('hex') }
}
