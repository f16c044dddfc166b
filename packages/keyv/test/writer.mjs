// What runs in another process, which is killed.
import { KeyvPmem } from 'pmem-keyv'

const [, , path, sync] = process.argv
const adapter = new KeyvPmem(path, { sync: sync === 'true' })
for (let index = 0; ; index += 1) {
  await adapter.setMany([{ key: `a${index}`, value: 'x' }, { key: `b${index}`, value: 'y', expires: Date.now() + 3_600_000 }])
  process.stdout.write(`${index}\n`)
}
