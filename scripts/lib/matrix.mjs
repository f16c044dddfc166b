import { chmodSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './run.mjs'

const TMPFS = 0x01021994

/** The conditions under which the suite runs: each a label and environment variables for it. */
export function matrix() {
  return folders().flatMap(([place, folder]) =>
    kinds(place).map(({ forced, copied }) => ({
      label: [place, forced && 'forced to be pmem', copied && 'no external buffers'].filter(Boolean).join(', '),
      folder,
      env: { PMEM_IS_PMEM_FORCE: forced, PMEM_NO_EXTERNAL_BUFFERS: copied },
    })),
  )
}

/** What is counted as persistent memory syncs nothing, so that a disk makes no difference to it; nor do either to buffers. */
function kinds(place) {
  const plain = {}
  return place === 'disk' ? [plain] : [plain, { copied: '1' }, { forced: '1' }]
}

/** As which the suite runs over a native module that was built without PMDK: it flushes by itself what is persistent memory. */
export function withoutPmdk(nativeModule) {
  const { label, folder, env } = matrix().find((condition) => condition.env.PMEM_IS_PMEM_FORCE) ?? matrix()[0]
  const more = { PMEM_TEST_RUNTIMES: '0', PMEM_TEST_KILLS: '3', PMEM_TEST_OBJECTS: 'none', NAPI_RS_NATIVE_LIBRARY_PATH: nativeModule }
  return { label: `${label}, without PMDK`, folder, env: { ...env, ...more } }
}

/** Calls `work` with a new folder below `parent`, which is gone afterwards. */
export async function withFolder(parent, work) {
  const folder = mkdtempSync(join(parent, 'pmem-test-'))
  // Some tests look at files as another user.
  chmodSync(folder, 0o755)
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function folders() {
  const memory = existsSync('/dev/shm') ? [['tmpfs', '/dev/shm']] : []
  const disk = [tmpdir(), join(root, 'build')].find((folder) => statfsSync(folder).type !== TMPFS)
  return disk ? [...memory, ['disk', disk]] : memory
}
