import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { join, parse } from 'node:path'
import { root, step } from './run.mjs'

const sources = join(root, 'bench/c')
const programs = join(root, 'build/bench/c')

/** The C programs to measure against. Each file beside the harness is a program, over the harness where it includes it. */
export async function buildPrograms() {
  mkdirSync(programs, { recursive: true })
  for (const { name, ext, base } of readdirSync(sources).map((file) => parse(file))) {
    if (ext !== '.c' || name === 'harness') continue
    const harness = readFileSync(join(sources, base), 'utf8').includes('"harness.h"') ? ['harness.c'] : []
    const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', join(programs, name), base, ...harness]
    args.push('-Wl,--as-needed', '-lpmemlog', '-lpmemblk', '-lpmem')
    await step(`C program: ${name}`, 'cc', args, { cwd: sources })
  }
}

/** What is measured on. */
export function machine() {
  const cores = os.cpus()
  return `${cores[0]?.model}, ${cores.length} cores, ${os.type()} ${os.release()}, Node.js ${process.version}`
}
