/**
 * A sketch of an Electron main process that keeps its data in persistent memory. It was not run in Electron: only with a
 * stand-in for it, under Node.js. docs/electron.md is the guide that belongs to it.
 *
 * To try it, make it the `main` of an Electron app that has `pmem` among its dependencies. A preload script passes
 * `ipcRenderer.invoke` on for the channels below. Native modules do not load from an asar archive: unpack `*.node`.
 *
 * - Open pools in the main process, once, below `userData`. A second instance of the app would be refused with EAGAIN, so
 *   ask for the single-instance lock first.
 * - The renderer gets copies over IPC. It never opens a file.
 * - Views of a region are zero copy here too, on Linux and macOS: they lie over WebAssembly memory. Logs and block arrays
 *   copy, as everywhere.
 * - Close on `will-quit`. An app that is killed loses nothing that was acknowledged.
 */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pmemblk, pmemlog } from 'pmem'

/** What this sketch uses of Electron, so that it compiles without Electron installed. */
export interface Electron {
  app: {
    requestSingleInstanceLock(): boolean
    whenReady(): Promise<void>
    getPath(name: 'userData'): string
    on(event: 'will-quit' | 'window-all-closed', listener: () => void): void
    quit(): void
  }
  ipcMain: { handle(channel: string, listener: (event: unknown, ...args: unknown[]) => unknown): void }
  BrowserWindow: new (options: { width?: number; height?: number; webPreferences: { preload: string } }) => {
    getBounds(): { width: number; height: number }
    on(event: 'close', listener: () => void): void
    loadFile(path: string): Promise<void>
  }
}

/** What logs and block arrays have in common. */
interface Kind<Pool> {
  create(path: string): Disposable
  open(path: string): Pool
}

/** Opens a pool. A new one gets its name once it is whole: an app that is killed meanwhile leaves no half-made one. */
function openOrMake<Pool>(kind: Kind<Pool>, folder: string, name: string): Pool {
  const path = join(folder, name)
  if (!existsSync(path)) {
    rmSync(`${path}.new`, { force: true })
    kind.create(`${path}.new`)[Symbol.dispose]()
    renameSync(`${path}.new`, path)
    const descriptor = openSync(folder, 'r')
    fsyncSync(descriptor)
    closeSync(descriptor)
  }
  return kind.open(path)
}

/** Keeps notes in a log, and the window's bounds in block 0 of an array. */
export async function main({ app, ipcMain, BrowserWindow }: Electron): Promise<void> {
  if (!app.requestSingleInstanceLock()) {
    app.quit()
    return
  }
  await app.whenReady()
  const notes = openOrMake(pmemlog, app.getPath('userData'), 'notes.log')
  const state = openOrMake(pmemblk, app.getPath('userData'), 'state.blk')
  // What is still pending is finished by close, so that all of it is durable when the process ends.
  app.on('will-quit', () => {
    notes.close()
    state.close()
  })
  app.on('window-all-closed', () => app.quit())

  // Durable when the renderer's promise settles, and the window stays responsive meanwhile. A full log rejects: ENOSPC.
  ipcMain.handle('notes:add', (_, text) => {
    if (typeof text !== 'string') throw new TypeError('a note is text')
    return notes.appendAsync(`${JSON.stringify(text)}\n`)
  })
  ipcMain.handle('notes:list', () => {
    const lines = notes.read(0, notes.tell()).toString().split('\n')
    return lines.slice(0, -1).map((line) => JSON.parse(line) as string)
  })

  const bounds = JSON.parse(state.readText(0) || '{}') as { width?: number; height?: number }
  const window = new BrowserWindow({ ...bounds, webPreferences: { preload: join(__dirname, 'preload.js') } })
  window.on('close', () => {
    const { width, height } = window.getBounds()
    // One block: after a power failure these bounds or the ones before, never half of each.
    state.write(JSON.stringify({ width, height }), 0)
  })
  await window.loadFile(join(__dirname, 'index.html'))
}

if ('electron' in process.versions) void main(require('electron') as Electron)
else if (require.main === module) console.log('This is a sketch for Electron: it does nothing under Node.js.')
