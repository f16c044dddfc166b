// http-client.mjs port path connections requests milliseconds: sends requests over connections that are kept, on each the
// next one after the answer, until the requests or the time are used up. Prints how many were answered in a second.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const [port, path, connections, requests, milliseconds] = process.argv.slice(2) as [string, string, string, string, string]

const BODY = 'x'.repeat(64)
const REQUEST = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
/** The end of the only answer there is. */
const END = '\r\n\r\nok'

// A parser would cost as much as the server that is measured.
async function converse(socket: Socket, isWanted: () => boolean): Promise<number> {
  let answers = 0
  let text = ''
  socket.setEncoding('latin1').write(REQUEST)
  for await (const piece of socket as AsyncIterable<string>) {
    text += piece
    if (!text.endsWith(END)) continue
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text)
    text = ''
    answers += 1
    if (!isWanted()) break
    socket.write(REQUEST)
  }
  socket.destroy()
  return answers
}

const sockets = Array.from({ length: Number(connections) }, () => connect(Number(port), '127.0.0.1').setNoDelay())
await Promise.all(sockets.map((socket) => once(socket, 'connect')))
const start = performance.now()
let left = Number(requests) - sockets.length
const isWanted = (): boolean => left-- > 0 && performance.now() - start < Number(milliseconds)
const answers = await Promise.all(sockets.map((socket) => converse(socket, isWanted)))
const seconds = (performance.now() - start) / 1000
console.log(answers.reduce((sum, count) => sum + count, 0) / seconds)
