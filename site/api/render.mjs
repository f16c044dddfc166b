// Writes the API pages: a page for each module, of the doc comments of what it exports, as a user of it sees them.
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { ApiTheme } from './theme.mjs'
import { asUsersSeeIt } from './model.mjs'

/** The module of each page, in the order of the navigation. */
const MODULES = ['objects/stores', 'journal/journals', 'region/pmem', 'nvml/pmemlog', 'nvml/pmemblk', 'pino/destination', 'shared/native-binding', 'all']

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const OPTIONS = {
  plugin: ['typedoc-plugin-markdown'],
  theme: 'api',
  router: 'module',
  entryPoints: MODULES.map((module) => path(`../../ts/${module}.ts`)),
  tsconfig: path('../tsconfig.json'),
  readme: path('intro.md'),
  mergeReadme: true,
  entryFileName: 'index',
  indexFormat: 'table',
  logLevel: 'Warn',
  // Errors of types are found by the build; the types of the native module, which it makes, are not documented.
  skipErrorChecking: true,
  // What is documented.
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeReferences: true,
  disableSources: true,
  validation: { invalidLink: true, notExported: false, notDocumented: false },
  // How it is shown.
  sort: ['kind', 'source-order'],
  sortEntryPoints: false,
  kindSortOrder: ['Module', 'Function', 'Variable', 'Class', 'Interface', 'TypeAlias', 'Constructor', 'Property', 'Accessor', 'Method'],
  groupOrder: ['Modules', 'Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases', 'Constructors', 'Properties', 'Accessors', 'Methods'],
  hideGroupHeadings: true,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  useCustomAnchors: true,
  expandObjects: true,
  expandParameters: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  propertyMembersFormat: 'table',
  pageTitleTemplates: { module: '{name}' },
}

/** Writes the pages to a folder; throws where a doc comment is wrong. */
export async function renderApi(folder) {
  const app = await Application.bootstrapWithPlugins({ ...OPTIONS, out: folder })
  app.renderer.defineTheme('api', ApiTheme)
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc could not read the modules')
  asUsersSeeIt(project)
  app.validate(project)
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('TypeDoc has warned: see above')
}
