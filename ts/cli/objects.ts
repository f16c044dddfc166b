/** The commands of stores. */

import { existsSync } from 'node:fs'
import { contentsOf, stepIn } from '../objects/contents.js'
import { liveObject } from '../objects/live.js'
import type { Session } from '../objects/session.js'
import { KIND, Reference } from '../objects/values.js'
import { type Action, Failure, numberOf, textOf } from './command.js'
import { requireKind } from './info.js'
import { Import } from './object-import.js'
import { exported, plain } from './object-export.js'
import { stepsOf } from './object-paths.js'
import { at, classOf, keyOf, rootOf } from './object-steps.js'
import { openStore, sessionOf } from './open-store.js'
import { input, print } from './terminal.js'

export const tree: Action = async (call) => {
  const [path, from = ''] = call.operands as [string, string?]
  requireKind(path, 'store')
  using store = openStore(path)
  const session = sessionOf(store)
  const [depth, most] = [numberOf('--depth', textOf(call, 'depth') ?? '3'), numberOf('--most', textOf(call, 'most') ?? '20')]
  for (const line of branch(session, at(session, stepsOf(from)), from || 'root', depth, most, '')) await print(line)
}

/** The lines of a value, and of what is in it. */
function* branch(session: Session, value: unknown, name: string, depth: number, most: number, indent: string): Generator<string> {
  yield `${indent}${name}  ${shown(session, value)}\n`
  if (depth === 0 || !(value instanceof Reference)) return
  let count = 0
  for (const [key, content] of contentsOf(session, value)) {
    if (count === most) return yield `${indent}  ...\n`
    count += 1
    const step = value.kind === KIND.set ? '-' : stepIn(value, key)
    yield* branch(session, content, step, depth - 1, most, `${indent}  `)
  }
}

const WORDS: Readonly<Record<number, string>> = { [KIND.map]: 'Map', [KIND.set]: 'Set', [KIND.sortedMap]: 'SortedMap', [KIND.array]: 'Array', [KIND.object]: 'Object' }

function shown(session: Session, value: unknown): string {
  if (value instanceof Reference) return WORDS[value.kind] ?? classOf(session, value)
  const text = plain(value)
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}

export const get: Action = async ({ operands: [path, from = ''] }) => {
  requireKind(path!, 'store')
  using store = openStore(path!)
  const session = sessionOf(store)
  for (const text of exported(session, at(session, stepsOf(from)))) await print(text)
  await print('\n')
}

export const exportAll: Action = ({ operands: [path] }) => get({ operands: [path!], flags: {} })

export const set: Action = ({ operands: [path, target, json] }) => {
  const [steps, given] = [stepsOf(target!), new Import(json!)]
  requireKind(path!, 'store')
  using store = openStore(path!, { writable: true })
  store.transaction(() => {
    const last = steps.at(-1)
    if (!last) return void given.into(store)
    const container = at(sessionOf(store), steps.slice(0, -1))
    if (!(container instanceof Reference)) throw new Failure(`${target} is in nothing that could have it`)
    put(liveObject(sessionOf(store), container.kind, container.id), container, keyOf(container, last), given.value(store))
  })
}

function put(live: object, { kind }: Reference, key: unknown, value: unknown): void {
  if (kind === KIND.set) throw new Failure('a Set has members and no entries: set the whole of it')
  if (kind === KIND.map || kind === KIND.sortedMap) (live as Map<unknown, unknown>).set(key, value)
  else Reflect.set(live, key as string, value)
}

export const gc: Action = async ({ operands: [path] }) => {
  requireKind(path!, 'store')
  using store = openStore(path!, { writable: true })
  const { containers } = await store.gc()
  await print(`${containers} containers freed\n`)
}

export const backup: Action = async ({ operands: [path, target] }) => {
  requireKind(path!, 'store')
  using store = openStore(path!)
  await store.backup(target!)
}

export const importAll: Action = async ({ operands: [path], flags }) => {
  const chunks: Buffer[] = []
  for await (const chunk of input()) chunks.push(chunk)
  const given = new Import(Buffer.concat(chunks).toString())
  const isThere = existsSync(path!)
  if (isThere) requireKind(path!, 'store')
  using store = openStore(path!, { writable: true, create: !isThere })
  if (rootOf(sessionOf(store)) !== null && flags.replace !== true) throw new Failure(`'${path}' has something in it already: --replace replaces it`)
  given.into(store)
}
