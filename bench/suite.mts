/** One operation, which a C program has too. */
export interface Operation {
  readonly name: string
  /** What C's is called, where the name says more. */
  readonly against?: string
  /** How many times C's time it may take. */
  readonly goal?: number
  /** Whether it is measured where persisting is an msync. Without this it is not. */
  readonly disk?: 'also' | 'only'
  /** Calls a sample where one call takes long; a multiple of 4, as in measure.mts. */
  readonly batch?: number
  /** Does the operation once. Each is a function of its own, so that no feedback of the compiler is shared. */
  readonly run: () => void
}

/** Operations over one open store. */
export interface Suite {
  /** Also the name of the C program. */
  readonly name: string
  /** Whether some of them are for a disk. Filling a store there only to leave it alone would take long. */
  readonly disk: boolean
  /** Makes the store in `folder`. It stays open as long as the process. */
  open(folder: string): readonly Operation[]
}
