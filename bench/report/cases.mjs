// All cases, in the order of the page.
//
// A case has `sides`, the peers that do its work; `begin(store, scale)`, which makes what a round needs; `round`, which gives one figure or
// as many as `figures` names; and `check`, which throws where the store does not hold what was written. `reasons` says why a peer
// is faster where it is. What is `apart` opens its stores by itself.
import { cases as devices } from './cases/device.mjs'
import { cases as entries } from './cases/entries.mjs'
import { cases as processes } from './cases/processes.mjs'
import { cases as records } from './cases/records.mjs'

export const cases = [...records, ...entries, ...processes, ...devices]

export const findCase = (name) => cases.find((one) => one.name === name)
