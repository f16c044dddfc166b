import { closeSync, fdatasync, fdatasyncSync, fstatSync, openSync, readSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SIZE, record, records } from '../data.mjs'

const PIECE = 64 << 10

export function open(folder) {
  const file = openSync(join(folder, 'file'), 'a+')
  const fixed = openSync(join(folder, 'fixed'), 'w+')
  const group = new Group(file)
  return {
    append(number) {
      writeSync(file, record(number))
      fdatasyncSync(file)
    },
    appendAsync: (number) => group.append(record(number)),
    appendMany(from, count) {
      const bytes = Buffer.concat(records(from, count))
      for (let at = 0; at < bytes.length; at += PIECE) writeSync(file, bytes, at, Math.min(PIECE, bytes.length - at))
      fdatasyncSync(file)
    },
    read: (number) => readAt(file, number),
    scan(each) {
      const piece = Buffer.allocUnsafe(PIECE)
      for (let at = 0; at < fstatSync(file).size; at += PIECE) {
        const found = readSync(file, piece, 0, PIECE, at)
        for (let start = 0; start < found; start += SIZE) each(piece.subarray(start, start + SIZE))
      }
    },
    overwrite(number, version) {
      writeSync(fixed, record(number + version), 0, SIZE, number * SIZE)
      fdatasyncSync(fixed)
    },
    overwritten: (number) => readAt(fixed, number),
    close() {
      closeSync(file)
      closeSync(fixed)
    },
  }
}

function readAt(file, number) {
  const bytes = Buffer.allocUnsafe(SIZE)
  readSync(file, bytes, 0, SIZE, number * SIZE)
  return bytes
}

const [writing, syncing] = [promisify(write), promisify(fdatasync)]

/** A group commit as one writes it by hand: what comes while a sync is under way is the next one's. */
class Group {
  #file
  #waiting = []
  #runs = false

  constructor(file) {
    this.#file = file
  }

  append(bytes) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject })
      if (!this.#runs) void this.#run()
    })
  }

  async #run() {
    this.#runs = true
    while (this.#waiting.length > 0) {
      const those = this.#waiting
      this.#waiting = []
      try {
        await writing(this.#file, Buffer.concat(those.map(({ bytes }) => bytes)))
        await syncing(this.#file)
        for (const { resolve } of those) resolve()
      } catch (error) {
        for (const { reject } of those) reject(error)
      }
    }
    this.#runs = false
  }
}
