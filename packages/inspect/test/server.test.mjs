/** Who is answered, and what: without a browser. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { allEvents, answered, asked, events, folder, inspect, inspected, line, objects, started, startedAs, stateOf, until, writing } from './helpers.mjs'
import { sampleBlocks, sampleJournal, sampleLog, sampleStore } from './samples.mjs'

const entriesOf = async (address, of, from, count = 200) => (await asked(address, `entries?of=${of}&from=${from}&count=${count}`)).answer.entries
const rootOf = async (address) => (await asked(address, 'root')).answer.root

/** The containers in the root, by name. */
async function containers(address) {
  const entries = await entriesOf(address, (await rootOf(address)).of, 0)
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
}

test('only whoever has the token is answered', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/[\da-f]{32}\/$/)
  assert.equal((await answered(address)).status, 200)
  const { pathname } = new URL(address)
  for (const path of ['/', '/info', '/favicon.ico', `${pathname.slice(0, -2)}/info`, `${pathname.slice(0, -1)}0/info`, `//${pathname}`, `/${'0'.repeat(32)}/info`]) {
    const { status, body } = await answered(address, path)
    assert.equal(status, 403, path)
    assert.match(body.toString(), /Open the address/)
  }
  assert.notEqual((await inspected(t, sampleLog(folder(t)))).address.split('/')[3], pathname.split('/')[1])
})

test('no other origin is answered, and none under another name', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  const { host, origin } = new URL(address)
  const statusOf = async (headers) => (await answered(address, 'info', { headers })).status
  assert.equal(await statusOf({ host, origin }), 200)
  for (const headers of [{ host: 'localhost' }, { host: 'evil.example' }, { host: 'evil.example:80' }, { origin: 'http://evil.example' }, { origin: 'null' }, { origin: origin.replace('http', 'https') }]) {
    assert.equal(await statusOf(headers), 403, JSON.stringify(headers))
  }
})

test('there is no method but GET, and no path but those that are known', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) assert.equal((await answered(address, 'info', { method })).status, 405, method)
  const { pathname } = new URL(address)
  for (const path of ['../../../etc/passwd', '..%2f..%2fetc%2fpasswd', '%2e%2e/%2e%2e/etc/passwd', 'page.html', 'constructor', '__proto__', 'toString', 'info/x', 'root']) {
    const { status, body } = await answered(address, pathname + path)
    assert.ok(status === 404 || status === 403, `${path}: ${status}`)
    assert.ok(body.length < 100)
  }
})

test('what is asked wrongly is said', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  for (const [question, message] of [['bytes', 'from is missing'], ['bytes?from=x&count=1', "from is a whole number, not 'x'"], ['bytes?from=0&count=-1', "count is a whole number, not '-1'"], ['bytes?from=1e999&count=1', "from is a whole number, not '1e999'"]]) {
    assert.deepEqual(await asked(address, question), { status: 400, answer: { message } })
  }
})

test('it is on 127.0.0.1 alone', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  const others = Object.values(networkInterfaces()).flat().filter(({ family, internal }) => family === 'IPv4' && !internal)
  for (const { address: other } of others) await assert.rejects(answered(address.replace('127.0.0.1', other), 'info'), { code: 'ECONNREFUSED' })
})

test('the page has all that it needs in it, and may do no more', async (t) => {
  const { address } = await inspected(t, sampleLog(folder(t)))
  const { headers, body } = await answered(address)
  const html = body.toString()
  const policy = headers['content-security-policy']
  const hashes = ['script', 'style'].map((name) => createHash('sha256').update(new RegExp(`<${name}[^>]*>([^]*)</${name}>`).exec(html)[1]).digest('base64'))
  assert.equal(policy, `default-src 'none'; script-src 'sha256-${hashes[0]}'; style-src 'sha256-${hashes[1]}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`)
  assert.ok(!/\bsrc=|https?:/.test(html))
  assert.equal(headers['referrer-policy'], 'no-referrer')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['cache-control'], 'no-store')
})

test('a store is answered entry by entry, also instances of classes that nobody knows', async (t) => {
  const { address } = await inspected(t, sampleStore(folder(t)))
  const { users, list, set, sorted, itself } = await containers(address)
  assert.equal(itself.of, (await rootOf(address)).of)
  const [ada, bob] = await entriesOf(address, users.of, 0)
  assert.deepEqual([ada.key, ada.step, ada.value.text, ada.value.size], ["'ada'", ".get('ada')", "User { name: 'Ada', visits: 3 }", 2])
  assert.deepEqual([bob.key, bob.step, bob.value.text], ['7n', '.get(7n)', "Object { name: 'Bob', tags: {} }"])
  assert.deepEqual((await entriesOf(address, list.of, 0)).map(({ value }) => [value.text, value.type]), [
    ['undefined', 'undefined'],
    ['null', 'null'],
    ['true', 'boolean'],
    ['-0', 'number'],
    ['12n', 'bigint'],
    ["'text'", 'string'],
    ['1970-01-01T00:00:00.000Z', 'Date'],
    ['Uint8Array(3) [ 1, 2, 255 ]', 'Uint8Array'],
  ])
  assert.deepEqual((await entriesOf(address, set.of, 0)).map(({ key, value }) => [key, value.text]), [[undefined, "'needle in a set'"], [undefined, '5']])
  assert.deepEqual((await entriesOf(address, sorted.of, 0)).map(({ key, value }) => [key, value.text]), [["[ 'open', 1 ]", "'first'"], ["[ 'open', 2 ]", "'second'"]])
})

test('entries are found by their places, whatever is gone before them', async (t) => {
  const { address } = await inspected(t, sampleStore(folder(t)))
  const { holes, dictionary } = await containers(address)
  assert.deepEqual([holes.size, dictionary.size], [2500, 3000])
  for (const from of [2498, 0, 999, 1000, 1001, 2000]) {
    assert.deepEqual((await entriesOf(address, holes.of, from, 2)).map(({ key }) => Number(key)), [2 * from + 1, 2 * from + 3], `${from}`)
    assert.deepEqual((await entriesOf(address, dictionary.of, from, 2)).map(({ key }) => key), [`field ${from}`, `field ${from + 1}`], `${from}`)
  }
  assert.equal((await entriesOf(address, holes.of, 2499, 2)).length, 1)
  assert.deepEqual(await entriesOf(address, holes.of, 2500), [])
  assert.deepEqual(await entriesOf(address, holes.of, 10_000_000), [])
  const many = await Promise.all([2400, 3, 1500].map((from) => entriesOf(address, holes.of, from, 1)))
  assert.deepEqual(many.map(([{ key }]) => Number(key)), [4801, 7, 3001])
})

test('all of a value is answered', async (t) => {
  const { address } = await inspected(t, sampleStore(folder(t)))
  const root = await rootOf(address)
  const index = (await entriesOf(address, root.of, 0)).findIndex(({ key }) => key === 'long')
  assert.equal((await asked(address, `value?of=${root.of}&from=${index}`)).answer.text, 'long '.repeat(1000))
  const { list } = await containers(address)
  assert.equal((await asked(address, `value?of=${list.of}&from=7`)).answer.base64, 'AQL/')
})

test('search finds keys and values, passes everything once, and ends', async (t) => {
  const { address } = await inspected(t, sampleStore(folder(t)))
  const find = async (text) => (await allEvents(address, `search?text=${encodeURIComponent(text)}`)).map(({ data }) => data)
  const root = await entriesOf(address, (await rootOf(address)).of, 0)
  const placeOf = (name) => root.findIndex(({ key }) => key === name)
  const places = (found) => found.filter((one) => one.places).map((one) => one.places)
  assert.deepEqual(places(await find('NEEDLE')), [[placeOf('set'), 0]])
  assert.deepEqual(places(await find('field 2999')), [[placeOf('dictionary'), 2999]])
  assert.deepEqual(places(await find('value 4999')), [[placeOf('holes'), 2499]])
  assert.deepEqual(places(await find('second')), [[placeOf('sorted'), 1]])
  assert.deepEqual(places(await find('bob')), [[placeOf('users'), 1, 0]])
  // Places in an array or a set are no keys.
  assert.deepEqual(places(await find('5')).filter(([first]) => first === placeOf('list') || first === placeOf('set')), [[placeOf('set'), 1]])
  const nothing = await find('nowhere at all')
  assert.deepEqual(nothing.at(-2), { passed: nothing.at(-2).passed, isAll: true })
  // No more finds than anybody looks at.
  const many = await find('value')
  assert.equal(places(many).length, 200)
  assert.ok(many.every(({ isAll }) => isAll !== true))
})

test('a store is not kept from its writer once nobody asks, and is read anew after it', async (t) => {
  const path = sampleStore(folder(t))
  const { address } = await inspected(t, path)
  assert.equal((await rootOf(address)).size, 8)
  const before = (await asked(address, 'root')).answer.commits
  const { holes } = await containers(address)
  const keyAt = async (place) => (await entriesOf(address, holes.of, place, 1))[0].key
  assert.equal(await keyAt(2000), '4001')
  const write = writing(t, `
    const attempt = () => {
      try {
        const store = objects.open(${JSON.stringify(path)})
        store.root.more = 1
        for (let key = 1; key < 200; key += 2) store.root.holes.delete(key)
        store.close()
        console.log('written')
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error
        setTimeout(attempt, 50)
      }
    }
    attempt()`)
  assert.equal(await line(write), 'written')
  assert.equal((await rootOf(address)).size, 9)
  assert.ok((await asked(address, 'root')).answer.commits > before)
  assert.equal(await keyAt(2000), '4201')
})

test('beside the writer of a store, the page says what is wrong, and later it works', async (t) => {
  const path = sampleStore(folder(t))
  const writer = writing(t, `const store = objects.open(${JSON.stringify(path)}); console.log('open'); process.stdin.resume()`)
  await line(writer)
  const { address } = await inspected(t, path)
  const { status, answer } = await asked(address, 'root')
  assert.deepEqual([status, answer.code], [500, 'EAGAIN'])
  const [{ event, data }] = await allEvents(address, 'search?text=x')
  assert.deepEqual([event, data.code], ['failed', 'EAGAIN'])
  assert.equal((await asked(address, 'info')).answer.known.locked, true)
  writer.kill('SIGKILL')
  await writer.ended
  assert.equal((await rootOf(address)).size, 8)
})

test('a journal is followed beside its writer', async (t) => {
  const path = sampleJournal(folder(t))
  const { address } = await inspected(t, path)
  const stream = await events(address, 'follow')
  assert.deepEqual(await stream.next(), { event: 'next', data: { first: 0, next: 3 } })
  const writer = writing(t, `const events = journal.open(${JSON.stringify(path)}); events.append('three'); console.log('appended'); process.stdin.resume()`)
  await line(writer)
  assert.deepEqual((await stream.next()).data, { first: 0, next: 4 })
  stream.close()
  const { answer } = await asked(address, 'records?from=0&count=100')
  assert.deepEqual(answer.map(({ sequence, text, base64 }) => [sequence, text ?? base64]), [[0, 'zero'], [1, 'one'], [2, 'AP8='], [3, 'three']])
  assert.equal((await asked(address, 'record?sequence=1')).answer.text, 'one')
  assert.equal((await asked(address, 'record?sequence=99')).answer, null)
})

test('the time axis leads to records', async (t) => {
  const path = sampleJournal(folder(t), ['first'])
  const { address } = await inspected(t, path)
  assert.deepEqual((await asked(address, 'axis')).answer.starts, [0])
  const writer = writing(t, `
    const events = journal.open(${JSON.stringify(path)})
    const end = Date.now() + 300
    while (Date.now() < end) events.append('more')
    console.log(events.next)`)
  const next = Number(await line(writer))
  await writer.ended
  const { answer } = await asked(address, 'axis')
  assert.equal(answer.next, next)
  assert.equal(answer.starts.length, 120)
  assert.deepEqual(answer.starts, answer.starts.toSorted((a, b) => a - b))
  const middle = (answer.from + answer.to) / 2
  const at = async (sequence) => (await asked(address, `record?sequence=${sequence}`)).answer.time
  assert.ok((await at(answer.starts[60])) >= Math.floor(middle) && (await at(answer.starts[60] - 1)) < middle + 1)
})

test('a log is followed beside its writer', async (t) => {
  const path = sampleLog(folder(t))
  const { address } = await inspected(t, path)
  const stream = await events(address, 'follow')
  assert.deepEqual((await stream.next()).data, { next: 9 })
  const writer = writing(t, `const log = pmemlog.open(${JSON.stringify(path)}); log.append(', two'); console.log('appended'); process.stdin.resume()`)
  await line(writer)
  assert.deepEqual((await stream.next()).data, { next: 14 })
  assert.equal((await answered(address, 'bytes?from=4&count=100')).body.toString(), ', one, two')
  assert.equal((await answered(address, 'bytes?from=100&count=100')).body.length, 0)
  stream.close()
})

test('a log can be emptied once nobody follows it', async (t) => {
  const path = sampleLog(folder(t))
  const { address } = await inspected(t, path)
  const stream = await events(address, 'follow')
  await stream.next()
  stream.close()
  const write = writing(t, `
    const log = pmemlog.open(${JSON.stringify(path)})
    const attempt = () => {
      try {
        log.rewind()
        console.log('empty')
        log.close()
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error
        setTimeout(attempt, 20)
      }
    }
    attempt()`)
  assert.equal(await line(write), 'empty')
  assert.deepEqual((await asked(address, 'state')).answer, { next: 0 })
})

test('blocks have states and bytes', async (t) => {
  const { address } = await inspected(t, sampleBlocks(folder(t)))
  const { answer } = await asked(address, 'state')
  assert.equal(answer.blockSize, 512)
  const marks = (await answered(address, 'marks?from=0&count=5000')).body.toString()
  assert.equal(marks.length, Math.min(4096, answer.next))
  assert.equal(marks.slice(0, 5), '.#.!.')
  assert.equal((await answered(address, `marks?from=${answer.next - 1}&count=9`)).body.toString(), '.')
  assert.equal((await answered(address, `marks?from=${answer.next + 1}&count=9`)).body.toString(), '')
  assert.equal((await answered(address, 'block?index=1&from=0&count=9')).body.toString(), 'block one')
  assert.equal((await asked(address, 'block?index=3&from=0&count=9')).answer.code, 'EIO')
})

test('nothing of what is shown is changed', async (t) => {
  const here = folder(t)
  const questions = {
    [sampleStore(here)]: ['info', 'root', 'entries?of=5.1&from=0&count=9', 'search?text=a', 'raw?from=0&count=9'],
    [sampleJournal(here)]: ['info', 'state', 'records?from=0&count=9', 'axis', 'record?sequence=0'],
    [sampleLog(here)]: ['info', 'state', 'bytes?from=0&count=9'],
    [sampleBlocks(here)]: ['info', 'state', 'marks?from=0&count=9', 'block?index=1&from=0&count=9'],
  }
  const before = stateOf(here)
  for (const [path, those] of Object.entries(questions)) {
    const inspector = await inspect(path)
    for (const question of those) await answered(inspector.address, question)
    if (!path.endsWith('blk') && !path.endsWith('store')) (await events(inspector.address, 'follow')).close()
    await inspector.close()
  }
  assert.deepEqual(stateOf(here), before)
})

test('any other file has bytes, and so has one that is damaged, empty or cut off', async (t) => {
  const here = folder(t)
  const write = (name, bytes) => (writeFileSync(join(here, name), bytes), join(here, name))
  const damaged = (path) => {
    const bytes = readFileSync(path)
    bytes.fill(0xff, 8, 8192)
    writeFileSync(path, bytes)
    return path
  }
  const cut = (path) => (truncateSync(path, 5000), path)
  const files = [
    [write('foreign', 'some text'), 'bytes', undefined],
    [write('empty', ''), 'bytes', undefined],
    [write('pool', 'PMEMOBJ\0'), 'pool', undefined],
    [damaged(sampleLog(folder(t))), 'log', 'state'],
    [damaged(sampleBlocks(folder(t))), 'blocks', 'state'],
    [damaged(sampleStore(folder(t))), 'store', 'root'],
    [cut(sampleLog(folder(t))), 'log', 'state'],
    [cut(sampleBlocks(folder(t))), 'blocks', 'state'],
    [cut(sampleStore(folder(t))), 'store', 'root'],
  ]
  for (const [path, kind, question] of files) {
    const { address } = await inspected(t, path)
    const { status, answer } = await asked(address, 'info')
    assert.deepEqual([status, answer.kind, answer.known.problem !== undefined], [200, kind, question !== undefined], path)
    if (question) assert.equal((await asked(address, question)).status, 500, path)
    const bytes = readFileSync(path)
    assert.deepEqual((await asked(address, 'rawState')).answer, { next: bytes.length })
    assert.deepEqual((await answered(address, 'raw?from=2&count=70000')).body, bytes.subarray(2, 2 + 65536))
  }
})

test('a damaged record is passed over', async (t) => {
  const path = sampleJournal(folder(t), ['zero', 'damage here', 'two'])
  const segment = join(path, `${'0'.repeat(20)}.seg`)
  const bytes = readFileSync(segment)
  bytes.write('D', bytes.indexOf('damage'))
  writeFileSync(segment, bytes)
  const { address } = await inspected(t, path)
  assert.deepEqual((await asked(address, 'records?from=0&count=9')).answer.map(({ sequence }) => sequence), [0, 2])
  assert.equal((await asked(address, 'record?sequence=1')).status, 500)
  assert.deepEqual((await asked(address, 'axis')).answer.next, 3)
})

test('closing ends what is followed, and gives the file and the port back', async (t) => {
  const path = sampleLog(folder(t))
  const inspector = await inspect(path)
  const { address } = inspector
  const [one, other] = [await events(address, 'follow'), await events(address, 'follow')]
  assert.deepEqual([(await one.next()).data, (await other.next()).data], [{ next: 9 }, { next: 9 }])
  await inspector.close()
  await assert.rejects(async () => {
    if ((await one.next()) === undefined) throw new Error('it has ended')
  })
  await assert.rejects(answered(address), { code: 'ECONNREFUSED' })
  const again = await inspect(path, Number(new URL(address).port))
  assert.equal((await answered(address)).status, 403)
  await again.close()
})

test('a store that was shown can be written to at once', async (t) => {
  const path = sampleStore(folder(t))
  const inspector = await inspect(path)
  await rootOf(inspector.address)
  await inspector.close()
  objects.open(path).close()
})

test('it needs no permission to write', { skip: process.getuid() === 0 ? false : 'only root can become somebody else' }, async (t) => {
  const here = folder(t)
  const paths = [sampleStore(here), sampleJournal(here), sampleLog(here), sampleBlocks(here)]
  chmodSync(here, 0o555)
  const questions = ['root', 'records?from=0&count=9', 'bytes?from=0&count=9', 'marks?from=0&count=9']
  for (const [index, path] of paths.entries()) {
    const address = await line(startedAs(t, 65534, path))
    assert.equal((await answered(address, questions[index])).status, 200, path)
  }
})

test('two pages show one store, and two inspectors do', async (t) => {
  const path = sampleStore(folder(t))
  const addresses = [await inspected(t, path), await inspected(t, path)].map(({ address }) => address)
  const sizes = await Promise.all([...addresses, ...addresses].map(async (address) => (await rootOf(address)).size))
  assert.deepEqual(sizes, [8, 8, 8, 8])
})

test('the command prints the address, and an interrupt ends it without a word', async (t) => {
  const child = started(t, sampleJournal(folder(t)))
  const address = await line(child)
  const stream = await events(address, 'follow')
  assert.deepEqual((await stream.next()).data, { first: 0, next: 3 })
  child.kill('SIGINT')
  assert.deepEqual(await child.ended, { status: null, signal: 'SIGINT', errors: '' })
})

test('a port that is taken is said, and a file that is missing', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await until(() => taken.listening, 'a port is taken')
  const { port } = taken.address()
  const child = started(t, '--port', String(port), sampleLog(folder(t)))
  const { status, errors } = await child.ended
  assert.equal(status, 1)
  assert.match(errors, new RegExp(`^pmem: listen EADDRINUSE.*127\\.0\\.0\\.1:${port}\n$`))
  const missing = await started(t, join(folder(t), 'missing')).ended
  assert.equal(missing.status, 1)
  assert.match(missing.errors, /^pmem: ENOENT.*missing.*\n$/)
})
