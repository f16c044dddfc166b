import { dirname, join } from 'node:path'
import { setNativeBinding } from 'pmem/native-binding'

// Beside the program. In a packaged Electron app this is a file below process.resourcesPath.
setNativeBinding(join(dirname(process.argv[1]), 'pmem.node'))
