const { rmSync } = require('node:fs')
const { setTimeout } = require('node:timers/promises')

/** Runs a check and prints a line for it, as test runners do. */
async function report(name, check) {
  try {
    await check()
    console.log(`  ✔ ${name}`)
  } catch (error) {
    console.log(`  ✘ ${name}\n${error.stack}`)
    process.exitCode = 1
  }
}

/** Removes a folder. On Windows a file stays mapped until the buffers over it are collected, and cannot go before. */
async function remove(folder) {
  if (process.platform === 'win32') {
    await setTimeout(10)
    globalThis.gc()
    await setTimeout(10)
  }
  rmSync(folder, { recursive: true })
}

module.exports = { remove, report }
