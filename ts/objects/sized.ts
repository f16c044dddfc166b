import { readHeader } from './reading.js'
import { Container } from './session.js'

/** A container of entries, which knows how many there are. */
export abstract class Sized extends Container {
  #size = 0

  /** How many entries there are. */
  get size(): number {
    this.look()
    if (this.epoch !== this.session.epoch) {
      this.#size = readHeader(this.session, this.id).size
      this.epoch = this.session.epoch
    }
    return this.#size
  }

  /** It was changed by this thread, and has so many entries; below 0 where these are as many as before. */
  protected changed(size: number): void {
    this.version += 1
    if (size >= 0) this.#size = size
  }
}
