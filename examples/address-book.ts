/**
 * An address book that has been through three versions of its program. The newest opens the files of all of them: `upgrade` brings what
 * is stored up to date, in one transaction. Where that throws, or the process is killed in it, the file is as it was.
 *
 *     npm run build
 *     node build/examples/address-book.js first [file]    # makes a file as the first version did
 *     node build/examples/address-book.js list [file]     # opens it, upgrades it, and lists it by last name
 *     node build/examples/address-book.js add [file] 'Ada Lovelace' 1815
 *
 * - Versions are counted by the program. Version 1 splits names; version 2 makes instances of a class of people, and an index of them.
 * - A step for each version: whoever skipped some goes through all of them.
 * - A new field needs no step: `static defaults` say what it is in those that were stored without it.
 * - An old program does not open a file of a newer version: ERR_PMEM_VERSION, and the file is as it was.
 */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { objects } from 'pmem'

/** What the first version stored. */
interface First {
  people: { name: string; phone: string }[]
}

/** What the second version stored. */
interface Second {
  people: { first: string; last: string; phone: string }[]
}

/** A person, since the third version. */
class Person extends objects.Persistent {
  static defaults = { note: '' }
  first = ''
  last = ''
  phone = ''
  /** Came later, without a version of its own. */
  note = ''

  get name(): string {
    return `${this.first} ${this.last}`.trim()
  }
}

type ByName = objects.SortedMap<readonly [last: string, first: string, count: number], Person>

/** What is stored now. */
interface Book {
  count: number
  byName: ByName
}

/** What each version does with what the one before it has stored. */
const STEPS: ((store: objects.Store) => void)[] = [
  ({ root }) => {
    const { people } = root as First & Second
    for (const person of people as (First['people'][0] & Partial<Second['people'][0]>)[]) {
      const [, first = '', last = person.name] = /^(.*) (.*)$/.exec(person.name) ?? []
      Object.assign(person, { first, last })
      Reflect.deleteProperty(person, 'name')
    }
  },
  (store) => {
    const { people } = store.root as Second
    const book = begin(store)
    store.root = book
    for (const { first, last, phone } of people) add(book, Object.assign(new Person(), { first, last, phone }))
  },
]

/** The live objects of a new book, which is in no store's root yet. */
function begin(store: objects.Store | objects.Store<null>): Book {
  return store.object({ count: 0, byName: store.sortedMap() as ByName })
}

function add(book: Book, person: Person): void {
  book.count += 1
  book.byName.set([person.last, person.first, book.count], person)
}

export function openBook(path: string): objects.Store<objects.Live<Book>> {
  return objects.open(path, {
    classes: { Person },
    root: begin,
    version: STEPS.length,
    upgrade: (store, from) => {
      for (const step of STEPS.slice(from)) step(store as unknown as objects.Store)
    },
  })
}

/** Makes a file as the first version of this program did. */
export function makeFirst(path: string, people: First['people']): void {
  objects.open(path, { root: (): First => ({ people }) }).close()
}

function main([action, file, name, phone = '']: readonly string[]): void {
  const path = file ?? join(tmpdir(), 'pmem-address-book.store')
  if (action === 'first') {
    makeFirst(path, [
      { name: 'Ada Lovelace', phone: '1815' },
      { name: 'Charles Babbage', phone: '1791' },
      { name: 'Plato', phone: '' },
    ])
    return
  }
  const store = openBook(path)
  if (action === 'add' && name !== undefined) {
    const [, first = '', last = name] = /^(.*) (.*)$/.exec(name) ?? []
    store.transaction(() => add(store.root, Object.assign(new Person(), { first, last, phone })))
  }
  for (const person of store.root.byName.values()) console.log(`${person.name}, ${person.phone || '-'}`)
  store.close()
}

if (require.main === module) main(process.argv.slice(2))
