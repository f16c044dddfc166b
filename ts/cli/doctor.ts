/** `doctor`: what this machine and a path on it offer. */

import { readFileSync, statSync, statfsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as pmemlog from '../nvml/pmemlog.js'
import * as pmem from '../region/pmem.js'
import { capabilities } from '../shared/capabilities.js'
import type { Action } from './command.js'
import { version } from './help.js'
import { bold, facts, tell } from './terminal.js'
import { folderOf, inTrialFolder, medianOf } from './trial.js'

/** How long each thing is measured, in milliseconds. */
const EACH = 200

/** File systems by what statfs says. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x01021994: 'tmpfs',
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x2fc12fc1: 'zfs',
  0x794c7630: 'overlay',
  0x6969: 'nfs',
  0xff534d42: 'cifs',
  0xfe534d42: 'smb2',
  0x65735546: 'fuse',
}
const NETWORK = ['nfs', 'cifs', 'smb2']

export const doctor: Action = async (call) => {
  const folder = folderOf(call.operands[0] ?? '.')
  const place = await inTrialFolder(folder, (trial) => ofPlace(resolve(folder), trial))
  const found = { package: ofPackage(), machine: ofMachine(), place, advice: adviceFor(place) }
  const { advice, ...others } = found
  const sections = () => Object.entries(others).map(([name, known]) => `${bold(name)}\n${facts(known, '  ')}\n`)
  await tell(call, found, () => `${sections().join('')}${bold('advice')}\n${advice.map((line) => `  ${line}\n`).join('')}`)
}

function ofPackage(): object {
  const { engines, pmdk, externalBuffers, wasmMemory } = capabilities
  return { version: version(), engines, pmdk: pmdk ?? 'not linked in', externalBuffers, wasmMemory }
}

function ofMachine(): object {
  const { flushInstruction, hwDrain, autoFlush, pageSize } = capabilities
  const { glibcVersionRuntime } = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)?.header ?? {}
  const runtime = Object.entries(process.versions).find(([name]) => ['bun', 'deno', 'electron'].includes(name)) ?? ['node', process.versions.node]
  return { platform: `${process.platform} ${process.arch}`, runtime: runtime.join(' '), glibc: glibcVersionRuntime, flushInstruction, hwDrain, autoFlush, pageSize }
}

type Place = Awaited<ReturnType<typeof ofPlace>>

/** What a folder's file system is, and how it does. */
function ofPlace(folder: string, trial: string) {
  const { type } = statfsSync(folder)
  const file = join(trial, 'region')
  writeFileSync(file, Buffer.alloc(1 << 20))
  using region = pmem.map(file)
  const change = (index: number) => {
    region.copyFrom(Buffer.alloc(64, index))
    region.persist(0, 64)
  }
  using log = pmemlog.create(join(trial, 'log'))
  return {
    folder,
    fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
    mount: mountOf(folder),
    isPmem: region.isPmem,
    engine: log.engine,
    persist: `${medianOf(change, EACH).toFixed(1)} us for 64 bytes`,
    written: writtenBy(folder, change),
    append: `${medianOf(() => (log.free < 64 ? log.rewind() : log.append(Buffer.alloc(64))), EACH).toFixed(1)} us for 64 bytes`,
  }
}

/** How a folder is mounted. */
function mountOf(folder: string): string | undefined {
  try {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').map((line) => line.split(' '))
    const isAbove = (point: string) => point === '/' || folder === point || folder.startsWith(`${point}/`)
    const mount = mounts.filter((fields) => isAbove(fields[4]!)).toSorted((one, other) => one[4]!.length - other[4]!.length).at(-1)
    return mount && `${mount[4]} (${mount[5]},${mount.at(-1)})`
  } catch {
    return undefined
  }
}

/** What a durable change of a few bytes writes to the device: the least of several, since others write to it too. */
function writtenBy(folder: string, change: (index: number) => void): string | undefined {
  try {
    const device = statSync(folder).dev
    const counters = `/sys/dev/block/${(device >> 8) & 0xfff}:${device & 0xff}/stat`
    const sectors = () => Number(readFileSync(counters, 'utf8').trim().split(/\s+/)[6])
    const counts = Array.from({ length: 10 }, (_, index) => {
      const before = sectors()
      change(index)
      return sectors() - before
    })
    return `${Math.min(...counts) * 512} bytes by a persist of 64`
  } catch {
    return undefined
  }
}

/** What would give more here. */
function adviceFor({ fileSystem, isPmem, mount = '' }: Place): string[] {
  const advice: string[] = []
  if (NETWORK.includes(fileSystem)) advice.push('A network file system: journals and stores are not written here. Use a disk of this machine.')
  if (fileSystem === 'tmpfs') advice.push('A file system in memory: all of it is gone after a restart of the machine.')
  if (isPmem) advice.push('Persistent memory: what is flushed is durable without a system call.')
  else advice.push('Page cache: each durable step is a flush of the device. Use batches, the asynchronous calls, or `durability: "group"`.')
  if (/\bnobarrier\b|\bbarrier=0\b/.test(mount)) advice.push('Mounted without barriers: a power failure may lose what was acknowledged, unless the device has a battery.')
  if (!capabilities.externalBuffers) advice.push("This runtime's memory cage admits no views of mapped memory: map with { buffer: 'wasm' } or copy.")
  if (capabilities.engines.length === 1) advice.push('This build has no PMDK: pools use the engine in Rust, whose files are the same.')
  return advice
}
