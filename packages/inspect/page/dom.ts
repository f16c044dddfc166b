/** Elements. */

/** What an element has: attributes, of which those that are false or undefined are left out. */
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** An element with attributes and what is in it. */
export function make<Name extends keyof HTMLElementTagNameMap>(name: Name, attributes: Attributes = {}, ...content: (Node | string)[]): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(attribute, String(value))
  }
  element.append(...content)
  return element
}

/** The element of an id, which the page has. */
export function byId(id: string): HTMLElement {
  return document.getElementById(id)!
}

/** A button of the head of the page. */
export function button(label: string, title: string, action: () => void): HTMLButtonElement {
  const made = make('button', { type: 'button', title }, label)
  made.addEventListener('click', action)
  return made
}

/** A count with its thousands apart. */
export function grouped(count: number): string {
  return count.toLocaleString('en').replaceAll(',', '\u202f')
}

/** Says below what is going on. */
export function status(text: string): void {
  byId('status').textContent = text
}

/** Says above what is wrong, or that nothing is. */
export function problem(error?: unknown): void {
  const place = byId('problem')
  place.hidden = error === undefined
  place.replaceChildren(error === undefined ? '' : error instanceof Error ? error.message : String(error))
  if (error !== undefined) place.append(button('Try again', 'Load the page again', () => location.reload()))
}
