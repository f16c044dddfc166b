/** What a process, and a thread of it, uses at a moment. */

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** What one thread has, in bytes. */
export interface ThreadUsage {
  readonly heap: number
  readonly external: number
  readonly arrayBuffers: number
}

/** What a process has: bytes, and counts. Those of the soak's own files are none once all is closed. */
export interface ProcessUsage {
  readonly rss: number
  readonly descriptors: number
  readonly 'own descriptors': number
  readonly mappings: number
  readonly 'own mappings': number
  readonly threads: number
}

export function threadUsage(): ThreadUsage {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return { heap: heapUsed, external, arrayBuffers }
}

export function processUsage(folder: string): ProcessUsage {
  const descriptors = readdirSync('/proc/self/fd').map(linkOf)
  const mappings = readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n')
  const isOwn = (name: string) => name.includes(folder)
  return {
    rss: process.memoryUsage.rss(),
    descriptors: descriptors.length,
    'own descriptors': descriptors.filter(isOwn).length,
    mappings: mappings.length,
    'own mappings': mappings.filter(isOwn).length,
    threads: readdirSync('/proc/self/task').length,
  }
}

/** What a descriptor is open on; nothing for the one by which the folder of descriptors was read. */
function linkOf(descriptor: string): string {
  try {
    return readlinkSync(join('/proc/self/fd', descriptor))
  } catch {
    return ''
  }
}
