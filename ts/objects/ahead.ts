import type { Container } from './session.js'

/** How many entries are fetched at once at most. */
const MOST = 256

/** How much of a container is fetched ahead: one entry after a change, and twice as many each time as long as there is none. */
export class Ahead {
  #version = -1
  #epoch = -1
  #most = 1

  /** Whether what was fetched last is still what the container has. */
  isCurrent({ version, session }: Container): boolean {
    return this.#version === version && this.#epoch === session.epoch
  }

  /** How many are to be fetched now. */
  next({ version, session }: Container, goesOn: boolean): number {
    this.#version = version
    this.#epoch = session.epoch
    this.#most = goesOn ? Math.min(2 * this.#most, MOST) : 1
    return this.#most
  }
}
