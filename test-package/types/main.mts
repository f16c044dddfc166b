import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Capabilities, type PmemErrorCode, capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { open } from 'pmem/log'
import { type BlockArray, create } from 'pmem/blk'
import { setNativeBinding } from 'pmem/native-binding'

const folder = mkdtempSync(join(tmpdir(), 'pmem-types-'))

const region: pmem.Region = pmem.mapFile(join(folder, 'region'), { length: 4096, create: true })
const read: Buffer = region.read(4)
region.close()

const log: pmemlog.Log = pmemlog.create(join(folder, 'log'))
log.append(read)
log.close()
const same: typeof pmemlog.open = open
same(join(folder, 'log')).close()

const blocks: BlockArray = create(join(folder, 'blocks'))
const index: number = pmemblk.MIN_BLK
blocks.write('typed', 0)
blocks.close()

// @ts-expect-error -- an index is a number
void (() => blocks.read('0'))
// @ts-expect-error -- there is no such module
void (() => import('pmem/dist/index.js'))

const all: Capabilities = capabilities
const code: PmemErrorCode = 'ERR_PMEM_CLOSED'
const set: (binding: string | object) => void = setNativeBinding
rmSync(folder, { recursive: true })
console.log(index > 0 && code !== undefined && typeof set === 'function' && all.pageSize >= 4096 ? '  ✔ what was compiled runs' : '  ✘ what was compiled runs')
