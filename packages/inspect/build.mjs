// npm run build: `dist/index.js`, the server, and `dist/page.html`, the page with its script and style in it.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('.', import.meta.url))
const pmem = resolve(folder, '../../ts')

/** What belongs to the command line of `pmem` comes into the bundle; the modules below it are those of the `pmem` that is installed. */
const inside = {
  name: 'modules of pmem',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path)
      const isInside = file.startsWith(pmem + sep) && !file.startsWith(join(pmem, 'cli') + sep)
      return isInside ? { path: relative(pmem, file).replaceAll(sep, '/'), namespace: 'pmem' } : undefined
    })
    onLoad({ filter: /.*/, namespace: 'pmem' }, ({ path }) => ({
      contents: `module.exports = require(require('node:path').join(require.resolve('pmem/package.json'), '../dist/ts/${path}'))`,
    }))
  },
}

const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')
for (const project of ['tsconfig.json', 'page/tsconfig.json']) {
  execFileSync(process.execPath, [tsc, '--project', join(folder, project)], { stdio: 'inherit' })
}

rmSync(join(folder, 'dist'), { recursive: true, force: true })
mkdirSync(join(folder, 'dist'))
await build({
  entryPoints: [join(folder, 'src/index.ts')],
  outfile: join(folder, 'dist/index.js'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  external: ['pmem'],
  plugins: [inside],
})

const page = await build({
  entryPoints: { script: join(folder, 'page/main.ts'), style: join(folder, 'page/page.css') },
  outdir: join(folder, 'dist'),
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  write: false,
})
const textOf = (ending) => page.outputFiles.find(({ path }) => path.endsWith(ending)).text.trim()
const html = readFileSync(join(folder, 'page/page.html'), 'utf8')
  .replace('<script></script>', () => `<script type="module">${textOf('.js')}</script>`)
  .replace('<style></style>', () => `<style>${textOf('.css')}</style>`)
writeFileSync(join(folder, 'dist/page.html'), html)
