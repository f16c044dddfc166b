/** One operation, which a C program has under the same name. */
export interface Operation {
  readonly name: string
  /** How many times C's time it may take. */
  readonly goal?: number
  /** Whether it is measured also where persisting is an msync. */
  readonly disk?: boolean
  /** Does the operation once. Each is a function of its own, so that no feedback of the compiler is shared. */
  readonly run: () => void
}

/** Operations over one open store. */
export interface Suite {
  /** Also the name of the C program. */
  readonly name: string
  /** Makes the store in `folder`. It stays open as long as the process. */
  open(folder: string): readonly Operation[]
}
