/** No tests at all. */
export const none = Object.freeze({ passed: 0, failed: 0, skipped: 0 })

/** Counts of one run of `cargo test`: unit, integration and documentation tests together. */
export function countCargo(result) {
  const lines = [...result.stdout.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)]
  const sum = (group) => lines.reduce((total, line) => total + Number(line[group]), 0)
  return complete({ passed: sum(1), failed: sum(2), skipped: sum(3) }, result)
}

/**
 * Counts of one run of ava, by the mark before each result: its summary leaves out the passes where something failed,
 * and its TAP reporter breaks where a test file exits early. Such an exit has a failure's mark too.
 */
export function countAva(result) {
  const marked = (mark) => result.stdout.match(new RegExp(`^ +${mark} `, 'gm'))?.length ?? 0
  return complete({ passed: marked('[✔√]'), failed: marked('[✘×]'), skipped: marked('- \\[skip\\]') }, result)
}

/** Counts of one run of the suite without a framework, which prints them last. */
export function countSuite(result) {
  const [, passed = 0, failed = 0] = /^(\d+) passed, (\d+) failed\n$/m.exec(result.stdout) ?? []
  return complete({ passed: Number(passed), failed: Number(failed), skipped: 0 }, result)
}

/** Counts of one run that prints TAP, by its lines. */
export function countTap(result) {
  const lines = result.stdout.match(/^ *(not )?ok \d+.*$/gm) ?? []
  const [skipped, ran] = [lines.filter(isSkipped), lines.filter((line) => !isSkipped(line))]
  const passed = ran.filter((line) => line.trimStart().startsWith('ok')).length
  return complete({ passed, failed: ran.length - passed, skipped: skipped.length }, result)
}

const isSkipped = (line) => /# skip/i.test(line)

export function add(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

export function describe({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`
}

/** A run that crashed, or that ran nothing, counts as a failure even if no test of it failed. */
function complete(counts, { ok }) {
  const broken = counts.failed === 0 && (!ok || counts.passed === 0)
  return broken ? { ...counts, failed: 1 } : counts
}
