/**
 * The settings of a desktop app: they are objects that the app changes, and nobody has to save them. They survive a crash, a kill and a
 * power cut in the middle of a change; a newer app has more of them; a damaged file does not keep the app from starting.
 *
 *     npm run build
 *     node build/examples/settings.js [folder]
 *     node build/examples/settings.js [folder] set theme dark
 *     node build/examples/settings.js [folder] open notes.txt
 *
 * In Electron, open them in the main process, below `app.getPath('userData')`.
 */

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { objects } from 'pmem'

/** How many recent files are kept. */
const RECENT = 10

/** What the user can choose. Those who have had the app for long get new settings by their defaults. */
export class Preferences extends objects.Persistent {
  static defaults = { theme: 'light', fontSize: 14, spelling: true }
  theme = 'light'
  fontSize = 14
  spelling = true
}

type Name = keyof typeof Preferences.defaults

/** What is stored of an app. */
interface Stored {
  readonly preferences: Preferences
  window: { x: number; y: number; width: number; height: number }
  readonly recent: string[]
}

const options = {
  classes: { Preferences },
  root: (): Stored => ({ preferences: new Preferences(), window: { x: 0, y: 0, width: 800, height: 600 }, recent: [] }),
}

export class Settings {
  /** Why they are not those that there were; undefined where all is well. */
  readonly trouble: string | undefined
  readonly #store: objects.Store<Stored>
  readonly #backup: string

  /** @throws `EAGAIN` where the app is running already */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'settings.store')
    this.#backup = join(folder, 'settings.backup')
    try {
      this.#store = objects.open(path, options)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ERR_PMEM_CORRUPT') throw error
      // Somebody may want to look at it.
      renameSync(path, `${path}.damaged`)
      if (existsSync(this.#backup)) renameSync(this.#backup, path)
      this.trouble = message
      this.#store = objects.open(path, options)
    }
  }

  get preferences(): Preferences {
    return this.#store.root.preferences
  }

  get recent(): readonly string[] {
    return this.#store.root.recent
  }

  get window(): Stored['window'] {
    return this.#store.root.window
  }

  /** Where the window is: one change, and never half of one. */
  set window(bounds: Stored['window']) {
    this.#store.root.window = bounds
  }

  /** Calls back once preferences have changed, by whichever window or worker, with their names. Returns what ends it. */
  onChange(callback: (names: readonly Name[]) => void): () => void {
    const { preferences } = this
    return this.#store.watch(preferences, ({ keys }) => callback((keys ?? Object.keys(preferences)) as Name[]))
  }

  /** A file was opened: it is the first of the recent ones. */
  opened(file: string): void {
    this.#store.transaction(() => {
      const { recent } = this.#store.root
      const known = recent.indexOf(file)
      if (known !== -1) recent.splice(known, 1)
      recent.unshift(file)
      if (recent.length > RECENT) recent.length = RECENT
    })
  }

  /** Makes a copy for the day on which the file is damaged. */
  async backup(): Promise<void> {
    const made = `${this.#backup}.new`
    rmSync(made, { force: true })
    await this.#store.backup(made)
    renameSync(made, this.#backup)
  }

  close(): void {
    this.#store.close()
  }
}

/** A value of the type that the preference has. */
function parse(name: Name, text: string): unknown {
  const { [name]: value } = Preferences.defaults
  if (typeof value === 'boolean') return text === 'true'
  return typeof value === 'number' ? Number(text) : text
}

async function main([folder, action, ...args]: readonly string[]): Promise<void> {
  const settings = new Settings(folder ?? join(tmpdir(), 'pmem-settings'))
  if (settings.trouble !== undefined) console.error(settings.trouble)
  if (action === 'set') {
    const [name, text = ''] = args as [Name, string?]
    if (!Object.hasOwn(Preferences.defaults, name)) throw new Error(`there is no setting ${name}`)
    Object.assign(settings.preferences, { [name]: parse(name, text) })
  } else if (action === 'open') {
    for (const file of args) settings.opened(file)
  }
  console.log(JSON.stringify({ ...settings.preferences, recent: settings.recent, window: settings.window }))
  await settings.backup()
  settings.close()
}

if (require.main === module) void main(process.argv.slice(2))
