// The other releases of Node.js take their time; `npm test` runs them under its first conditions.
const fewer = process.env.PMEM_TEST_RUNTIMES === '0' ? ['!build/__test__/runtimes.spec.js'] : []

// What objects have in common with those of the language depends on no file, cuts of recorded power on none that is there, and neither
// the command line nor calls by chance on where files lie: 'few' leaves them out, 'none' all stores of objects and failures of files too.
const language = '!build/__test__/objects-{array,borders,map,object,set,values}.spec.js'
const others = '!build/__test__/{*-powercuts,cli,cli-*,fuzz}.spec.js'
const files = '!build/__test__/{objects-*,failing-calls,upheavals}.spec.js'
const objects = { few: [language, others], language: [others], none: [files, others] }[process.env.PMEM_TEST_OBJECTS] ?? []

export default {
  files: ['build/__test__/**/*.spec.{js,mjs}', ...fewer, ...objects],
  timeout: '2m',
  concurrency: 2,
  // A process for each file: mappings, signal handlers and crashes stay with the file that made them.
  workerThreads: false,
  nodeArguments: ['--expose-gc'],
}
