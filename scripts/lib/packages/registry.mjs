import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { basename } from 'node:path'
import { companions } from '../companions.mjs'
import { run } from '../run.mjs'
import { companionManifest, packed, tarball } from './pack.mjs'
import { platformManifest } from './platforms.mjs'
import { targets } from './targets.mjs'

const UPSTREAM = 'https://registry.npmjs.org'

/**
 * Calls `work` with the address of a registry that serves what `packAll` packed, on this machine alone, and what it lacks from npm's.
 * Platforms that are not built have their manifests there and no tarballs, which npm on another platform does not ask for.
 */
export async function withRegistry(work) {
  const packages = new Map((await manifests()).map((manifest) => [manifest.name, manifest]))
  const address = () => `http://127.0.0.1:${server.address().port}`
  const server = createServer(async ({ url, headers }, response) => {
    const body = answer(packages, url, address())
    if (body) return response.end(body)
    const { status, content } = await upstream(url, headers.accept)
    response.writeHead(status).end(content)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await work(address())
  } finally {
    server.close()
  }
}

/** `/NAME` is what there is of a package, `/NAME/-/FILE` its tarball. */
function answer(packages, url, address) {
  const [, name, file] = /^\/([\w-]+)(?:\/-\/([\w.-]+))?$/.exec(url) ?? []
  const manifest = packages.get(name)
  if (!manifest) return undefined
  if (!file) return JSON.stringify(packument(manifest, address))
  const path = tarball(name)
  return file === basename(path) && existsSync(path) ? readFileSync(path) : undefined
}

/** What npm's registry answers. */
async function upstream(url, accept) {
  try {
    const answered = await fetch(new URL(url, UPSTREAM), { headers: { accept } })
    return { status: answered.status, content: Buffer.from(await answered.arrayBuffer()) }
  } catch {
    return { status: 502, content: '{}' }
  }
}

async function manifests() {
  // By its name alone: to some a colon in a path names another machine.
  const { stdout } = await run('tar', ['-xzOf', basename(tarball('pmem')), 'package/package.json'], { cwd: packed })
  return [JSON.parse(stdout), ...companions.map(companionManifest), ...targets.map(platformManifest)]
}

/** What a registry says of a package that has one version. */
function packument(manifest, address) {
  const { name, version } = manifest
  const path = tarball(name)
  const dist = { tarball: `${address}/${name}/-/${basename(path)}` }
  if (existsSync(path)) dist.integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } } }
}
