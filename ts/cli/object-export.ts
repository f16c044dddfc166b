/**
 * A store as JSON. Plain objects, arrays, texts, finite numbers, booleans and null are themselves. All else is an object with a name that
 * begins with `$`: `$map`, `$sortedMap`, `$set`, `$array`, `$object` with `$class` for instances, `$date`, `$bigint`, `$number`, `$bytes`
 * with `$type`, `$undefined`. What is in the store several times has an `$id` where it comes first, and is a `$ref` to that elsewhere.
 */

import { types } from 'node:util'
import { contentsOf } from '../objects/contents.js'
import type { Session } from '../objects/session.js'
import { KIND, Reference } from '../objects/values.js'
import { classOf } from './object-steps.js'

/** A piece of the text, or what gives more of them: so depth needs no stack. */
type Part = string | Generator<Part, void>

/** So much text is given at once, at least. */
const CHUNK = 1 << 16

/** The names of containers that no JSON has. */
const NAMES: Readonly<Record<number, string>> = { [KIND.map]: '$map', [KIND.sortedMap]: '$sortedMap', [KIND.set]: '$set', [KIND.array]: '$array' }

/** A value of a store as JSON, in pieces. */
export function* exported(session: Session, value: unknown): Generator<string, void> {
  const open = [new Exporter(session, value).parts(value)]
  let text = ''
  for (let last = open.at(-1); last; last = open.at(-1)) {
    const { done, value: part } = last.next()
    if (done === true) open.pop()
    else if (typeof part === 'object') open.push(part)
    else text += part
    if (text.length < CHUNK) continue
    yield text
    text = ''
  }
  yield text
}

class Exporter {
  readonly #session: Session
  readonly #shared: ReadonlySet<number>
  readonly #written = new Set<number>()

  constructor(session: Session, value: unknown) {
    this.#session = session
    this.#shared = sharedIn(session, value)
  }

  *parts(value: unknown): Generator<Part, void> {
    if (!(value instanceof Reference)) return yield plain(value)
    const { id, kind } = value
    if (this.#written.has(id)) return yield `{"$ref":${id}}`
    this.#written.add(id)
    const isShared = this.#shared.has(id)
    const head = isShared ? `"$id":${id},` : ''
    if (kind === KIND.object || kind === KIND.instance) return yield this.#object(value, head)
    const items = kind === KIND.array || kind === KIND.set ? this.#items(value) : this.#pairs(value)
    if (kind === KIND.array && !isShared) return yield items
    yield `{${head}"${NAMES[kind]}":`
    yield items
    yield '}'
  }

  *#object(container: Reference, head: string): Generator<Part, void> {
    const fields = [...contentsOf(this.#session, container)] as [string, unknown][]
    const ofClass = container.kind === KIND.instance ? `"$class":${JSON.stringify(classOf(this.#session, container))},` : ''
    const isBare = `${head}${ofClass}` === '' && fields.every(([name]) => !name.startsWith('$'))
    yield isBare ? '{' : `{${head}${ofClass}"$object":{`
    for (const [index, [name, value]] of fields.entries()) {
      yield `${index === 0 ? '' : ','}${JSON.stringify(name)}:`
      yield this.parts(value)
    }
    yield isBare ? '}' : '}}'
  }

  *#items(container: Reference): Generator<Part, void> {
    let separator = '['
    for (const [, value] of contentsOf(this.#session, container)) {
      yield separator
      yield this.parts(value)
      separator = ',\n'
    }
    yield separator === '[' ? '[]' : ']'
  }

  *#pairs(container: Reference): Generator<Part, void> {
    let separator = '['
    for (const [key, value] of contentsOf(this.#session, container)) {
      yield `${separator}[`
      yield this.parts(key)
      yield ','
      yield this.parts(value)
      yield ']'
      separator = ',\n'
    }
    yield separator === '[' ? '[]' : ']'
  }
}

/** The containers that are in a value more than once. */
function sharedIn(session: Session, value: unknown): Set<number> {
  const [seen, shared, left] = [new Set<number>(), new Set<number>(), [value]]
  while (left.length > 0) {
    const next = left.pop()
    if (!(next instanceof Reference)) continue
    if (seen.has(next.id)) shared.add(next.id)
    else {
      seen.add(next.id)
      for (const [key, content] of contentsOf(session, next)) {
        if (content instanceof Reference) left.push(content)
        if (next.kind !== KIND.set && key instanceof Reference) left.push(key)
      }
    }
  }
  return shared
}

/** What is no container. */
export function plain(value: unknown): string {
  if (value === undefined) return '{"$undefined":true}'
  if (typeof value === 'bigint') return `{"$bigint":"${value}"}`
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return `{"$number":"${Object.is(value, -0) ? '-0' : value}"}`
  // The parts of a sorted map's key.
  if (Array.isArray(value)) return `[${value.map(plain).join(',')}]`
  if (types.isDate(value)) return `{"$date":${JSON.stringify(value)}}`
  if (ArrayBuffer.isView(value)) return bytes(value.constructor.name, Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  if (types.isArrayBuffer(value)) return bytes('ArrayBuffer', Buffer.from(value))
  return JSON.stringify(value)
}

function bytes(type: string, content: Buffer): string {
  return `{"$bytes":"${content.toString('base64')}","$type":"${type === 'Buffer' ? 'Uint8Array' : type}"}`
}
