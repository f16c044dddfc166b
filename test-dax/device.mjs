// On a device of persistent memory without a file system, /dev/dax0.0: regions, logs and blocks work there, and the rest says why it does not.
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { check, equal, throws } from './check.mjs'

const DEVICE = '/dev/dax0.0'
const { rdev } = statSync(DEVICE)
const said = (name) => Number(readFileSync(`/sys/dev/char/${(rdev >> 8) & 0xfff}:${rdev & 0xff}/${name}`, 'utf8'))
const [SIZE, ALIGN] = [said('size'), said('align')]

/** Whether a shared mapping of the device has MAP_SYNC. */
function isSynchronous() {
  const [, after] = readFileSync('/proc/self/smaps', 'utf8').split(`${DEVICE}\n`)
  return /^VmFlags:.* sf\b/m.test(after)
}

check('all of it is mapped', () => {
  const region = pmem.map(DEVICE)
  equal(region.byteLength, SIZE)
  equal(region.isPmem, true)
  equal(region.path, DEVICE)
  equal(isSynchronous(), true)
  region.close()
})

check('what is stored is there for the next mapping', () => {
  const region = pmem.map(DEVICE, 2 * ALIGN, { offset: ALIGN })
  equal(region.byteLength, 2 * ALIGN)
  region.view(Float64Array, 0, 1)[0] = 42
  region.persist(0, 8)
  region.seek(2 * ALIGN - 10)
  region.write('at the end')
  region.flush(2 * ALIGN - 10, 10)
  region.drain()
  region.fill(7, 4096, 4096 + ALIGN)
  region.msync()
  region.persistMany([[0, 8], [4096, 8]])
  region.close()
  const again = pmem.map(DEVICE)
  equal(again.view(Float64Array, ALIGN, 1)[0], 42)
  equal(Buffer.from(again.buffer, 3 * ALIGN - 10, 10).toString(), 'at the end')
  equal(again.view(Uint8Array, ALIGN + 4096, ALIGN).every((byte) => byte === 7), true)
  again.close()
})

check('a descriptor, mapFile, and advice', () => {
  const fd = openSync(DEVICE, 'r+')
  const region = pmem.map(fd, ALIGN, { access: 'random', populate: true })
  closeSync(fd)
  const other = pmem.mapFile(DEVICE, { length: ALIGN, lock: true })
  region.write('one')
  equal(other.read(3).toString(), 'one')
  other.advise('sequential')
  other.close()
  region.close()
})

const aligned = `a multiple of ${ALIGN}, the device's alignment`
check('what does not fit is refused', () => {
  throws('ERR_OUT_OF_RANGE', `"offset" is out of range. It must be ${aligned}`, () => pmem.map(DEVICE, ALIGN, { offset: 4096 }))
  throws('ERR_OUT_OF_RANGE', `"byteLength" is out of range. It must be ${aligned}`, () => pmem.map(DEVICE, 4096))
  throws('ERR_OUT_OF_RANGE', `"length" is out of range. It must be ${aligned}`, () => pmem.mapFile(DEVICE, { length: ALIGN + 1 }))
  throws('ERR_OUT_OF_RANGE', `<= ${SIZE}`, () => pmem.map(DEVICE, SIZE + ALIGN))
  throws('ERR_OUT_OF_RANGE', '"offset"', () => pmem.map(DEVICE, ALIGN, { offset: SIZE + ALIGN }))
  throws('EINVAL', DEVICE, () => pmem.map(DEVICE, undefined, { offset: SIZE }))
})

check('what a device cannot do is refused', () => {
  for (const options of [{ readonly: true }, { copyOnWrite: true }, { shared: true }, { memory: 'wasm' }, { maxLength: SIZE }]) {
    throws('ERR_PMEM_UNSUPPORTED', 'a device of persistent memory', () => pmem.map(DEVICE, ALIGN, options))
  }
  const region = pmem.map(DEVICE, ALIGN)
  throws('ERR_PMEM_UNSUPPORTED', 'does not grow', () => region.grow(2 * ALIGN))
  equal(region.byteLength, ALIGN)
  region.write('still works')
  region.persist()
  region.close()
  throws('ENODEV', 'without `create`', () => pmem.mapFile(DEVICE, { length: SIZE, create: true }))
})

/** Makes room for a pool, which is made where the first page is zero. */
function clear() {
  const region = pmem.map(DEVICE, ALIGN)
  region.fill(0, 0, 1 << 20)
  region.close()
}

for (const engine of ['pmdk', 'rust']) {
  check(`a log of the whole device, with ${engine}`, () => {
    throws('EEXIST', DEVICE, () => pmemlog.create(DEVICE, SIZE, { engine }))
    clear()
    const log = pmemlog.create(DEVICE, 0, { engine })
    equal(log.engine, engine)
    equal(log.nbyte(), SIZE - 8192)
    log.append('one')
    log.appendMany(['two', 'three'])
    throws('EAGAIN', DEVICE, () => pmemlog.check(DEVICE))
    log.close()
    throws('EEXIST', 'not zero', () => pmemlog.create(DEVICE, 0, { engine }))
    equal(pmemlog.check(DEVICE), true)
    for (const options of [{ engine: 'pmdk' }, { engine: 'rust' }, { readonly: true }]) {
      const again = pmemlog.open(DEVICE, options)
      equal(again.read(0, again.tell()).toString(), 'onetwothree')
      if (options.readonly) throws('EROFS', DEVICE, () => again.rewind())
      else {
        again.rewind()
        again.appendv(['one', 'two', 'three'])
      }
      again.close()
    }
  })

  check(`blocks of the whole device, with ${engine}`, () => {
    clear()
    const blocks = pmemblk.create(DEVICE, 4096, 0, { engine })
    const last = blocks.nblock() - 1
    equal(blocks.engine, engine)
    equal(blocks.nblock() > (SIZE / 4096) * 0.9, true)
    blocks.write(Buffer.alloc(4096, engine), last)
    blocks.setZero(0)
    blocks.close()
    equal(pmemblk.check(DEVICE), true)
    for (const options of [{ engine: 'pmdk' }, { engine: 'rust' }, { readonly: true }]) {
      const again = pmemblk.open(DEVICE, 4096, options)
      equal(again.read(last).equals(Buffer.alloc(4096, engine)), true)
      if (!options.readonly) again.write(Buffer.alloc(4096, 'x'), 1)
      again.close()
    }
    equal(pmemblk.check(DEVICE, 4096), true)
  })
}

check('a pool that is damaged is refused, and left as it is', () => {
  clear()
  pmemlog.create(DEVICE, 0).close()
  const region = pmem.map(DEVICE, ALIGN)
  region.fill(7, 40, 50)
  region.persist(0, 4096)
  equal(pmemlog.check(DEVICE), false)
  throws('ERR_PMEM_CORRUPT', DEVICE, () => pmemlog.open(DEVICE))
  equal(region.view(Uint8Array, 40, 10).every((byte) => byte === 7), true)
  region.close()
})

check('journals and stores are kept in files', () => {
  throws('ENODEV', 'else is a file', () => objects.open(DEVICE))
  throws('ENOTDIR', DEVICE, () => journal.open(DEVICE))
})
