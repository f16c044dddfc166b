import { writeSync } from 'node:fs'

/** Runs a check and prints how it went, as ava does. */
export function check(name, work) {
  try {
    work()
    writeSync(1, `  ✔ ${name}\n`)
  } catch (error) {
    writeSync(1, `  ✘ [fail]: ${name}\n${error.stack}\n`)
    process.exitCode = 1
  }
}

/** That `work` throws an error with a code, and with a text in its message. */
export function throws(code, text, work) {
  try {
    work()
  } catch (error) {
    if (error.code === code && error.message.includes(text)) return
    throw error
  }
  throw new Error(`no ${code} was thrown`)
}

export function equal(found, expected) {
  if (found !== expected) throw new Error(`${found} in place of ${expected}`)
}
