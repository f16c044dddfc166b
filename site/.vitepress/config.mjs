import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { markdown } from '../markdown.mjs'
import { sidebar } from '../pages.mjs'

const { description, repository } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const address = repository?.url?.replace(/^git\+/, '').replace(/\.git$/, '')

const ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#3451b2"/><path d="M4 5h8M4 8h8M4 11h5" stroke="#fff" stroke-width="1.6"/></svg>'

export default defineConfig({
  lang: 'en',
  title: 'pmem',
  description,
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  srcDir: 'build/pages',
  outDir: 'dist',
  cacheDir: 'build/cache',
  markdown: markdown(address),
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/start' },
      { text: 'Guarantees', link: '/guarantees' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    search: { provider: 'local' },
    ...(address && { socialLinks: [{ icon: 'github', link: address }] }),
  },
})
