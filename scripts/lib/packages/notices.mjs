import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run, StepError } from '../run.mjs'

const NOTICE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i

/** The notices of the Rust libraries that are linked into a target's binary. */
export async function notices(target) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', target.triple]
  if (!target.engines.includes('pmdk')) args.push('--no-default-features')
  const { ok, stdout, output } = await run('cargo', args)
  if (!ok) throw new StepError(output)
  const { packages, resolve } = JSON.parse(stdout)
  const linked = linkedPackages(resolve.nodes, packages.find(({ name }) => name === 'pmem-node').id)
  const libraries = packages.filter(({ id, source }) => source && linked.has(id))
  const head = 'The binary contains these libraries, and the standard library of Rust (MIT OR Apache-2.0).'
  const list = libraries.map(({ name, version, license }) => `${name} ${version}: ${license}`).join('\n')
  return [head, list, ...texts(libraries)].join(`\n\n${'-'.repeat(80)}\n\n`)
}

/** Each text once, below the names of the libraries that have it. */
function texts(libraries) {
  const byText = new Map()
  for (const library of libraries) {
    for (const text of textsOf(library)) byText.set(text, [...(byText.get(text) ?? []), library.name])
  }
  return Array.from(byText, ([text, names]) => `${names.join(', ')}\n\n${text}`)
}

/** What a package links, itself and through others: neither what builds it nor what tests it. */
function linkedPackages(nodes, start) {
  const linked = new Set()
  const open = [start]
  while (open.length) {
    const id = open.pop()
    if (linked.has(id)) continue
    linked.add(id)
    const { deps } = nodes.find((node) => node.id === id)
    open.push(...deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null)).map(({ pkg }) => pkg))
  }
  return linked
}

function textsOf({ manifest_path }) {
  const folder = dirname(manifest_path)
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile() && NOTICE.test(entry.name))
  return files.map((file) => readFileSync(join(folder, file.name), 'utf8').trim())
}
