// node webpack.mjs ENTRY OUTPUT
import { basename, dirname } from 'node:path'
import { promisify } from 'node:util'
import webpack from 'webpack'

const [, , entry, output] = process.argv
const stats = await promisify(webpack)({
  mode: 'production',
  target: 'node20',
  context: dirname(entry),
  entry,
  output: { path: dirname(output), filename: basename(output) },
  externalsType: 'commonjs',
  externals: [/^pmem-/, /\.node$/],
  // It tries to load what only some platforms have.
  ignoreWarnings: [{ module: /pmem\/binding\.cjs$/ }],
})
if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ all: false, errors: true, warnings: true }))
