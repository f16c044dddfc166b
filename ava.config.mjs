// The other releases of Node.js take their time; `npm test` runs them under its first conditions.
const fewer = process.env.PMEM_TEST_RUNTIMES === '0' ? ['!build/__test__/runtimes.spec.js'] : []

export default {
  files: ['build/__test__/**/*.spec.{js,mjs}', ...fewer],
  timeout: '2m',
  concurrency: 2,
  // A process for each file: mappings, signal handlers and crashes stay with the file that made them.
  workerThreads: false,
  nodeArguments: ['--expose-gc'],
}
