// node vite.mjs ENTRY OUTPUT
import { basename, dirname } from 'node:path'
import { build } from 'vite'

const [, , entry, output] = process.argv
await build({
  configFile: false,
  logLevel: 'warn',
  root: dirname(entry),
  ssr: { noExternal: true },
  build: {
    ssr: entry,
    outDir: dirname(output),
    emptyOutDir: false,
    rolldownOptions: { external: [/^pmem-/, /\.node$/], output: { format: 'cjs', entryFileNames: basename(output) } },
  },
})
