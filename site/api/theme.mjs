// How API pages look: a signature as code, what it is about, its parameters where there is something to say of them, and links
// to the types it names.
import { MarkdownPageEvent, MarkdownTheme, MarkdownThemeContext } from 'typedoc-plugin-markdown'

/** A module's name may be that of a class in it, which has the anchor. */
const TITLE = /^# .+$/m

/** Titles of parts of one description, which are no places to go to. */
const PARTS = /^#{2,6} (Parameters|Returns|Throws|Examples?|Extends|Extended by|Implements|Type Declaration|See|Default Value)$/gm

/** Signatures have the parameters of types, and headings have lines above them. */
const LEFT_OUT = /^(#{2,6} Type Parameters|\*\*\*)\n+/gm

export class ApiTheme extends MarkdownTheme {
  constructor(renderer) {
    super(renderer)
    renderer.on(MarkdownPageEvent.END, (page) => {
      const contents = page.contents.replace(TITLE, '$& {#module}').replaceAll(PARTS, '**$1**').replaceAll(LEFT_OUT, '')
      page.contents = `---\npageClass: api\n---\n\n${contents}`
    })
  }

  getRenderContext(page) {
    return new ApiContext(this, page, this.application.options)
  }
}

class ApiContext extends MarkdownThemeContext {
  constructor(theme, page, options) {
    super(theme, page, options)
    const { declarationTitle, groups, signatureParameters, signatures, signatureTitle, parametersTable } = this.partials
    Object.assign(this.partials, {
      // One at a time, since it takes those without a title for the first.
      groups: (model, how) => join(...model.groups.map((group) => groups({ kind: model.kind, groups: [group] }, how))),
      declarationTitle: (model) => compact(declarationTitle(model)),
      signatureTitle: (model, how) => compact(signatureTitle(model, how)),
      signatureParameters: (parameters, how) => onLines(parameters.map((parameter) => signatureParameters([parameter], how).slice(1, -1))),
      signatures: (model, how) => (how.nested ? signatures(model, how) : this.#signatures(model.signatures)),
      constructor: (model, { headingLevel }) => join(`${'#'.repeat(headingLevel)} Constructor`, this.#signatures(model.signatures)),
      parametersTable: (parameters) => withoutDashes(parametersTable(parameters)),
      typeParametersTable: () => '',
      accessor: (model) => this.#accessor(model),
      inheritance: () => '',
    })
  }

  /** Ways to call a function, together where the same is said of them. */
  #signatures(signatures) {
    const said = groupBy(signatures, (signature) => this.#comment(signature))
    return join(...[...said.values()].map((together) => this.#described(together)))
  }

  #described(signatures) {
    const last = signatures.at(-1)
    const { parameters = [] } = last
    return join(
      signatures.map((signature) => this.partials.signatureTitle(signature)).join('\n').replaceAll(/\n```\n```ts\n/g, '\n\n'),
      this.#comment(last, { showTags: false }),
      parameters.some(isDescribed) && `**Parameters**\n\n${this.partials.parametersTable(parameters)}`,
      this.#types(signatures.flatMap((signature) => [...(signature.parameters ?? []), ...(signature.typeParameters ?? []), signature])),
      this.#comment(last, { showSummary: false, showReturns: true }),
    )
  }

  #comment({ comment }, options) {
    return comment ? this.partials.comment(comment, { headingLevel: 4, ...options }) : ''
  }

  /** A getter, and its setter, as what they are to whoever uses them: a property. */
  #accessor(model) {
    const { getSignature, setSignature } = model
    const value = getSignature ?? setSignature.parameters[0]
    const { comment } = [getSignature, setSignature, model].find((part) => part?.comment) ?? {}
    const code = `${setSignature ? '' : 'readonly '}${model.name}: ${plain(this.partials.someType(value.type))}`
    return join(`\`\`\`ts\n${code}\n\`\`\``, this.#comment({ comment }), this.#types([value]))
  }

  /** Links to the types of this package that are named. */
  #types(reflections) {
    const types = reflections.flatMap(({ type, default: otherwise }) => [type, otherwise]).filter(Boolean)
    const text = types.map((type) => this.partials.someType(type)).join(' ')
    const links = [...new Set(text.match(/\[`[^`]+`\]\([^)]+\)/g))]
    return links.length > 0 && `Types: ${links.join(', ')}`
  }
}

const join = (...parts) => parts.filter(Boolean).join('\n\n')

/** Whether a parameter, or a property of it, has a description. */
const isDescribed = ({ comment, type }) => Boolean(comment ?? type?.declaration?.children?.some(isDescribed))

/** A type in Markdown as code. */
const plain = (markdown) => markdown.replaceAll(/\[(`[^`]+`)\]\([^)]+\)/g, '$1').replaceAll(/[`]|\\(?=[<>|[\]_*])/g, '')

/** How many characters of parameters fit on one line with the rest of a signature. */
const FIT = 44

/** Parameters, with a line each where they are long. */
function onLines(parameters) {
  const line = parameters.join(', ')
  return plain(line).length > FIT && parameters.length > 1 ? `(\n  ${parameters.join(',\n  ')}\n)` : `(${line})`
}

/** Code without types by default, whose lines are indented by two, and whose object types are on one line. */
function compact(code) {
  let lines = code.replaceAll(', any, any>', '>').replaceAll(/ +$/gm, '').replaceAll(/^ +/gm, '  ')
  for (let before; before !== lines; ) {
    before = lines
    lines = lines.replaceAll(/\{\n((?: *[^\s}][^\n]*;\n)+) *\}/g, (_, members) => `{ ${members.trim().slice(0, -1).replaceAll(/\n */g, ' ')} }`)
  }
  return lines
}

/** Tables have nothing where there is nothing to say. */
const withoutDashes = (table) => table.replaceAll(/\| - (?=\|)/g, '|  ')

/** Groups by what `key` says of each, in the order of the first ones. */
function groupBy(values, key) {
  const groups = new Map()
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value])
  return groups
}
