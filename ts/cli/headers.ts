/** What the headers of files say, read without opening them as what they are: so it is seen beside a writer, too. */

import { firstBytes } from './kinds.js'

const HEADER = 4096

/** The header of a pool of the NVM Library (`pool_hdr`). */
export function poolHeader(path: string): object {
  const header = firstBytes(path, 0, HEADER)
  if (header.length < HEADER) return {}
  return {
    signature: header.toString('latin1', 0, 8).replace(/\0.*$/, ''),
    major: header.readUInt32LE(8),
    features: { compatible: header.readUInt32LE(12), incompatible: header.readUInt32LE(16), readCompatible: header.readUInt32LE(20) },
    uuid: uuidOf(header, 40),
    poolset: uuidOf(header, 24),
    created: new Date(Number(header.readBigUInt64LE(120)) * 1000).toISOString(),
  }
}

/** The header of a store of objects (`docs/heap-format.md`). */
export function storeHeader(path: string): object {
  const header = firstBytes(path, 0, HEADER)
  if (header.length < HEADER) return {}
  return {
    format: header.readUInt32LE(8),
    uuid: uuidOf(header, 40),
    created: new Date(Number(header.readBigUInt64LE(64) / 1000n)).toISOString(),
    nodeSize: Number(header.readBigUInt64LE(72)),
    logSize: Number(header.readBigUInt64LE(96)),
  }
}

function uuidOf(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
