import { bases, type PersistentClass } from './classes.js'
import { constructed } from './object.js'

/**
 * The base of classes whose instances are stored. What its constructor returns becomes the stored object, once it is put into a
 * store: not a copy of it.
 *
 * When an instance is loaded, neither constructor nor initialisers run. A field that it was stored without has the value that the
 * class's `static defaults` say, or none. `attached()` runs at each load, where the class has it. Fields that `static volatile` names
 * are not stored. A class with `#private` fields needs `static construct = true`: its constructor runs at each load too, without
 * arguments, and what it sets is seen where nothing is stored, but not stored.
 *
 * @example
 * import { objects } from 'pmem'
 *
 * class User extends objects.Persistent {
 *   static defaults = { visits: 0 }
 *   name = ''
 *   visits = 0
 * }
 * const store = objects.open('users.store', { classes: { User }, root: () => ({ users: new Map<string, User>() }) })
 * const ada = new User()
 * store.root.users.set('ada', ada)
 * ada.visits += 1
 * console.log(store.root.users.get('ada') === ada, store.root.users.get('ada')?.visits) // => true 1
 * store.close()
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- it is a base, and what its constructor returns is all that it has
export abstract class Persistent {
  constructor() {
    return constructed(new.target as unknown as PersistentClass) as this
  }
}

bases.add(Persistent)
