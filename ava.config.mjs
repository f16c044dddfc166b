export default {
  files: ['build/__test__/**/*.spec.{js,mjs}'],
  timeout: '2m',
  concurrency: 2,
  // A process for each file: mappings, signal handlers and crashes stay with the file that made them.
  workerThreads: false,
  nodeArguments: ['--expose-gc'],
}
