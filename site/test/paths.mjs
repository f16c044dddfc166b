import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file or folder by its path from here. */
export const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

/** The paths of the files in a folder, as addresses have them. */
export function pathsIn(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length))
}
