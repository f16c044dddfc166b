// Who is measured: what each promises once its call has returned or its promise has resolved, and where its version is found.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { capabilities } from 'pmem'

const require = createRequire(import.meta.url)
const version = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
const ours = 'what was acknowledged is there after a power cut; each change as a whole, or not at all'
const sqlite = 'the same; `journal_mode = WAL`, `synchronous = FULL`, a transaction for each change'

/** By name, `nothing` for a process that does none of it; `store` is the module in `stores/` that opens it, `module` what has to be installed for it. */
export const peers = {
  nothing: {},
  'pmem journal': { version, store: 'journal', guarantee: ours },
  'pmem objects': { version, store: 'objects', guarantee: ours },
  pmemlog: { version, store: 'log', guarantee: ours },
  pmemblk: { version, store: 'blocks', guarantee: `${ours}. A block of 512 bytes each time` },
  'pmem region': { version, store: 'region', guarantee: 'what was persisted is there; a range that is being persisted may be there in part' },
  C: { store: 'c', version: `PMDK ${capabilities.pmdk ?? ''}`, guarantee: 'the limit: on memory libpmem and libpmemlog, as the pmem modules have it; on a disk `pwrite` and `fdatasync` alone, without checksums, lengths or recovery' },
  pynvm: { store: 'pynvm', version: '0.3.1', guarantee: 'as libpmemlog in C, from Python' },
  'mmap-io': { store: 'mmap-io', module: '@riaskov/mmap-io', guarantee: 'a mapped file and `msync`: what was synced is there, a range that is being synced may be there in part' },
  fs: { store: 'fs', version: `Node.js ${process.versions.node}`, guarantee: '`writeSync`, then `fdatasyncSync`: it is there after a power cut, the last record maybe in part. 64 at a time: what waits is written and synced together, by thirty lines of JavaScript' },
  'better-sqlite3': { store: 'better-sqlite3', module: 'better-sqlite3', guarantee: sqlite },
  'node:sqlite': { store: 'node-sqlite', module: 'node:sqlite', guarantee: sqlite },
  lmdb: { store: 'lmdb', module: 'lmdb', guarantee: 'the same; `putSync` without overlapping sync, and 64 at a time `put` and then `flushed`. Values have no checksum' },
  'classic-level': { store: 'classic-level', module: 'classic-level', guarantee: 'the same, by `{ sync: true }`; a record of the log that does not pass its checksum ends recovery' },
  'level + JSON': { store: 'level', module: 'level', guarantee: 'as classic-level, on which it stands; values are JSON' },
  'JSON + rename': { version: `Node.js ${process.versions.node}`, store: 'json', guarantee: 'the state before, or the one after: a new file is written and synced, renamed, and the folder synced' },
}

/** The version of what a peer is, and why it cannot be measured here, if so. */
export function found(name) {
  const { module, version: known } = peers[name]
  if (!module) return { version: known }
  try {
    require(module)
  } catch (error) {
    return { reason: `${module} does not load: ${error.message.split('\n', 1)[0]}` }
  }
  if (module.startsWith('node:')) return { version: `SQLite ${process.versions.sqlite}` }
  return { version: JSON.parse(readFileSync(packagePath(module), 'utf8')).version }
}

function packagePath(module) {
  return new URL(`node_modules/${module}/package.json`, import.meta.url)
}
