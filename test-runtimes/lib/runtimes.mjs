// What differs between the runtimes in how a program is started.

/** The command line's part between the binary of a runtime and the program that it runs with `gc` available. */
export function launchArguments(name) {
  if (name === 'bun') return ['--no-install']
  if (name === 'deno') return ['run', '--quiet', '--allow-all', '--no-lock', '--v8-flags=--expose-gc']
  return ['--expose-gc']
}

/** The binary of a runtime below the folder of its package. */
export function binaryPath(name) {
  if (name === 'bun') return 'bin/bun'
  return name === 'deno' ? 'deno' : 'bin/node'
}
