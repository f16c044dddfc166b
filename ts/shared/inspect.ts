/** How `console.log` and `util.inspect` show what is open. */

import { type InspectOptions, inspect } from 'node:util'

/** The name of the method that says so, in every runtime. */
const name = Symbol.for('nodejs.util.inspect.custom')

/** What is always known of an object, and of an open one. */
export interface Form {
  readonly known: object
  /** Its throw says why the object cannot be used any more. */
  details(): object
}

/** Gives the instances of a class a short form: the class's name, and what is to be said of them. */
export function inspectAs<T extends object>(prototype: T, form: (object: T) => Form): void {
  function show(this: T, _: number, options: InspectOptions): string {
    return `${this.constructor.name} ${inspect(all(form(this)), { ...options, depth: 1 })}`
  }
  Object.defineProperty(prototype, name, { value: show, configurable: true, writable: true })
}

function all({ known, details }: Form): object {
  try {
    return { ...known, ...details() }
  } catch (error) {
    return { ...known, unusable: (error as NodeJS.ErrnoException).code }
  }
}
