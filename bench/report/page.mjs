// The page: what was measured, and what is to be known of it. All figures come from the results.
import { bars } from './charts.mjs'
import { better, spread, written } from './figures.mjs'
import { peers } from './peers.mjs'

const PLACES = { disk: 'On a disk', memory: 'On memory that counts as persistent', device: 'On a device of its own' }

const NO_REASON = 'the reason was not looked into'

/** By how much another one has to be better before it is said to be. */
const CLEARLY = 1.1

/** The page and its charts, by their names: `results` are `{ one, place, sides }`, `about` says of the machine and the run. */
export function render(results, about) {
  const charts = results.filter(({ one, place }) => one.chart === place).map((result) => [chartName(result.one), chart(result)])
  return { page: [head(about), promises(about), ...sections(results), foot(about)].join('\n\n'), charts: Object.fromEntries(charts) }
}

/** Whether a round had one: there is none where a store is nothing like it. */
const isFigure = (value) => typeof value === 'number'

const chartName = ({ name }) => (name === 'append' ? 'benchmarks-durable-append.svg' : `benchmarks-${name}.svg`)

const middles = ({ rounds }, index) => spread(rounds.map((values) => values[index]).filter(isFigure)).middle

function chart({ one, sides }) {
  const rows = sides.filter(({ rounds }) => rounds).map((side) => ({ peer: side.peer, value: middles(side, 0) }))
  const what = one.unit === 'rate' ? 'in a second, more is better' : 'time, less is better'
  return bars(`${one.title} on a disk: ${what}`, rows, one.unit)
}

/** What is wrong with a run, in which each peer can be had but those in `absentees`, and with what was made of it. */
export function problems(results, { page, charts }, absentees = []) {
  const isMissing = ({ peer, reason }) => reason !== undefined && !absentees.includes(peer)
  const missing = results.flatMap(({ one, place, sides }) => {
    const gone = one.sides.filter((peer) => !sides.some((side) => side.peer === peer))
    return [...gone.map((peer) => ({ peer, reason: 'it is not there' })), ...sides.filter(isMissing)].map(({ peer, reason }) => `${one.name}, ${place}: ${peer}: ${reason}`)
  })
  return [...missing, ...[page, ...Object.values(charts)].flatMap((text) => text.match(/.*\b(?:NaN|undefined|Infinity)\b.*/g) ?? [])]
}

function head({ machine, date, disk, command, scale }) {
  return `# Benchmarks

What \`pmem\` costs beside what one would take instead, on the same work, in one run. Made by \`${command}\`, all of it, on ${date}:
${machine}. The disk is ${disk}. It takes ten minutes. Figures are of that machine and minute: run it on yours.

**How to read it.** Each peer has a process and a folder of its own. Rounds are taken in turns, ${scale.rounds} of each, after one that is not counted; a cell
has the one in the middle, and in brackets the fastest and the slowest. Data differs each time, and at the end each store is asked for what was
written. *On a disk* every change is durable before the next one begins: mostly it is the disk that is measured. *On memory that counts as
persistent* (tmpfs, \`PMEM_IS_PMEM_FORCE=1\`) nobody waits for a disk, so that it shows what the software does itself; a sync of the others costs
a system call there and no more. Where another one is better by a tenth or more than the best of ours, that is said below the table, by the most of its columns and with the reason as far as it is known.
[Speed](speed.md) has the goals of each operation.`
}

function promises({ versions }) {
  const rows = Object.entries(peers).filter(([, { guarantee }]) => guarantee).map(([name, { guarantee }]) => `| ${name} | ${versions[name] ?? ''} | ${guarantee} |`)
  return `## What each promises

| | version | when the call has returned, or its promise has resolved |
|---|---|---|
${rows.join('\n')}

mmap-io is \`@riaskov/mmap-io\`, which is built here with the flags that Node.js 24 takes; by itself it does not compile for that, nor does
\`mmap-io\` 1.1.7.`
}

function* sections(results) {
  const ones = new Set(results.map(({ one }) => one))
  for (const one of ones) {
    const places = results.filter((result) => result.one === one)
    const picture = places.some(({ place }) => place === one.chart) ? `\n\n![${one.title}, as in the table](images/${chartName(one)})` : ''
    yield `## ${one.title}\n\n${one.text}${picture}\n\n${table(one, places)}${places.flatMap((result) => losses(result)).join('')}`
  }
}

/** A row for each peer, a column for each place and figure. */
function table(one, places) {
  const columns = places.flatMap(({ place, sides, scale }) => {
    const figures = one.figures?.(scale) ?? ['']
    const label = places.length > 1 || figures.length === 1 ? PLACES[place].toLowerCase() : ''
    return figures.map((figure, index) => ({ title: [label, figure].filter(Boolean).join(': '), sides, index }))
  })
  const row = (peer) => `| ${peer} | ${columns.map(({ sides, index }) => cell(sides.find((side) => side.peer === peer), index, one.unit)).join(' | ')} |`
  return [`| | ${columns.map(({ title }) => title).join(' | ')} |`, `|---|${'---|'.repeat(columns.length)}`, ...one.sides.map(row)].join('\n')
}

function cell(side, index, unit) {
  if (!side) return ''
  if (side.reason !== undefined) return `not measured: ${side.reason.replaceAll('|', '\\|')}`
  const values = side.rounds.map((round) => round[index]).filter(isFigure)
  if (values.length === 0) return ''
  const { low, middle, high } = spread(values)
  return values.length === 1 ? written(middle, unit) : `${written(middle, unit)} (${written(low, unit)} to ${written(high, unit)})`
}

/** Who is clearly better than the best of ours, and why. */
function losses({ one, place, sides }) {
  const measured = sides.filter(({ rounds, peer }) => rounds && peer !== 'nothing')
  const ours = measured.filter(({ peer }) => peer.startsWith('pmem'))
  const theirs = measured.filter(({ peer }) => !peer.startsWith('pmem'))
  if (ours.length === 0 || !['time', 'rate'].includes(one.unit)) return []
  const best = (index) => {
    const values = ours.map((side) => middles(side, index)).filter(isFigure)
    return one.unit === 'rate' ? Math.max(...values) : Math.min(...values)
  }
  const factorOf = (side) => Math.max(...side.rounds[0].map((_, index) => better(middles(side, index), best(index), one.unit)).filter(Number.isFinite))
  const reasonFor = ({ peer }) => one.reasons[`${peer}, ${place}`] ?? one.reasons[peer] ?? NO_REASON
  const winners = theirs.filter((side) => factorOf(side) >= CLEARLY)
  return [...new Set(winners.map(reasonFor))].map((reason) => {
    const names = winners.filter((side) => reasonFor(side) === reason).map((side) => `${side.peer} (${factorOf(side).toFixed(1)} times)`)
    return `\n\nBetter ${PLACES[place].toLowerCase()}: ${names.join(', ')}: ${reason}.`
  })
}

function foot({ command }) {
  return `## To run it

\`\`\`sh
${command}                # all of it; writes this page and its charts
${command} -- --only set  # cases with this in their names; prints the tables
${command} -- --quick     # a short form of all, which is no measurement; tests run it
\`\`\`

It installs Node.js 24 and the peers into folders of the checkout, builds C programs over Debian's libraries and pynvm where it can, and needs a
disk, tmpfs, and root for the loop device. What cannot be had is left out, and the page says so.
`
}
