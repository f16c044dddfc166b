export { setNativeBinding } from './ts/shared/native-binding.js'
