// Files of one check, in the folder that the suite is run on, which goes afterwards.
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A new folder. */
export function folder() {
  return mkdtempSync(join(process.env.PMEM_TEST_DIR, 'check-'))
}

/** A new file with this content; a number is a count of zeros. */
export function file(content = 65536) {
  const path = join(folder(), 'file')
  writeFileSync(path, typeof content === 'number' ? Buffer.alloc(content) : content)
  return path
}

/** The text of a file from `start` to `end`, read around the package. */
export function text(path, end, start = 0) {
  return readFileSync(path).toString('utf8', start, end)
}

/** Writes into a file, around the package. */
export function poke(path, offset, data) {
  const [descriptor, bytes] = [openSync(path, 'r+'), Buffer.from(data)]
  writeSync(descriptor, bytes, 0, bytes.length, offset)
  closeSync(descriptor)
}
