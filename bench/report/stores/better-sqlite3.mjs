import { join } from 'node:path'
import Database from 'better-sqlite3'
import { sqlite } from './sqlite.mjs'

export const open = (folder) => sqlite(new Database(join(folder, 'sqlite')))
