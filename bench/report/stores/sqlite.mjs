import { entry, key, record, records } from '../data.mjs'

/** Over either binding: `database` is open, and `run` calls what it is given within a transaction. */
export function sqlite(database) {
  const execute = (sql) => database.exec(sql)
  execute('PRAGMA journal_mode = WAL')
  execute('PRAGMA synchronous = FULL')
  execute('PRAGMA busy_timeout = 20000')
  execute('CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, data BLOB)')
  execute('CREATE TABLE IF NOT EXISTS fixed (id INTEGER PRIMARY KEY, data BLOB)')
  execute('CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID')
  const insert = database.prepare('INSERT INTO records (data) VALUES (?)')
  const select = database.prepare('SELECT data FROM records WHERE id = ?')
  const all = database.prepare('SELECT data FROM records ORDER BY id')
  const replace = database.prepare('INSERT OR REPLACE INTO fixed VALUES (?, ?)')
  const fixed = database.prepare('SELECT data FROM fixed WHERE id = ?')
  const put = database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?)')
  const get = database.prepare('SELECT value FROM entries WHERE key = ?')
  const store = (number, version) => void put.run(key(number), JSON.stringify(entry(number, version)))
  const transaction = (work) => {
    execute('BEGIN IMMEDIATE')
    work()
    execute('COMMIT')
  }
  return {
    append: (number) => void insert.run(record(number)),
    appendMany: (from, count) => transaction(() => records(from, count).forEach((data) => insert.run(data))),
    read: (number) => Buffer.from(select.get(number + 1).data),
    scan(each) {
      for (const { data } of all.iterate()) each(data)
    },
    overwrite: (number, version) => void replace.run(number, record(number + version)),
    overwritten: (number) => Buffer.from(fixed.get(number).data),
    set: store,
    setMany: (numbers, version) => transaction(() => numbers.forEach((number) => store(number, version))),
    change(number, version) {
      const value = JSON.parse(get.get(key(number)).value)
      put.run(key(number), JSON.stringify({ ...value, visits: version }))
    },
    get: (number) => JSON.parse(get.get(key(number)).value),
    close: () => database.close(),
  }
}
