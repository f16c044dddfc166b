import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { none } from '../counts.mjs'
import { root } from '../run.mjs'
import { FOLDER, makeNvdimm, prepareMachine, runInMachine } from './machine.mjs'

/** The power is cut at some moment after a line `from` on the console, `longest` milliseconds at most. */
const AT_RANDOM = { from: 'ready', longest: 4000 }

/** What is to be lost by a fault is lost of the last changes; older ones the file system makes durable by and by. */
const SOON = { from: 'done objects 9', longest: 500 }

/** The fault that has to lose something: mappings of persistent memory that lack MAP_SYNC. */
const FAULT = 'mapping: no MAP_SYNC'

/**
 * Boots a machine that looks for what `before` had acknowledged, of the work that ended with a power cut, and then works anew,
 * `after`, until its power is cut at a moment by chance. Resolves to what is lost, a line for each subject, and to how many changes
 * of each subject were acknowledged now.
 */
async function boot(parts, nvdimm, before, after) {
  const [lost, counts] = [[], new Map()]
  let verified = before === undefined
  const { output } = await runInMachine(parts, [...verifying(before), ...working(after)].join('\n'), {
    nvdimm,
    timeout: 300,
    onLine(line, cutPower) {
      const [, subject, number] = /^done (\S+) (\d+)$/.exec(line) ?? []
      if (subject !== undefined) counts.set(subject, Number(number) + 1)
      if (line === after?.from) setTimeout(cutPower, Math.random() * after.longest)
      if (line.startsWith('lost ')) lost.push(line)
      if (line.startsWith('looked for ')) verified = true
    },
  })
  if (!verified) lost.push(`what is there cannot be verified:\n${output}`)
  return { lost, counts }
}

function verifying(work) {
  if (work === undefined) return []
  const asked = [...work.counts].map(([subject, count]) => `${subject}=${count}`).join(' ')
  return [`node test-dax/verify.mjs ${work.folder} ${asked} || exit 1`, `rm -r ${work.folder}`]
}

function working(work) {
  return work === undefined ? [] : [`${work.env} node test-dax/work.mjs ${work.folder}`]
}

/** The environment of a program whose mappings of persistent memory are not synchronous. */
function withoutSync() {
  const folder = join(root, 'build/recorder')
  const name = existsSync(folder) && readdirSync(folder).find((file) => file.endsWith('.node'))
  if (!name) throw new Error('There is no native module with deliberate faults: npm run build:recorder')
  return `NAPI_RS_NATIVE_LIBRARY_PATH=${join(folder, name)} PMEM_DELIBERATE_FAULT='${FAULT}'`
}

/** What was found after a cut, in words and as a count: a loss is what is expected of the fault alone. */
function judge({ label, env, counts }, lost) {
  const sum = [...counts.values()].reduce((total, count) => total + count, 0)
  const each = [...counts].map(([subject, count]) => `${subject} ${count}`).join(', ')
  const isLost = lost.some((line) => line.startsWith('lost '))
  const isRight = env === '' ? lost.length === 0 : isLost
  const found = lost.length > 0 ? `lost${isRight ? ', as it has to be' : ''}:` : `${isRight ? 'all are there' : 'NOTHING IS LOST'}`
  console.log([`${label}: ${sum} changes acknowledged (${each}), ${found}`, ...lost].join('\n'))
  return isRight ? { passed: 1, failed: 0, sum } : { passed: 0, failed: 1, sum }
}

/**
 * Cuts the power of a machine in the midst of work, so many times, and looks for what was acknowledged; and once with a fault
 * that has to lose something. Resolves to counts of cuts.
 */
export async function testPowercuts(cuts) {
  const parts = await prepareMachine()
  if (parts.reason) {
    console.log(`Power cuts of a machine ... skipped: ${parts.reason}`)
    return { ...none, skipped: cuts + 1 }
  }
  const works = Array.from({ length: cuts }, (_, index) => ({ label: `power cut ${index + 1}`, env: '', ...AT_RANDOM }))
  works.push({ label: 'power cut without MAP_SYNC', env: withoutSync(), ...SOON })
  const nvdimm = makeNvdimm()
  const total = { passed: 0, failed: 0, skipped: 0 }
  let [before, acknowledged] = [undefined, 0]
  try {
    for (const [index, work] of [...works, undefined].entries()) {
      const after = work && { ...work, folder: join(FOLDER, `work-${index}`) }
      const { lost, counts } = await boot(parts, nvdimm.path, before, after)
      if (before) {
        const { passed, failed, sum } = judge(before, lost)
        total.passed += passed
        total.failed += failed
        if (before.env === '') acknowledged += sum
      }
      before = after && { ...after, counts }
    }
    // A cut may come before the first; not each of them.
    if (acknowledged === 0) throw new Error('Nothing was acknowledged before any cut')
  } catch (error) {
    console.log(error.message)
    total.failed += 1
  } finally {
    nvdimm.remove()
  }
  console.log(`${acknowledged} changes were acknowledged before ${cuts} power cuts`)
  return total
}
