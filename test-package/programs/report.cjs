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

module.exports = { report }
