// node scripts/bench-heap.mjs --dir /dev/shm [...]: unpacks libpmemobj's development files where Debian has them, builds
// bench/heap, and runs it with the arguments. Without libpmemobj it compares the rest.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { main, root } from './lib/run.mjs'
import { unpackedDebian } from './lib/packages/tools.mjs'
import { Unavailable } from './lib/tools.mjs'

/** bench/heap/build.rs looks in the folder of this name. */
async function unpackLibrary() {
  try {
    await unpackedDebian('pmdk-objects', ['libpmemobj-dev', 'libpmemobj1'])
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`${error.message}\nGoing on without libpmemobj`)
  }
}

await main(async () => {
  await unpackLibrary()
  const args = process.argv.slice(2)
  const manifest = ['--manifest-path', join(root, 'bench/heap/Cargo.toml')]
  const { status } = spawnSync('cargo', ['run', '--release', '--locked', ...manifest, '--', ...args], {
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
})
