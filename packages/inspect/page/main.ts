/** Shows the file that the server has, as what it is. */

import { ask } from './ask.js'
import { showBlocks } from './blocks.js'
import { facts } from './detail.js'
import { byId, make, problem } from './dom.js'
import { showBytes } from './hex.js'
import { showJournal } from './journal.js'
import { showStore } from './store.js'

interface Info {
  readonly name: string
  readonly path: string
  readonly kind: string
  readonly called: string
  readonly known: object
}

const views: Readonly<Record<string, () => Promise<void>>> = {
  store: showStore,
  journal: showJournal,
  log: () => showBytes(true),
  blocks: showBlocks,
}

const showRaw = () => showBytes(false)

async function show(): Promise<void> {
  const { name, path, kind, called, known } = await ask<Info>('info')
  document.title = `${name} \u2013 pmem inspect`
  document.querySelector('h1')!.textContent = name
  byId('kind').textContent = called
  byId('facts').replaceChildren(make('h2', {}, 'File'), facts({ path, ...known }))
  document.body.dataset.kind = kind
  try {
    await (views[kind] ?? showRaw)()
  } catch (error) {
    problem(error)
    // What cannot be read as what it is still has bytes.
    if (kind !== 'journal') await showRaw()
  }
}

show().catch(problem)
