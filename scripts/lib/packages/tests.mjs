import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { companionFolder, companions } from '../companions.mjs'
import { withFolder } from '../matrix.mjs'
import { installModules } from '../modules.mjs'
import { bin, root, run } from '../run.mjs'
import { inTurns } from '../turns.mjs'
import { testBinaries } from './binary-tests.mjs'
import { buildTarget } from './build.mjs'
import { companionManifest, packAll, packed, staged, tarball } from './pack.mjs'
import { linkedFiles } from './pages.mjs'
import { THIRD_PARTY, binaryOf, manifest } from './platforms.mjs'
import { runners } from './runners.mjs'
import { Suite } from './suite.mjs'
import { hostTarget, targets } from './targets.mjs'
import { installedBinary, sources, withUser } from './user.mjs'

/** The size budget, unpacked: of what is in the root package beside its pages, of these, and of a platform's package. */
const LARGEST_ROOT = 680_000
const LARGEST_PAGES = 320_000
const LARGEST_PLATFORM = 3_400_000

/** How long a program may take on another platform, in milliseconds. */
const LONGEST = 120_000

/**
 * Builds and packs what would be published, tests that, and resolves to the counts; the checkout is set up already.
 * Platforms whose turn comes after so many `seconds` are skipped, and those for which this machine lacks something.
 */
export async function testPackages(seconds = Infinity) {
  const start = performance.now()
  const suite = new Suite()
  const until = (share) => start + share * seconds * 1000
  const host = hostTarget()
  // The rest of the time is for running them.
  const others = await inTurns(targets.filter((target) => target !== host), ({ name }) => name)
  const built = await build(suite, [host, ...others], until(0.7))
  if (!built.includes(host)) return suite.counts
  await packAll(built)
  await installModules('bundlers, compilers and test runners', sources)
  await testContents(suite, built)
  await withUser(async (user) => {
    await testChoice(suite, user, built)
    await testHost(suite, user, host)
    for (const target of built) if (target.runs && target !== host) await testElsewhere(suite, user, target, until(1))
  })
  return suite.counts
}

/** Builds targets in order; resolves to those that are built. */
async function build(suite, wanted, end) {
  const built = []
  for (const target of wanted) {
    await suite.attempt(`the build of pmem-${target.name}`, end, async () => {
      await buildTarget(target)
      built.push(target)
    })
  }
  return built
}

/** Tests what is in the packages that are packed already, of whatever platforms; the checkout is set up. */
export async function testPackedContents() {
  const suite = new Suite()
  await testContents(suite, targets.filter(({ name }) => existsSync(tarball(`pmem-${name}`))))
  return suite.counts
}

async function testContents(suite, built) {
  await suite.check('npm/ has what `npm run manifests` writes', async () => {
    const { ok, output } = await run(process.execPath, [join(root, 'scripts/manifests.mjs'), '--check'])
    assert.ok(ok, output)
  })
  await testTarballs(suite, built)
  await testBinaries(suite, built)
}

/** Tests what is packed already, as far as that takes nothing but Node.js and npm; resolves to the counts. */
export async function testPacked() {
  const suite = new Suite()
  const host = hostTarget()
  await withUser(async (user) => {
    const { project, node } = await installHere(user, host, suite)
    await testPrograms(project, node, host)
    await testInstalledCompanions(suite, user, project, node)
    await testMissing(project, node, host)
  })
  return suite.counts
}

async function testHost(suite, user, host) {
  const { project, node } = await installHere(user, host, suite)
  await testPrograms(project, node, host)
  await testReleases(project, node)
  await testTypes(suite, project, node)
  await testCompilers(suite, project, node)
  await testRunners(suite, user, project)
  await testBundles(suite, project, node, host)
  await testInstalledCompanions(suite, user, project, node)
  await testMissing(project, node, host)
}

/** Installs the package into an empty project; resolves to that, and to how programs are run there. */
async function installHere(user, host, suite) {
  const project = await user.install(join(user.folder, 'project'), host)
  const env = { ...user.env, PMEM_EXPECT_ENGINES: host.engines.join(), PMEM_TEST_DIR: user.folder }
  const node = (label, args, more, binary = process.execPath) => {
    return suite.program(label, binary, ['--expose-gc', ...args], { cwd: project, env: { ...env, ...more } })
  }
  return { project, node }
}

async function testPrograms(project, node, host) {
  const program = (name) => join(project, 'programs', name)
  await node('CommonJS', [program('smoke.cjs')])
  await node('ES modules', [program('esm.mjs')])
  await node('without external buffers', [program('smoke.cjs')], { PMEM_NO_EXTERNAL_BUFFERS: '1' })
  await node('forced to be pmem', [program('smoke.cjs')], { PMEM_IS_PMEM_FORCE: '1' })
  await node('workers', [program('worker.mjs')])
  await node('native modules that are given', [program('given.cjs'), installedBinary(project, host)])
}

/** The same programs on another platform, in whatever runs it here. */
async function testElsewhere(suite, user, target, end) {
  await suite.attempt(`running pmem-${target.name}`, end, async () => {
    const { command, home = user.folder, stop } = await runners[target.runs]()
    await withFolder(home, async (folder) => {
      const project = await user.install(join(folder, 'project'), target)
      for (const program of ['smoke.cjs', 'esm.mjs', 'worker.mjs']) {
        const [runner, args, env] = command([join(project, 'programs', program)])
        const expected = { PMEM_EXPECT_ENGINES: target.engines.join(), PMEM_TEST_DIR: folder }
        const options = { cwd: project, env: { ...expected, ...env }, timeout: LONGEST }
        await suite.program(`${target.name}: ${program}`, runner, args, options)
      }
    }).finally(stop)
  })
}

/** What is in the tarballs, and how large that is. */
async function testTarballs(suite, built) {
  const names = await contents(tarball('pmem'))
  await suite.check('the root package has no binary and no source', () => {
    assert.deepEqual(names.filter((name) => /\.(node|rs|toml)$|(?<!\.d)\.[cm]?ts$/.test(name)), [])
  })
  const beside = companions.map(companionManifest)
  const packages = ['pmem', ...beside.map((companion) => companion.name), ...built.map((target) => `pmem-${target.name}`)]
  for (const name of packages) {
    await suite.check(`${name} has no script`, () => {
      assert.equal(JSON.parse(extracted(name, 'package.json')).scripts, undefined)
    })
  }
  for (const { name, exports, imports, main, types } of [manifest, ...beside]) {
    await suite.check(`${name}: every file that the manifest names is there`, async () => {
      const paths = JSON.stringify([exports, imports, main, types]).matchAll(/"(\.\/[^"]+)"(?!:)/g)
      const there = await contents(tarball(name))
      assert.deepEqual(Array.from(paths, ([, file]) => file).filter((file) => !there.includes(file.slice(2))), [])
    })
  }
  for (const { name, files } of beside) {
    await suite.check(`${name}: its files`, async () => {
      const others = (await contents(tarball(name))).filter((file) => !files.includes(file.split('/')[0]))
      assert.deepEqual(others, ['LICENSE', 'package.json'])
    })
  }
  await suite.check('the page on platforms has the example that is tested', () => {
    const [page, example] = [join(root, 'docs/platforms.md'), join(sources, 'bundle/native-binding.mjs')]
    assert.ok(readFileSync(page, 'utf8').includes(`\`\`\`mjs\n${readFileSync(example, 'utf8')}\`\`\``))
  })
  const isPage = (path) => path.startsWith(join(staged('pmem'), 'docs'))
  await suite.check('the root package is small', () => assertSmaller(staged('pmem'), LARGEST_ROOT, (path) => !isPage(path)))
  await suite.check('its pages are few', () => assertSmaller(staged('pmem'), LARGEST_PAGES, isPage))
  for (const target of built) {
    await suite.check(`pmem-${target.name}: its files`, async () => {
      const notices = target.engines.includes('pmdk') ? ['LICENSE', 'LICENSE-PMDK'] : ['LICENSE']
      const expected = [...notices, THIRD_PARTY, 'README.md', 'package.json', `pmem.${target.name}.node`]
      assert.deepEqual(await contents(tarball(`pmem-${target.name}`)), expected)
    })
    await suite.check(`pmem-${target.name}: its binary and notices`, () => {
      assert.ok(extracted(`pmem-${target.name}`, basename(binaryOf(target))).equals(readFileSync(binaryOf(target))))
      assert.match(extracted(`pmem-${target.name}`, THIRD_PARTY).toString(), /^napi 3[^]*^napi\b[^]*Permission is hereby granted/m)
    })
    await suite.check(`pmem-${target.name}: its size`, () => assertSmaller(staged(`pmem-${target.name}`), LARGEST_PLATFORM))
  }
  const clean = async (command, ...args) => {
    const { ok, output } = await run(command, args)
    assert.ok(ok && !/npm warn|Suggestions|Warnings/.test(output), output)
  }
  for (const { name, type } of [manifest, ...beside]) {
    await suite.check(`${name}: publint has nothing to say`, () => clean(bin('publint'), '--strict', tarball(name)))
    const profile = type === 'module' ? 'esm-only' : 'strict'
    await suite.check(`${name}: the types are not wrong`, () => clean(bin('attw'), tarball(name), '--profile', profile))
  }
  for (const name of packages) {
    await suite.check(`npm packs ${name} without a warning`, () => clean('npm', 'pack', '--dry-run', staged(name)))
    await suite.check(`${name}: its README is there, and links to what is in the package`, () => assertLinks(name))
  }
  await suite.check('nothing else is packed', () => assert.equal(readdirSync(packed).length, built.length + companions.length + 1))
}

/** That all pages of a package stand by themselves. */
async function assertLinks(name) {
  const files = await contents(tarball(name))
  const links = files.filter((file) => file.endsWith('.md')).flatMap((page) => linkedFiles(page, extracted(name, page).toString()))
  assert.ok(files.includes('README.md'))
  assert.deepEqual(links.filter((file) => !files.includes(file)), [])
}

/** A file of a package that is packed. */
function extracted(name, file) {
  const args = ['--extract', '--gzip', '--to-stdout', '--file', tarball(name), `package/${file}`]
  return execFileSync('tar', args, { maxBuffer: 1 << 26 })
}

async function contents(path) {
  const { stdout } = await run('tar', ['--list', '--gzip', '--file', path])
  return stdout.trim().split('\n').map((name) => name.replace('package/', '')).toSorted()
}

function assertSmaller(folder, limit, counts = () => true) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).filter(counts)
  const size = paths.reduce((sum, path) => sum + statSync(path).size, 0)
  assert.ok(size < limit, `${folder} has ${size} bytes, the budget is ${limit}`)
}

/** That npm chooses the package of the platform it installs for, and no other. */
async function testChoice(suite, user, built) {
  for (const target of built) {
    await suite.check(`npm chooses pmem-${target.name}`, async () => {
      const folder = await user.install(join(user.folder, target.name), target)
      const installed = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))
      assert.deepEqual(installed.toSorted(), ['pmem', `pmem-${target.name}`])
    })
  }
}

/** The releases of Node.js on which the other tests run too. */
async function testReleases(project, node) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  const folder = join(root, 'test-runtimes')
  await installModules('Node.js releases to test on', folder)
  const releases = readdirSync(join(folder, 'node_modules')).filter((name) => /^node\d+$/.test(name))
  for (const name of releases) {
    const binary = join(folder, 'node_modules', name, 'bin/node')
    await node(`${name}: ES modules`, [join(project, 'programs/esm.mjs')], {}, binary)
    await node(`${name}: workers`, [join(project, 'programs/worker.mjs')], {}, binary)
  }
}

/** Both ways in which TypeScript finds the types of a package. */
async function testTypes(suite, project, node) {
  for (const resolution of ['node16', 'bundler']) {
    const folder = join(project, 'types')
    await suite.check(`TypeScript, moduleResolution ${resolution}`, async () => {
      const args = ['--project', join(folder, `${resolution}.json`), '--typeRoots', join(root, 'node_modules/@types')]
      const { ok, output } = await run(bin('tsc'), args)
      assert.ok(ok, output)
    })
    for (const name of readdirSync(join(folder, resolution))) {
      await node(`TypeScript, ${resolution}: ${name}`, [join(folder, resolution, name)])
    }
  }
}

/** Compilers of several ages, each as its own `tsc --init` has it: without the types of Node.js, and with them. */
async function testCompilers(suite, project, node) {
  for (const name of ['typescript-5.2', 'typescript-5.6', 'typescript-5.7', 'typescript-7']) {
    const folder = join(project, name)
    const tsc = (...args) => run(process.execPath, [join(sources, 'node_modules', name, 'bin/tsc'), ...args], { cwd: folder })
    const compiles = async (label, ...args) => {
      await suite.check(`${name}: ${label}`, async () => {
        const { ok, output } = await tsc('--pretty', 'false', '--project', folder, ...args)
        assert.ok(ok, output)
      })
    }
    mkdirSync(folder)
    // The defaults of the last are for ES modules.
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: name === 'typescript-7' ? 'module' : 'commonjs' }))
    copyFileSync(join(project, 'typescript/main.ts'), join(folder, 'main.ts'))
    await tsc('--init')
    await compiles('without the types of Node.js')
    const modules = join(project, 'node_modules')
    for (const types of ['@types/node', 'undici-types']) {
      cpSync(join(root, 'node_modules', types), join(modules, types), { recursive: true })
    }
    copyFileSync(join(project, 'typescript/node.ts'), join(folder, 'node.ts'))
    await compiles('with the types of Node.js')
    await compiles('with all typings checked', '--skipLibCheck', 'false')
    rmSync(join(modules, '@types'), { recursive: true })
    await node(`${name}: what it made`, [join(folder, 'main.js')])
    rmSync(join(project, 'typed.log'), { force: true })
  }
}

/** Test runners, in each way in which they keep tests apart. */
async function testRunners(suite, user, project) {
  const cwd = join(project, 'test-runners')
  const commands = {
    jest: ['jest/bin/jest.js', '--rootDir', cwd],
    ...Object.fromEntries(['forks', 'threads', 'vmForks', 'vmThreads'].map((pool) => [pool, ['vitest/vitest.mjs', 'run', '--globals', '--pool', pool]])),
  }
  for (const [name, [program, ...args]] of Object.entries(commands)) {
    await suite.check(name === 'jest' ? 'Jest' : `Vitest, pool ${name}`, async () => {
      const env = { PMEM_TEST_DIR: user.folder, PMEM_RUNNER: name }
      const { ok, output } = await run(process.execPath, [join(sources, 'node_modules', program), ...args], { cwd, env })
      assert.ok(ok, output)
    })
  }
}

/** Bundles that find the platform's package in node_modules, and bundles that have its file beside them. */
async function testBundles(suite, project, node, host) {
  for (const bundler of ['esbuild', 'vite', 'webpack']) {
    const bundled = async (entry, output) => {
      const result = await run(process.execPath, [join(sources, `${bundler}.mjs`), join(project, 'bundle', entry), output])
      assert.ok(result.ok && result.output === '', result.output)
    }
    const inside = join(project, bundler, 'main.cjs')
    await suite.check(`${bundler}`, () => bundled('main.mjs', inside))
    await node(`${bundler}: the package in node_modules`, [inside])
    const apart = join(project, '..', bundler)
    mkdirSync(apart)
    await suite.check(`${bundler}, given its native module`, () => bundled('apart.mjs', join(apart, 'main.cjs')))
    copyFileSync(installedBinary(project, host), join(apart, 'pmem.node'))
    await suite.program(`${bundler}: a file beside it`, process.execPath, ['main.cjs'], { cwd: apart })
  }
}

/** The companions, installed beside the package: a small program of each that has one. */
async function testInstalledCompanions(suite, user, project, node) {
  const names = companions.map((name) => companionManifest(name).name)
  await suite.check('npm installs the companions', () => user.add(project, ...names))
  for (const name of companions) {
    const source = join(companionFolder(name), 'test/installed.mjs')
    if (!existsSync(source)) continue
    const program = join(project, 'programs', `${name}.mjs`)
    copyFileSync(source, program)
    await node(`${name}, installed`, [program])
  }
}

/** What a user reads whose platform's package is missing, or is broken. */
async function testMissing(project, node, host) {
  const name = `pmem-${host.name}`
  const program = join(project, 'programs/missing.cjs')
  const binary = installedBinary(project, host)
  // Anew, since the system may have the file itself loaded.
  rmSync(binary)
  writeFileSync(binary, 'no binary')
  await node('a native module that does not load', [program, name, `pmem.${host.name}.node`])
  rmSync(dirname(binary), { recursive: true })
  await node('no native module', [program, name, 'is not installed'])
}
