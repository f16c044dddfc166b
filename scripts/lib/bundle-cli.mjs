// Makes one small file of the command line (`ts/cli`), over the modules of the package as they are, in place of those that
// TypeScript made: nobody imports them.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './run.mjs'

const folder = join(root, 'dist/ts/cli')

/** What is not the command line's own is loaded from where it lies. */
const others = {
  name: 'the rest of the package',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\.\// }, ({ path }) => ({ path, external: true })),
}

rmSync(folder, { recursive: true, force: true })
await build({
  entryPoints: [join(root, 'ts/cli/main.ts')],
  outfile: join(folder, 'main.js'),
  bundle: true,
  minify: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  plugins: [others],
})
