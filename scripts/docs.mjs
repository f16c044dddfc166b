// npm run docs [-- --serve | --base /PATH/]: sets up what is missing, builds the documentation site and says where it is; with
// --serve shows it on this machine until it is interrupted.
import { relative } from 'node:path'
import { main, root } from './lib/run.mjs'
import { buildSite, siteOutput } from './lib/site.mjs'
import { serve } from './lib/static-server.mjs'

await main(async () => {
  const args = process.argv.slice(2)
  await buildSite(args.filter((arg) => arg !== '--serve'))
  console.log(`The site is in ${relative(root, siteOutput)}/, for any server of files.`)
  if (args.includes('--serve')) console.log(`It is shown at ${(await serve(siteOutput, 4173)).address}/ until you press Ctrl+C.`)
})
