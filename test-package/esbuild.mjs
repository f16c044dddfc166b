// node esbuild.mjs ENTRY OUTPUT
import { build } from 'esbuild'

const [, , entry, outfile] = process.argv
const { warnings } = await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  external: ['pmem-*'],
})
if (warnings.length) throw new Error(JSON.stringify(warnings))
