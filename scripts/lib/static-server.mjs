import { createReadStream, statSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2' }

/** Serves the files of a folder to this machine alone, at a free port or the one given; resolves to `{ address, close }`. */
export async function serve(folder, port = 0) {
  const server = createServer((request, response) => answer(folder, request, response))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { address: `http://127.0.0.1:${server.address().port}`, close }
}

function answer(folder, { url }, response) {
  const [wanted, missing] = [fileOf(folder, url), join(folder, '404.html')]
  const file = isFile(wanted) ? wanted : missing
  response.statusCode = file === wanted ? 200 : 404
  if (!isFile(file)) return response.end()
  response.setHeader('content-type', `${TYPES[extname(file)] ?? 'application/octet-stream'}; charset=utf-8`)
  createReadStream(file).pipe(response)
}

/** The file that an address means; of a folder, its `index.html`. */
function fileOf(folder, url) {
  // An address that begins with `/` cannot leave the folder.
  const path = normalize(decoded(new URL(url, 'http://localhost').pathname))
  return join(folder, path.endsWith('/') ? `${path}index.html` : path)
}

function decoded(path) {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const isFile = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
