export { setNativeBinding } from './ts/native-binding.js'
