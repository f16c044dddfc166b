/** A small program to bundle. The platform's package stays outside of the bundle. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pmem, pmemlog } from 'pmem'

const folder = mkdtempSync(join(tmpdir(), 'pmem-bundle-'))
const log = pmemlog.create(join(folder, 'log'))
log.append('bundled')
log.close()
const region = pmem.map(join(folder, 'log'))
region.seek(8192)
const found = region.read(7).toString()
region.close()
rmSync(folder, { recursive: true })
console.log(found === 'bundled' ? '  ✔ the bundle runs' : `  ✘ the bundle read ${found}`)
