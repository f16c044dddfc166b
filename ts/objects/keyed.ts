/** What maps and sets have in common: entries by key, in the order in which they were added. */

import { Ahead } from './ahead.js'
import * as calls from './calls.js'
import { COMMAND, startCommand } from './commands.js'
import { revive } from './live.js'
import { type Entries, readEntries } from './reading.js'
import { type Container, containers } from './session.js'
import { Sized } from './sized.js'
import { type Write, store } from './storing.js'
import { stepTo } from './steps.js'
import { KIND, out } from './values.js'

/** Entries by key. */
export abstract class Keyed extends Sized {
  /** The value of a key as it was stored; `absent` where there is none. */
  get(key: unknown, absent: unknown): unknown {
    this.look()
    if (!writeKey(this, key)) return absent
    const reader = calls.get(this.session.handle(), this.id, out)
    return reader ? revive(this.session, reader.value()) : absent
  }

  has(key: unknown): boolean {
    this.look()
    return writeKey(this, key) && calls.get(this.session.handle(), this.id, out) !== undefined
  }

  set(key: unknown, value: unknown): void {
    this.touch()
    const isSet = this.kind === KIND.set
    const commands = (write: Write) => {
      startCommand(isSet ? COMMAND.setAdd : COMMAND.mapSet, this.id)
      write(key, true)
      if (!isSet) write(value)
    }
    store(this.session, this, isSet ? '' : stepTo(key), value, commands, key)
    this.changed(calls.applied())
  }

  delete(key: unknown): boolean {
    this.touch()
    if (!writeKey(this, key, () => startCommand(COMMAND.delete, this.id))) return false
    const wasThere = this.session.apply(out) === 1
    if (wasThere) this.changed(calls.applied())
    return wasThere
  }

  clear(): void {
    this.touch()
    out.clear()
    startCommand(COMMAND.clear, this.id)
    this.session.apply(out)
    this.changed(0)
  }
}

/** Writes a key to look for, behind what `before` writes; false where it can be none. */
function writeKey({ session }: Container, key: unknown, before?: () => void): boolean {
  out.clear()
  before?.()
  if (key === 0) out.number(0)
  else if (!out.primitive(key)) return writeLive(session, key as object)
  return true
}

function writeLive(session: Container['session'], key: object): boolean {
  const container = containers.get(key)
  if (!container || container.session !== session || container.id === 0) return false
  out.reference(container.kind, container.id)
  return true
}

/** Goes through entries as ECMA-262 has it: those that are added meanwhile come too. */
export class EntryCursor {
  readonly #container: Keyed
  #entries: Entries = { keys: [], values: [], numbers: [] }
  #index = 0
  #after = -1
  readonly #ahead = new Ahead()
  #isOver = false
  #key: unknown
  #value: unknown

  constructor(container: Keyed) {
    this.#container = container
  }

  get key(): unknown {
    return revive(this.#container.session, this.#key)
  }

  get value(): unknown {
    return revive(this.#container.session, this.#value)
  }

  /** Whether there is one more. */
  next(): boolean {
    if (this.#isOver) return false
    const container = this.#container
    container.look()
    const isSame = this.#ahead.isCurrent(container)
    if (!isSame || this.#index === this.#entries.keys.length) this.#fetch(isSame)
    const { keys, values, numbers } = this.#entries
    const index = this.#index
    if (index === keys.length) {
      this.#isOver = true
      return false
    }
    this.#index += 1
    this.#after = numbers[index]!
    this.#key = keys[index]
    this.#value = container.kind === KIND.set ? this.#key : values[index]
    return true
  }

  #fetch(isSame: boolean): void {
    const { session, id, kind } = this.#container
    this.#entries = readEntries(session, id, kind, this.#after, this.#ahead.next(this.#container, isSame))
    this.#index = 0
  }
}
