// npm run build [-- --base /PATH/]: makes the site in dist/, for a server that has it at its root, or at a path.
import { parseArgs } from 'node:util'
import { build } from 'vitepress'
import { gather } from './pages.mjs'

const { values } = parseArgs({ options: { base: { type: 'string' } } })
await gather()
await build('.', values)
