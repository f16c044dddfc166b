/** All commands, in the order in which help shows them. What one does is loaded when it is called. */

import type { Command, Flag } from './command.js'

const JSON_FLAG: Flag = { type: 'boolean', help: 'print JSON' }
const FOLLOW: Flag = { type: 'boolean', short: 'f', help: 'wait for what comes, until Ctrl+C' }
const COUNT: Flag = { type: 'string', short: 'n', value: 'COUNT', help: 'how many of the last ones (default: 10)' }
const SIZE: Flag = { type: 'string', value: 'SIZE', help: 'how large the file is to be, such as 8MiB (default: the smallest)' }

/** Commands whose names begin with a word. */
function within(group: string, those: readonly Command[]): Command[] {
  return those.map((command) => ({ ...command, name: `${group} ${command.name}` }))
}

const general: Command[] = [
  {
    name: 'doctor',
    operands: ['[PATH]'],
    summary: 'What this machine and a path on it offer, and what would give more',
    flags: { json: JSON_FLAG },
    examples: ['doctor', 'doctor /var/lib/app'],
    load: () => (require('./doctor.js') as typeof import('./doctor.js')).doctor,
  },
  {
    name: 'info',
    operands: ['FILE|FOLDER'],
    summary: 'What a file or folder is: kind, size, use, header',
    flags: { json: JSON_FLAG },
    examples: ['info app.store', 'info --json events'],
    load: () => (require('./info.js') as typeof import('./info.js')).info,
  },
  {
    name: 'check',
    operands: ['FILE|FOLDER...'],
    summary: 'Whether files and journals are sound: 0 they are, 1 damaged, 2 could not tell',
    examples: ['check app.store events'],
    load: () => (require('./info.js') as typeof import('./info.js')).check,
  },
]

const logs = within('log', [
  {
    name: 'create',
    operands: ['FILE'],
    summary: 'Make an empty log',
    flags: { size: SIZE },
    examples: ['log create app.log --size 8MiB'],
    load: () => (require('./log.js') as typeof import('./log.js')).create,
  },
  {
    name: 'append',
    operands: ['FILE', '[TEXT]'],
    summary: 'Append a text, or the standard input, durably',
    examples: ['log append app.log "zero, "', 'log append app.log < part.txt'],
    load: () => (require('./log.js') as typeof import('./log.js')).append,
  },
  {
    name: 'cat',
    operands: ['FILE'],
    summary: 'Print all bytes of a log',
    examples: ['log cat app.log'],
    load: () => (require('./log.js') as typeof import('./log.js')).cat,
  },
  {
    name: 'tail',
    operands: ['FILE'],
    summary: 'Print the last lines of a log',
    flags: { follow: FOLLOW, lines: COUNT },
    examples: ['log tail -n 3 app.log', 'log tail -f app.log'],
    load: () => (require('./log.js') as typeof import('./log.js')).tail,
  },
  {
    name: 'rewind',
    operands: ['FILE'],
    summary: 'Empty a log',
    examples: ['log rewind app.log'],
    load: () => (require('./log.js') as typeof import('./log.js')).rewind,
  },
  {
    name: 'stat',
    operands: ['FILE'],
    summary: 'How full a log is',
    flags: { json: JSON_FLAG },
    examples: ['log stat app.log'],
    load: () => (require('./info.js') as typeof import('./info.js')).only('log'),
  },
])

const blocks = within('blk', [
  {
    name: 'create',
    operands: ['FILE'],
    summary: 'Make an array of blocks',
    flags: { size: SIZE, 'block-size': { type: 'string', value: 'SIZE', help: 'bytes of a block (default: 512)' } },
    examples: ['blk create app.blk --block-size 512 --size 32MiB'],
    load: () => (require('./blk.js') as typeof import('./blk.js')).create,
  },
  {
    name: 'write',
    operands: ['FILE', 'INDEX', '[TEXT]'],
    summary: 'Write a text, or the standard input, to a block, durably; zeros follow it',
    examples: ['blk write app.blk 0 "hello"'],
    load: () => (require('./blk.js') as typeof import('./blk.js')).write,
  },
  {
    name: 'read',
    operands: ['FILE', 'INDEX'],
    summary: "Print a block's bytes",
    examples: ['blk read app.blk 0 > block.bin'],
    load: () => (require('./blk.js') as typeof import('./blk.js')).read,
  },
  {
    name: 'dump',
    operands: ['FILE'],
    summary: 'Draw which blocks are written, zero or in error',
    examples: ['blk dump app.blk'],
    load: () => (require('./blk.js') as typeof import('./blk.js')).dump,
  },
  {
    name: 'stat',
    operands: ['FILE'],
    summary: 'How many blocks there are, and of what size',
    flags: { json: JSON_FLAG },
    examples: ['blk stat app.blk'],
    load: () => (require('./info.js') as typeof import('./info.js')).only('blocks'),
  },
])

const JSONL: Flag = { type: 'boolean', help: 'a line of JSON a record: sequence, time, and text or base64' }
const FROM: Flag = { type: 'string', value: 'FROM', help: 'begin at a sequence, a time such as 2026-01-31T12:00Z, or a cursor' }

const journals = within('journal', [
  {
    name: 'cat',
    operands: ['FOLDER'],
    summary: 'Print the records of a journal, a line each',
    flags: { jsonl: JSONL, from: FROM, limit: { type: 'string', value: 'COUNT', help: 'how many at most' }, 'skip-damaged': { type: 'boolean', help: 'pass over what is damaged' } },
    examples: ['journal cat events', 'journal cat --jsonl --from 1 events'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).cat,
  },
  {
    name: 'tail',
    operands: ['FOLDER'],
    summary: 'Print the last records of a journal',
    flags: { follow: FOLLOW, records: COUNT, jsonl: JSONL },
    examples: ['journal tail -n 2 events', 'journal tail -f events'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).tail,
  },
  {
    name: 'append',
    operands: ['FOLDER', '[TEXT]'],
    summary: 'Append a text, or each line of the standard input, durably',
    flags: { jsonl: { type: 'boolean', help: 'each line is JSON as `journal cat --jsonl` prints it' } },
    examples: ['journal append events "started"', 'journal append --jsonl events < records.jsonl'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).append,
  },
  {
    name: 'stat',
    operands: ['FOLDER'],
    summary: 'What a journal has',
    flags: { json: JSON_FLAG },
    examples: ['journal stat events'],
    load: () => (require('./info.js') as typeof import('./info.js')).only('journal'),
  },
  {
    name: 'cursors',
    operands: ['FOLDER'],
    summary: 'Which cursors there are, where they are, and how many records are ahead of them',
    flags: { json: JSON_FLAG },
    examples: ['journal cursors events'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).cursors,
  },
  {
    name: 'verify',
    operands: ['FOLDER'],
    summary: 'Whether a journal is sound, as `check`',
    examples: ['journal verify events'],
    load: () => (require('./info.js') as typeof import('./info.js')).check,
  },
  {
    name: 'repair',
    operands: ['FOLDER', 'NEW'],
    summary: 'Copy the sound records to a new journal; one that is lost is empty there, so that sequences stay',
    examples: ['journal repair events events.repaired'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).repair,
  },
  {
    name: 'truncate',
    operands: ['FOLDER'],
    summary: 'Remove the oldest records, as far as no cursor needs them',
    flags: { before: { type: 'string', value: 'SEQUENCE', help: 'the first record that stays' } },
    examples: ['journal truncate --before 2 events'],
    load: () => (require('./journal.js') as typeof import('./journal.js')).truncate,
  },
])

const objects = within('objects', [
  {
    name: 'tree',
    operands: ['FILE', '[PATH]'],
    summary: 'Print what is in a store, or below a path such as users.get("ada").visits',
    flags: {
      depth: { type: 'string', value: 'LEVELS', help: 'how far down (default: 3)' },
      most: { type: 'string', value: 'COUNT', help: 'how many of each (default: 20)' },
    },
    examples: ['objects tree app.store', 'objects tree --depth 1 app.store'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).tree,
  },
  {
    name: 'get',
    operands: ['FILE', '[PATH]'],
    summary: 'Print what is at a path, as JSON',
    examples: ['objects get app.store visits'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).get,
  },
  {
    name: 'set',
    operands: ['FILE', 'PATH', 'JSON'],
    summary: 'Set what is at a path, durably',
    examples: ['objects set app.store visits 7'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).set,
  },
  {
    name: 'stats',
    operands: ['FILE'],
    summary: 'How large a store is, and what of it is used',
    flags: { json: JSON_FLAG },
    examples: ['objects stats app.store'],
    load: () => (require('./info.js') as typeof import('./info.js')).only('store'),
  },
  {
    name: 'gc',
    operands: ['FILE'],
    summary: 'Free what nothing leads to any more',
    examples: ['objects gc app.store'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).gc,
  },
  {
    name: 'backup',
    operands: ['FILE', 'NEW'],
    summary: 'Copy a store to a new file, with what is used alone',
    examples: ['objects backup app.store backup.store'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).backup,
  },
  {
    name: 'export',
    operands: ['FILE'],
    summary: 'Print all that is in a store, as JSON',
    flags: { json: { type: 'boolean', help: 'as JSON, which is the only form' } },
    examples: ['objects export --json app.store'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).exportAll,
  },
  {
    name: 'import',
    operands: ['FILE'],
    summary: 'Make a store of what `objects export` printed, from the standard input; plain JSON will do',
    flags: { replace: { type: 'boolean', help: 'replace what the store has' } },
    examples: ['objects import copy.store < app.json'],
    load: () => (require('./objects.js') as typeof import('./objects.js')).importAll,
  },
])

const others: Command[] = [
  {
    name: 'inspect',
    operands: ['FILE|FOLDER'],
    summary: 'Show a file or folder in a browser, for reading alone, until Ctrl+C; the package pmem-inspect does',
    flags: { port: { type: 'string', value: 'PORT', help: 'the port of 127.0.0.1 that the page is on (default: any)' } },
    examples: ['inspect app.store', 'inspect --port 8080 events'],
    load: () => (require('./inspect.js') as typeof import('./inspect.js')).inspect,
  },
  {
    name: 'copy',
    operands: ['FILE', 'NEW'],
    summary: 'Copy a log or an array of blocks into a new file of another size; called again, it goes on where it was interrupted',
    flags: { size: SIZE },
    examples: ['copy app.log larger.log --size 8MiB'],
    load: () => (require('./copy.js') as typeof import('./copy.js')).copy,
  },
  {
    name: 'bench',
    operands: ['[PATH]'],
    summary: 'How fast a path is, beside fs; within 20 seconds',
    flags: { json: JSON_FLAG },
    examples: ['bench /var/lib/app'],
    load: () => (require('./bench.js') as typeof import('./bench.js')).bench,
  },
]

export const commands: readonly Command[] = [...general, ...logs, ...blocks, ...journals, ...objects, ...others]
