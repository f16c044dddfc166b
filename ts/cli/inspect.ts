/** `inspect`, which another package does: it shows files in a browser. */

import { type Action, Failure, STATUS, UsageError, numberOf, textOf } from './command.js'
import { print } from './terminal.js'

const PACKAGE = 'pmem-inspect'

/** What that package has. */
interface Inspect {
  inspect(path: string, port: number): Promise<{ readonly address: string }>
}

export const inspect: Action = async (call) => {
  const port = numberOf('--port', textOf(call, 'port') ?? '0')
  if (port > 65535) throw new UsageError(`--port is at most 65535, not ${port}`)
  const { address } = await (require(found()) as Inspect).inspect(call.operands[0]!, port)
  await print(`${address}\n`)
}

/** Where it is: in the user's project, or beside this package. */
function found(): string {
  try {
    return require.resolve(PACKAGE, { paths: [process.cwd(), __dirname] })
  } catch {
    throw new Failure(`${PACKAGE} is not installed: npm install ${PACKAGE}`, STATUS.unknown)
  }
}
