/** Questions to the server. */

type Parameters = Readonly<Record<string, string | number>>

function urlOf(name: string, parameters: Parameters): string {
  return `${name}?${new URLSearchParams(Object.entries(parameters).map(([key, value]) => [key, String(value)])).toString()}`
}

async function answerOf(name: string, parameters: Parameters): Promise<Response> {
  const response = await fetch(urlOf(name, parameters))
  if (response.ok) return response
  const { message, code } = (await response.json()) as { message: string; code?: string }
  throw new Error(code === undefined || message.includes(code) ? message : `${message} (${code})`)
}

/** What the server knows. */
export async function ask<T>(name: string, parameters: Parameters = {}): Promise<T> {
  return (await (await answerOf(name, parameters)).json()) as T
}

/** Bytes that the server has. */
export async function askBytes(name: string, parameters: Parameters): Promise<Uint8Array> {
  return new Uint8Array(await (await answerOf(name, parameters)).arrayBuffer())
}

/** Hears what comes, until it ends or fails, or until what this returns is called. */
export function listen<T>(name: string, parameters: Parameters, next: (data: T) => void, ended: (error?: Error) => void): () => void {
  const source = new EventSource(urlOf(name, parameters))
  const end = (error?: Error) => {
    source.close()
    ended(error)
  }
  source.addEventListener('next', ({ data }) => next(JSON.parse(data as string) as T))
  source.addEventListener('done', () => end())
  source.addEventListener('failed', ({ data }) => end(new Error((JSON.parse(data as string) as { message: string }).message)))
  source.addEventListener('error', () => end(new Error('pmem inspect has ended')))
  return () => source.close()
}
