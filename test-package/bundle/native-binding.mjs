import { setNativeBinding } from 'pmem/native-binding'

setNativeBinding(`${process.cwd()}/pmem.node`)
