import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** A link or an image of Markdown: what it shows, and where it leads. */
const LINK = /(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)/g

/** Whether a link leads to a file beside its page. */
const isRelative = (target) => !/^(?:[a-z]+:|#)/.test(target)

/** The file that a link of a page leads to, from the folder that holds both. */
const fileOf = (page, target) => normalize(join(dirname(page), target.replace(/#.*/, '')))

/** The files that a page of this name and text links to. */
export function linkedFiles(page, text) {
  const targets = Array.from(text.matchAll(LINK), ([, , , target]) => target)
  return [...new Set(targets.filter(isRelative).map((target) => fileOf(page, target)))].toSorted()
}

/** The pages and images below `docs/` that the README in a folder links to. */
export function linkedPages(folder) {
  const files = linkedFiles('README.md', readFileSync(join(folder, 'README.md'), 'utf8'))
  return files.filter((file) => file.startsWith('docs/'))
}

const isIn = (folder, file) => !file.startsWith('..') && existsSync(join(folder, file))

/** The text of a page in a package's folder: of links to what the package has not, the words alone are left, and of images nothing. */
export function packedPage(folder, page) {
  const text = readFileSync(join(folder, page), 'utf8')
  return text.replaceAll(LINK, (link, image, words, target) => {
    if (!isRelative(target) || isIn(folder, fileOf(page, target))) return link
    return image ? '' : words
  })
}
