/** What `object-export.ts` wrote, or plain JSON, into a store. */

import type { SortedKey } from '../objects/sorted-keys.js'
import type { SortedMap } from '../objects/sorted-map.js'
import type { Store } from '../objects/store.js'
import { Failure } from './command.js'
import { sessionOf } from './open-store.js'

type Json = null | boolean | number | string | readonly Json[] | JsonObject
interface JsonObject {
  readonly [name: string]: Json
}
type Pairs = readonly (readonly [Json, Json])[]

/** The kinds of containers by what names them. */
const CONTAINERS = ['$map', '$sortedMap', '$set', '$array', '$object'] as const

/** A text that was exported. */
export class Import {
  readonly #json: Json
  readonly #byId = new Map<Json, JsonObject>()

  constructor(text: string) {
    try {
      this.#json = JSON.parse(text) as Json
    } catch (error) {
      throw new Failure(`the standard input is no JSON: ${(error as Error).message}`)
    }
    this.#look()
  }

  /** Finds what is referred to. */
  #look(): void {
    const left: Json[] = [this.#json]
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (typeof next !== 'object' || next === null) continue
      for (const value of Object.values(next)) left.push(value)
      const { $id } = next as JsonObject
      if ($id !== undefined) this.#byId.set($id, next as JsonObject)
    }
  }

  /** Makes it in a store that `openStore` opened. */
  value(store: Store): unknown {
    return new Builder(store, this.#byId).whole(this.#json)
  }

  /** Makes it the root of a store, in one transaction. */
  into(store: Store): void {
    store.transaction(() => {
      store.root = this.value(store)
    })
  }
}

/** Makes containers: empty ones first, which are filled one after the other, so that depth needs no stack. */
class Builder {
  readonly #made = new Map<Json, object>()
  readonly #empty: (() => void)[] = []

  constructor(
    readonly store: Store,
    readonly byId: ReadonlyMap<Json, JsonObject>,
  ) {}

  whole(json: Json): unknown {
    const value = this.#value(json)
    for (let fill = this.#empty.pop(); fill; fill = this.#empty.pop()) fill()
    return value
  }

  #value(json: Json): unknown {
    if (typeof json !== 'object' || json === null) return json
    if (Array.isArray(json)) return this.#container(json, '$array', json)
    const object = json as JsonObject
    if ('$ref' in object) return this.#referred(object.$ref!)
    const kind = CONTAINERS.find((name) => name in object)
    if (kind) return this.#container(object, kind, object[kind]!)
    return Object.keys(object).some((name) => name.startsWith('$')) ? plainOf(object) : this.#container(object, '$object', object)
  }

  #referred(id: Json): unknown {
    const object = this.byId.get(id)
    if (!object) throw new Failure(`there is a $ref to ${JSON.stringify(id)}, and no such $id`)
    return this.#value(object)
  }

  #container(json: Json, kind: (typeof CONTAINERS)[number], content: Json): object {
    const known = this.#made.get(json)
    if (known) return known
    const made = this.#make(json, kind, content)
    this.#made.set(json, made)
    return made
  }

  #make(json: Json, kind: (typeof CONTAINERS)[number], content: Json): object {
    if (kind === '$object') return this.#object(json as JsonObject, content as JsonObject)
    if (!Array.isArray(content)) throw new Failure(`${kind} is followed by no list`)
    if (kind === '$array') return this.#later(this.store.array(), (array) => (content as Json[]).forEach((item) => array.push(this.#value(item))))
    if (kind === '$set') return this.#later(this.store.set(), (set) => (content as Json[]).forEach((item) => set.add(this.#value(item))))
    const pairs = content as unknown as Pairs
    if (kind === '$map') return this.#later(this.store.map(), (map) => pairs.forEach(([key, value]) => map.set(this.#value(key), this.#value(value))))
    const sorted: SortedMap<SortedKey, unknown> = this.store.sortedMap()
    return this.#later(sorted, (map) => pairs.forEach(([key, value]) => map.set(keyOf(key), this.#value(value))))
  }

  #object({ $class }: JsonObject, fields: JsonObject): object {
    const made = typeof $class === 'string' ? this.store.object(this.#instance($class)) : this.store.object({})
    return this.#later(made, (object) => {
      for (const [name, json] of Object.entries(fields)) Object.defineProperty(object, name, { value: this.#value(json), writable: true, enumerable: true, configurable: true })
    })
  }

  #instance(name: string): object {
    const Class = sessionOf(this.store).classes.of(name, this.store.path) as new () => object
    return new Class()
  }

  #later<T extends object>(container: T, fill: (container: T) => void): T {
    this.#empty.push(() => fill(container))
    return container
  }
}

/** A sorted map's key, whose parts may stand in an array. */
function keyOf(json: Json): SortedKey {
  if (Array.isArray(json)) return json.map(keyOf) as SortedKey
  return (typeof json === 'object' && json !== null ? plainOf(json as JsonObject) : json) as SortedKey
}

/** What JSON has no form of. */
function plainOf(json: JsonObject): unknown {
  const { $date, $bigint, $number, $bytes, $type, $undefined } = json
  if ($undefined === true) return undefined
  if (typeof $bigint === 'string') return BigInt($bigint)
  if (typeof $number === 'string') return Number($number)
  if ('$date' in json) return new Date($date as string)
  if (typeof $bytes === 'string') return bytesOf(Buffer.from($bytes, 'base64'), $type)
  throw new Failure(`what has ${Object.keys(json).join(', ')} is not known here`)
}

function bytesOf(content: Buffer, type: Json | undefined): unknown {
  const { buffer } = new Uint8Array(content)
  if (type === undefined || type === 'ArrayBuffer') return type ? buffer : new Uint8Array(buffer)
  const Type = Object.getOwnPropertyDescriptor(globalThis, type as string)?.value as unknown
  if (typeof Type !== 'function' || !/^(DataView|(Float|Int|Uint|Big(Int|Uint))\d+(Clamped)?Array)$/.test(type as string)) {
    throw new Failure(`bytes of ${JSON.stringify(type)} are not known here`)
  }
  return Reflect.construct(Type, [buffer]) as unknown
}
