/** Paths into a store, as its error messages have them: `root.users.get("ada").visits`, `list[3]`. */

import type { Step } from './object-steps.js'
import { UsageError } from './command.js'

/** A step as it is written: the pattern of it, and what it leads to. */
const STEPS: readonly (readonly [RegExp, (text: string) => Step])[] = [
  [/^\.get\(((?:[^()"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\)/, (text) => ({ entry: keyOf(text) })],
  [/^\[(\d+)\]/, (text) => ({ index: Number(text) })],
  [/^\[("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]/, (text) => ({ field: textOf(text) })],
  [/^\.([\p{ID_Start}$_][\p{ID_Continue}$-]*)/u, (text) => ({ field: text })],
]

/** The steps from the root. */
export function stepsOf(path: string): Step[] {
  const steps: Step[] = []
  let rest = path.replace(/^root(?=$|[.[])/, '')
  if (/^[\p{ID_Start}$_]/u.test(rest)) rest = `.${rest}`
  while (rest !== '') {
    const [step, length] = firstStep(rest) ?? []
    if (!step) throw new UsageError(`PATH is steps such as users.get("ada").visits or list[3], and '${rest}' begins with none`)
    steps.push(step)
    rest = rest.slice(length)
  }
  return steps
}

function firstStep(text: string): [Step, number] | undefined {
  for (const [pattern, read] of STEPS) {
    const match = pattern.exec(text)
    if (match) return [read(match[1]!), match[0].length]
  }
  return undefined
}

/** A key within `get()`: JSON, a text in single quotes, a bigint, or undefined. */
function keyOf(text: string): unknown {
  const key = text.trim()
  if (/^-?\d+n$/.test(key)) return BigInt(key.slice(0, -1))
  if (key.startsWith("'")) return textOf(key)
  if (key === 'undefined') return undefined
  try {
    return JSON.parse(key) as unknown
  } catch {
    throw new UsageError(`a key is JSON, such as get("ada") or get(3), not get(${key})`)
  }
}

function textOf(quoted: string): string {
  if (quoted.startsWith('"')) return JSON.parse(quoted) as string
  return quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1')
}
