/** Native modules that are given, as a path, as an object or by the environment, and what is refused. The argument is one. */

const assert = require('node:assert/strict')
const { execFileSync } = require('node:child_process')
const { report } = require('./report.cjs')

const path = process.argv[2]

/** Runs code in a process of its own; resolves to what it printed. */
function run(code, env) {
  return execFileSync(process.execPath, ['-e', code, path], { encoding: 'utf8', env: { ...process.env, ...env } }).trim()
}

const set = (binding) => `require('pmem/native-binding').setNativeBinding(${binding});`
const load = `console.log(require('pmem').capabilities.engines.includes('rust'))`
const failure = (code) => `try { ${code} } catch (error) { console.log(error.code, error.message) }`

async function main() {
  await report('a native module by path', () => assert.equal(run(set('process.argv[1]') + load), 'true'))
  await report('a native module as an object', () => assert.equal(run(set('require(process.argv[1])') + load), 'true'))
  await report('a native module by the environment', () => assert.equal(run(load, { PMEM_NATIVE_BINDING: path }), 'true'))
  await report('what is set comes before the environment', () => {
    assert.equal(run(set('process.argv[1]') + load, { PMEM_NATIVE_BINDING: `${path}-missing` }), 'true')
  })
  await report('a path where nothing is', () => {
    const said = run(failure(set(`process.argv[1] + '-missing'`) + load))
    assert.match(said, /^ERR_PMEM_UNSUPPORTED .*-missing/)
  })
  await report('a native module after the package is loaded', () => {
    assert.match(run(load.replace('console.log', 'void ') + ';' + failure(set('process.argv[1]'))), /^ERR_PMEM_UNSUPPORTED /)
  })
  await report('an object that is something else', () => assert.match(run(failure(set('{}'))), /^ERR_INVALID_ARG_VALUE /))
  await report('a file URL', () => {
    assert.equal(run(set(`require('node:url').pathToFileURL(process.argv[1])`) + load), 'true')
  })
  await report('a relative path, which is resolved at the call', () => {
    const relative = `require('node:path').relative(process.cwd(), process.argv[1])`
    assert.equal(run(`const binding = ${relative};` + set('binding') + `process.chdir('/');` + load), 'true')
  })
  await report('paths that are none', () => {
    for (const none of [`''`, `'a\\0b'`]) assert.match(run(failure(set(none))), /^ERR_INVALID_ARG_VALUE /)
  })
  await report('a native module that is another', () => {
    assert.match(run(failure(set('{ callFrame: 1 }') + load)), /^ERR_PMEM_UNSUPPORTED .*no native module of pmem/)
    const old = `{ ...require(process.argv[1]), nativeVersion: () => '0.0.9' }`
    assert.match(run(failure(set(old) + load)), /^ERR_PMEM_UNSUPPORTED .*0\.0\.9/)
  })
  await report('another try after one that failed', () => {
    const first = failure(set(`process.argv[1] + '-missing'`) + load)
    assert.match(run(first + set('process.argv[1]') + load), /\ntrue$/)
  })
  await report('a number', () => assert.match(run(failure(set('1'))), /^ERR_INVALID_ARG_TYPE /))
}

void main()
