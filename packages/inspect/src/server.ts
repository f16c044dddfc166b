/** The server: of this machine alone, for whoever has the token, and for reading alone. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { BadQuery, Query, type View } from './view.js'

const HOST = '127.0.0.1'

/** What is answered that is none of the view's. */
interface Refusal {
  readonly status: number
  readonly message: string
}

/** Serves a view's answers beside the page that asks for them. */
export class Inspector {
  readonly #view: View
  readonly #token = randomBytes(16).toString('hex')
  readonly #page = readFileSync(join(__dirname, 'page.html'))
  readonly #policy = policyOf(this.#page.toString())
  readonly #server: Server

  constructor(view: View) {
    this.#view = view
    this.#server = createServer((request, response) => void this.#handle(request, response))
  }

  /** Begins to answer. */
  async listen(port: number): Promise<this> {
    this.#server.listen(port, HOST)
    await once(this.#server, 'listening')
    return this
  }

  /** Where the page is. */
  get address(): string {
    return `${this.#origin}/${this.#token}/`
  }

  get #origin(): string {
    return `http://${HOST}:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends all answers, and closes the file. */
  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    this.#view.close()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    setHeaders(response, this.#policy)
    const url = URL.canParse(request.url!, this.#origin) ? new URL(request.url!, this.#origin) : undefined
    const refusal = this.#refusal(request, url)
    if (refusal) return end(response, refusal.status, 'text/plain; charset=utf-8', `${refusal.message}\n`)
    const name = url!.pathname.split('/').slice(2).join('/')
    try {
      await this.#answer(name, new Query(url!.searchParams), response)
    } catch (error) {
      fail(response, error as NodeJS.ErrnoException)
    }
  }

  #refusal({ method, headers }: IncomingMessage, url: URL | undefined): Refusal | undefined {
    // A page of somebody else's reaches this server by a name of its own, or says whose it is.
    const isForeign = headers.host !== new URL(this.#origin).host || (headers.origin ?? this.#origin) !== this.#origin
    if (isForeign || !this.#hasToken(url)) return { status: 403, message: 'Open the address that `pmem inspect` has printed.' }
    if (method !== 'GET') return { status: 405, message: 'There is nothing to change here.' }
    return undefined
  }

  #hasToken(url: URL | undefined): boolean {
    const digest = (text: string) => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(url?.pathname.split('/')[1] ?? ''), digest(this.#token))
  }

  async #answer(name: string, query: Query, response: ServerResponse): Promise<void> {
    if (name === '') return end(response, 200, 'text/html; charset=utf-8', this.#page)
    const { answers, streams } = this.#view
    if (Object.hasOwn(streams, name)) return this.#stream(streams[name]!, query, response)
    if (!Object.hasOwn(answers, name)) return end(response, 404, 'text/plain; charset=utf-8', 'There is no such thing.\n')
    const answer = await answers[name]!(query)
    if (answer instanceof Uint8Array) return end(response, 200, 'application/octet-stream', answer)
    end(response, 200, 'application/json', JSON.stringify(answer ?? null))
  }

  /** Server-sent events, the last of which says that it was that; until the page leaves. */
  async #stream(events: View['streams'][string], query: Query, response: ServerResponse): Promise<void> {
    const left = new AbortController()
    const { signal } = left
    response.on('close', () => left.abort())
    const send = (event: string, data: unknown) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    try {
      for await (const data of events(query, signal)) {
        if (signal.aborted) return
        if (!send('next', data)) await once(response, 'drain', { signal })
      }
      send('done', {})
    } catch (error) {
      if (!signal.aborted) send('failed', described(error as NodeJS.ErrnoException))
    } finally {
      response.end()
    }
  }
}

function setHeaders(response: ServerResponse, policy: string): void {
  response.setHeader('content-security-policy', policy)
  response.setHeader('cache-control', 'no-store')
  response.setHeader('cross-origin-opener-policy', 'same-origin')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('x-content-type-options', 'nosniff')
}

/** What a page may do: run the script and use the style that are in it, and ask here. */
function policyOf(page: string): string {
  const hashOf = (element: string) => {
    const text = new RegExp(`<${element}[^>]*>([^]*)</${element}>`).exec(page)![1]!
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  const own = `script-src ${hashOf('script')}; style-src ${hashOf('style')}; connect-src 'self'; img-src data:`
  return `default-src 'none'; ${own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
}

function end(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, { 'content-type': type }).end(body)
}

function fail(response: ServerResponse, error: NodeJS.ErrnoException): void {
  end(response, error instanceof BadQuery ? 400 : 500, 'application/json', JSON.stringify(described(error)))
}

function described({ message, code }: NodeJS.ErrnoException): object {
  return { message: message.split('\n')[0], code }
}
