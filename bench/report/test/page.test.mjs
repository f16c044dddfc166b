import assert from 'node:assert/strict'
import test from 'node:test'
import { cases } from '../cases.mjs'
import { written } from '../figures.mjs'
import { problems, render } from '../page.mjs'
import { peers } from '../peers.mjs'

const about = { machine: 'a machine', disk: 'ext4', date: '2026-01-31', command: 'npm run bench:report', scale: { rounds: 3 }, versions: { lmdb: '3.5.6' } }

const one = {
  name: 'append', title: 'A durable append', text: 'A text.', places: ['disk', 'memory'], unit: 'time', chart: 'disk',
  sides: ['pmem journal', 'fs', 'lmdb'], reasons: { 'fs, memory': 'it does less' },
}
const took = (peer, ...values) => ({ peer, rounds: values.map((value) => [value]) })
const disk = { one, place: 'disk', scale: {}, sides: [took('pmem journal', 200e3, 100e3, 300e3), took('fs', 190e3), took('lmdb', 400e3)] }
const memory = { one, place: 'memory', scale: {}, sides: [took('pmem journal', 600), took('fs', 200), took('lmdb', 300)] }

test('a table has the round in the middle of each, with the fastest and the slowest', () => {
  const { page, charts } = render([disk, memory], about)
  assert.match(page, /\| pmem journal \| 200 us \(100 us to 300 us\) \| 600 ns \|/)
  assert.match(page, /\| lmdb \| 3\.5\.6 \|/)
  assert.deepEqual(Object.keys(charts), ['benchmarks-durable-append.svg'])
  assert.match(charts['benchmarks-durable-append.svg'], /^<svg[^]*pmem journal[^]*200 us/)
  assert.ok(page.includes('](images/benchmarks-durable-append.svg)'))
  assert.deepEqual(problems([disk, memory], { page, charts }), [])
})

test('who is clearly better is named, with the reason or that none is known', () => {
  const { page } = render([disk, memory], about)
  const lines = page.split('\n').filter((line) => line.startsWith('Better'))
  assert.deepEqual(lines, [
    'Better on memory that counts as persistent: fs (3.0 times): it does less.',
    'Better on memory that counts as persistent: lmdb (2.0 times): the reason was not looked into.',
  ])
  const same = render([{ ...memory, one: { ...one, reasons: { fs: 'they do less', lmdb: 'they do less' } } }], about).page
  assert.match(same, /^Better on memory that counts as persistent: fs \(3\.0 times\), lmdb \(2\.0 times\): they do less\.$/m)
})

test('a peer without figures is said to be without, and is a problem', () => {
  const { page, charts } = render([{ ...disk, sides: [disk.sides[0], { peer: 'fs', reason: 'it failed' }, disk.sides[2]] }], about)
  assert.match(page, /\| fs \| not measured: it failed \|/)
  assert.deepEqual(problems([{ ...disk, sides: [{ peer: 'fs', reason: 'it failed' }] }], { page, charts }, ['lmdb']).toSorted(), [
    'append, disk: fs: it failed', 'append, disk: lmdb: it is not there', 'append, disk: pmem journal: it is not there',
  ])
  assert.deepEqual(problems([{ ...disk, sides: [...disk.sides.slice(0, 2), { peer: 'lmdb', reason: 'gone' }] }], { page, charts }, ['lmdb']), [])
})

test('what is no number is a problem', () => {
  const made = render([{ ...disk, sides: [took('pmem journal', Number.NaN), took('fs', 1), took('lmdb', 1)] }], about)
  assert.ok(problems([disk], made).length > 0)
})

test('figures are written with three digits and a unit', () => {
  assert.deepEqual([812.4, 3099, 4_051_000, 2.5e9, 0, 123_456_789].map((value) => written(value, 'time')), ['812 ns', '3.1 us', '4.05 ms', '2.5 s', '0', '123 ms'])
  assert.deepEqual([written(12_345.6, 'rate'), written(1.234, 'count')], ['12,346/s', '1.23'])
})

test('cases measure peers that there are, by names of their own', () => {
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length)
  for (const { name, sides, reasons } of cases) {
    assert.deepEqual(sides.filter((peer) => !(peer in peers)), [], name)
    assert.deepEqual(Object.keys(reasons).map((key) => key.replace(/, \w+$/, '')).filter((peer) => !sides.includes(peer)), [], name)
  }
})
