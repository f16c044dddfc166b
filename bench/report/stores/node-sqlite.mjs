import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from './sqlite.mjs'

export const open = (folder) => sqlite(new DatabaseSync(join(folder, 'node-sqlite')))
