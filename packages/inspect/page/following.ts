/** What comes is shown as it comes, as long as that is wanted. */

import { listen } from './ask.js'
import { button, byId, problem } from './dom.js'
import type { Scroller } from './scroller.js'

/** How far a log or a journal goes. */
export interface Extent {
  readonly first?: number
  readonly next: number
}

/** Stays at the end of what comes, until somebody looks back; a button, or f, begins and ends that. */
export function following(scroller: Scroller, grow: (extent: Extent) => void): void {
  let end: (() => void) | undefined
  const toggle = button('Follow', 'Show what comes (f)', () => (end ? stop() : go()))
  byId('tools').append(toggle)

  function go(): void {
    const next = (extent: Extent) => {
      grow(extent)
      scroller.top = scroller.count
    }
    const ended = (error?: Error) => {
      stop()
      problem(error)
    }
    end = listen('follow', {}, next, ended)
    scroller.top = scroller.count
    toggle.setAttribute('aria-pressed', 'true')
  }

  function stop(): void {
    end?.()
    end = undefined
    toggle.setAttribute('aria-pressed', 'false')
  }

  scroller.element.addEventListener('scroll', () => {
    if (end && !scroller.isAtEnd) stop()
  })
  document.addEventListener('keydown', ({ key, ctrlKey, metaKey }) => {
    if (key === 'f' && !ctrlKey && !metaKey) toggle.click()
  })
  go()
}
