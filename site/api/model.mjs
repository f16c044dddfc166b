// What TypeDoc has read, made into what a user of the package sees.
import { ReflectionFlag, ReflectionKind } from 'typedoc'

/** Takes out of a project what is none of a user's, and puts in what a page begins with. */
export function asUsersSeeIt(project) {
  for (const reflection of Object.values(project.reflections)) {
    if (isEmpty(reflection) || isForImplementers(reflection)) project.removeReflection(reflection)
    else simplify(reflection)
  }
  for (const kind of project.getReflectionsByKind(ReflectionKind.ClassOrInterface)) declare(kind)
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    putOwnFirst(module)
    module.comment.summary.push(...code(IMPORTS[module.name] ?? `import { ${module.name} } from 'pmem'`))
  }
}

/** How modules come into a program, where not by their names. */
const IMPORTS = {
  pino: "import destination from 'pmem/pino'",
  'native-binding': "import { setNativeBinding } from 'pmem/native-binding'",
}

/** Whether a class of Node.js's asks for a method, such as `_write`, that nobody else calls. */
const isForImplementers = ({ name, kind, overwrites }) => kind === ReflectionKind.Method && name.startsWith('_') && overwrites !== undefined

/** Whether a constructor takes nothing and says nothing. */
const isEmpty = ({ kind, signatures }) => kind === ReflectionKind.Constructor && signatures.every(({ parameters, comment }) => !parameters?.length && !comment)

function simplify(reflection) {
  // What `Map.entries`, say, does is not said in the words of those who wrote another Map.
  if (reflection.comment?.sourcePath?.includes('/node_modules/')) delete reflection.comment
  for (const key of ['inheritedFrom', 'overwrites', 'implementationOf']) delete reflection[key]
  reflection.name = reflection.name.replace(/^\[(\w+)\]$/, '[Symbol.$1]')
}

/** Has a module's pages begin with what its own file declares, before what that has from others. */
function putOwnFirst({ groups, comment }) {
  const isElsewhere = ({ comment: own, signatures }) => Number((own ?? signatures?.[0].comment)?.sourcePath !== comment.sourcePath)
  for (const { children } of groups) children.sort((a, b) => isElsewhere(a) - isElsewhere(b))
}

/** Has the description of a class or an interface begin with its declaration, where that says more than its name, and its members follow. */
function declare(reflection) {
  const declaration = declarationOf(reflection)
  if (!/^(class|interface) \w+$/.test(declaration)) reflection.comment?.summary.unshift(...code(declaration))
  for (const key of ['typeParameters', 'typeHierarchy', 'implementedTypes']) delete reflection[key]
  reflection.flags.setFlag(ReflectionFlag.Abstract, false)
  // TypeDoc leaves what was taken out in its group. A group without a name has no heading.
  for (const group of reflection.groups ?? []) Object.assign(group, { title: 'none', children: group.children.filter((child) => reflection.children?.includes(child)) })
  reflection.groups = reflection.groups?.filter(({ children }) => children.length > 0)
}

function declarationOf({ name, kind, flags, typeParameters = [], extendedTypes = [], implementedTypes = [] }) {
  const list = (word, items) => (items.length > 0 ? `${word}${items.join(', ')}` : '')
  const parameters = typeParameters.map(({ name: parameter, type, default: otherwise }) => parameter + list(' extends ', [type ?? []].flat()) + list(' = ', [otherwise ?? []].flat()))
  const ends = [list(' extends ', extendedTypes.filter((type) => !isInner(type))), list(' implements ', implementedTypes)]
  const what = `${flags.isAbstract ? 'abstract ' : ''}${kind === ReflectionKind.Class ? 'class' : 'interface'}`
  return `${what} ${name}${parameters.length > 0 ? `<${parameters.join(', ')}>` : ''}${ends.join('')}`
}

/** Whether a type is one of our own that is not exported. */
const isInner = (type) => type.type === 'reference' && type.package === 'pmem' && !type.reflection

/** A fence between blank lines, as parts of a comment. */
const code = (text) => [{ kind: 'code', text: `\n\n\`\`\`ts\n${text}\n\`\`\`\n\n` }]
