/**
 * A to-do service over HTTP whose users, sessions and to-dos are Maps in a file: whatever it has answered is there when it runs again,
 * also after `kill -9` or a power cut, and nobody has to log in anew.
 *
 *     npm run build
 *     node build/examples/todo-service.js [file] [port]
 *     curl --data '{"user":"ada"}' http://127.0.0.1:8000/login
 *     curl -H 'session: TOKEN' --data '{"text":"buy tea","due":"2030-01-02"}' http://127.0.0.1:8000/todos
 *     curl -H 'session: TOKEN' --data '' http://127.0.0.1:8000/todos/1/done
 *     curl -H 'session: TOKEN' 'http://127.0.0.1:8000/todos?limit=10'
 *
 * Each request is one transaction: all that it changes, or nothing where it is refused. `transactionAsync` resolves once that is durable,
 * and only then is the request answered. Those that wait at the same time share the disk's barrier (`durability: 'group'`).
 *
 * It asks for no password: that is another matter.
 */

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { objects } from 'pmem'

/** How long a session lasts that is not used, in milliseconds. */
const LASTS = 7 * 24 * 3600 * 1000

interface Todo {
  readonly id: number
  readonly user: string
  readonly text: string
  /** When it is due, in milliseconds since 1970. */
  readonly due: number
  done: boolean
}

interface Session {
  readonly user: string
  ends: number
}

/** What a new store has. The sorted maps are its indexes: their keys are tuples, so that what is listed together lies in a row. */
function empty(store: objects.Store) {
  return {
    lastId: 0,
    todos: new Map<number, Todo>(),
    /** By user, 0 or 1 for done, when they are due, and id. */
    byDue: store.sortedMap<[string, number, number, number], Todo>(),
    sessions: new Map<string, Session>(),
    /** By when they end, and token. */
    byEnd: store.sortedMap<[number, string], null>(),
  }
}

/** What a request is answered with that is refused. */
class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** The to-dos of a file. None of its methods waits: each is called within the transaction of a request. */
class Todos {
  readonly #root

  constructor(store: objects.Store<objects.Live<ReturnType<typeof empty>>>) {
    this.#root = store.root
  }

  login(user: string, now: number): string {
    const { sessions, byEnd } = this.#root
    for (const [[end, token]] of byEnd.range({ to: [now, ''] })) {
      byEnd.delete([end, token])
      sessions.delete(token)
    }
    const token = randomUUID()
    sessions.set(token, { user, ends: now + LASTS })
    byEnd.set([now + LASTS, token], null)
    return token
  }

  /** The user of a session, which lasts longer from now on. */
  userOf(token: string, now: number): string {
    const { sessions, byEnd } = this.#root
    const session = sessions.get(token)
    if (!session || session.ends < now) throw new Refused(401, 'log in')
    byEnd.delete([session.ends, token])
    session.ends = now + LASTS
    byEnd.set([session.ends, token], null)
    return session.user
  }

  add(user: string, text: string, due: number): Todo {
    const { todos, byDue } = this.#root
    const id = (this.#root.lastId += 1)
    todos.set(id, { id, user, text, due, done: false })
    // The live one, so that both maps have the same.
    const todo = todos.get(id)!
    byDue.set([user, 0, due, id], todo)
    return todo
  }

  finish(user: string, id: number): Todo {
    const { todos, byDue } = this.#root
    const todo = todos.get(id)
    if (todo?.user !== user) throw new Refused(404, 'there is no such to-do')
    byDue.delete([user, Number(todo.done), todo.due, id])
    todo.done = true
    byDue.set([user, 1, todo.due, id], todo)
    return todo
  }

  /** What is not done, the next one first. */
  list(user: string, limit: number): Todo[] {
    const open = this.#root.byDue.range({ from: [user, 0, -Infinity, 0], to: [user, 1, -Infinity, 0], limit })
    return Array.from(open, ([, todo]) => todo)
  }
}

/** Something that runs until it is closed. */
export interface Running {
  readonly port: number
  close(): Promise<void>
}

export async function service(path: string, port: number): Promise<Running> {
  const store = objects.open(path, { durability: 'group', root: empty })
  const todos = new Todos(store)
  const server = createServer((request, response) => {
    void (async () => {
      try {
        const body = await bodyOf(request)
        const answer = await store.transactionAsync(() => JSON.stringify(respond(todos, request, body)))
        response.writeHead(200, { 'content-type': 'application/json' }).end(`${answer}\n`)
      } catch (error) {
        const status = error instanceof Refused ? error.status : 500
        response.writeHead(status).end(`${(error as Error).message}\n`)
      }
    })()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      store.close()
    },
  }
}

/** What a request is answered with. It may throw midway: all that it has changed is taken back. */
function respond(todos: Todos, { method, url, headers }: IncomingMessage, body: Record<string, unknown>): unknown {
  const now = Date.now()
  const { pathname, searchParams } = new URL(url ?? '/', 'http://localhost')
  if (method === 'POST' && pathname === '/login') return { session: todos.login(textIn(body, 'user'), now) }
  const user = todos.userOf(`${headers['session']}`, now)
  const [, id] = /^\/todos\/(\d+)\/done$/.exec(pathname) ?? []
  if (method === 'POST' && id !== undefined) return todos.finish(user, Number(id))
  if (pathname !== '/todos') throw new Refused(404, 'there is nothing here')
  if (method === 'GET') return todos.list(user, Number(searchParams.get('limit') ?? 100))
  const due = Date.parse(textIn(body, 'due'))
  if (Number.isNaN(due)) throw new Refused(400, '"due" is no date')
  return todos.add(user, textIn(body, 'text'), due)
}

function textIn(body: Record<string, unknown>, name: string): string {
  const text = body[name]
  if (typeof text !== 'string' || text === '') throw new Refused(400, `"${name}" is missing`)
  return text
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>
  } catch {
    throw new Refused(400, 'the body is no JSON')
  }
}

async function main([file, port]: readonly string[]): Promise<void> {
  const running = await service(file ?? join(tmpdir(), 'pmem-todos.store'), Number(port ?? 8000))
  console.log(`to-dos on port ${running.port}`)
  process.once('SIGTERM', () => void running.close())
}

if (require.main === module) void main(process.argv.slice(2))
