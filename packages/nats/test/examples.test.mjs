import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { service } from '../examples/outbox.mjs'
import { connectTo, needsServer, newFolder, startServer } from './helpers/server.mjs'
import { managerOf, messagesOf, until } from './helpers/streams.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The programs of a page, each with the lines that it says it prints. */
function programsIn(page) {
  const blocks = readFileSync(join(root, page), 'utf8').matchAll(/^```js\n(.*?)^```/gms)
  return Array.from(blocks, ([, program]) => ({ program, expected: Array.from(program.matchAll(/\/\/ => (.*)$/gm), ([, line]) => line) }))
}

/** What a program prints in a folder where the packages are installed, and the server is at this port. */
async function run(program, port) {
  const folder = newFolder()
  mkdirSync(join(folder, 'node_modules'))
  for (const name of ['pmem', '@nats-io']) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  symlinkSync(root, join(folder, 'node_modules/pmem-nats'))
  writeFileSync(join(folder, 'program.mjs'), program.replaceAll('127.0.0.1:4222', `127.0.0.1:${port}`))
  const child = spawn(process.execPath, ['program.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  assert.equal(code, 0)
  return output.trimEnd().split('\n')
}

test('the programs of the README print what they say', needsServer, async (t) => {
  const programs = programsIn('README.md')
  assert.equal(programs.length, 2)
  for (const { program, expected } of programs) {
    const { port } = await startServer(t, newFolder())
    assert.deepEqual(await run(program, port), expected)
  }
})

test('the outbox answers while no server is there, and ships in order, each message once', needsServer, async (t) => {
  const folder = newFolder()
  const server = await startServer(t, folder)
  const { port, close } = await service(join(folder, 'outbox'), 0, [`127.0.0.1:${server.port}`])
  t.after(close)
  const post = async (body) => (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body })).text()
  assert.equal(await post('one'), '0')
  const connection = await connectTo(t, server)
  const manager = await managerOf(connection)
  const count = async () => (await manager.streams.info('outbox')).state.messages
  await until(async () => (await count()) === 1)
  await server.kill()
  assert.equal(await post('two'), '1')
  assert.equal(await post('three'), '2')
  server.start()
  await until(async () => (await count()) === 3)
  assert.deepEqual((await messagesOf(connection, undefined, 'outbox')).map((message) => message.text), ['one', 'two', 'three'])
})
