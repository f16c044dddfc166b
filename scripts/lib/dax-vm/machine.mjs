import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { root } from '../run.mjs'
import { makeInitramfs } from './initramfs.mjs'
import { cache, preparePackages } from './packages.mjs'

/** Where the machine has its persistent memory: a folder of ext4 with DAX, or a device. */
export const FOLDER = '/mnt/pmem'
export const DEVICE = '/dev/dax0.0'

/** How many bytes it has, of which its file takes up those that were written. */
const NVDIMM = 2 ** 32

/** What machines are made of; `{ reason }` where there can be none. */
export async function prepareMachine() {
  const parts = await preparePackages()
  return parts.reason ? parts : { ...parts, initramfs: await makeInitramfs(parts) }
}

/**
 * A new file for an NVDIMM, empty, which the first machine with it sets up; `remove` it afterwards. Machines with the same one
 * find what the one before left durable.
 */
export function makeNvdimm() {
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'nvdimm-'))
  const path = join(folder, 'image')
  writeFileSync(path, '')
  truncateSync(path, NVDIMM)
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/**
 * Boots a machine with the NVDIMM that the file `nvdimm` is, and runs a command of the shell in it, in this checkout. The
 * machine sees the files of this one, and what it writes outside its persistent memory is gone with it.
 *
 * Resolves to `{ status, output }`: the command's exit status, null where the machine ended before the command. Each line that
 * the command prints goes to `onLine`, with a function that cuts the machine's power.
 *
 * `mode` is `fs` or `device`; with `autoFlush` the processor's caches are what is persistent.
 */
export async function runInMachine(parts, command, { nvdimm, mode = 'fs', autoFlush = false, timeout = 600, onLine = () => {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'pmem-machine-'))
  const [script, socket] = [join(folder, 'command'), join(folder, 'socket')]
  writeFileSync(script, `cd ${root}\nexport PATH=${process.env.PATH} HOME=/root PMEM_TEST_DIR=${FOLDER}\n${command}\n`)
  const virtiofsd = spawn(parts.virtiofsd, [`--socket-path=${socket}`, '-o', 'source=/,sandbox=chroot,cache=always'], { stdio: 'ignore' })
  try {
    await appears(socket, virtiofsd)
    const cmdline = `console=ttyS0 no_timer_check quiet loglevel=1 panic=-1 nvdimm=${mode} run=${script}`
    return await watch(spawn(parts.qemu, qemuArguments(parts, { nvdimm, autoFlush, socket, cmdline }), { stdio: ['ignore', 'pipe', 'pipe'] }), timeout, onLine)
  } finally {
    virtiofsd.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function qemuArguments({ kernel, initramfs }, { nvdimm, autoFlush, socket, cmdline }) {
  const machine = `q35,nvdimm=on,nvdimm-persistence=${autoFlush ? 'cpu' : 'mem-ctrl'}`
  // Without AVX and fast strings the emulator fills memory ten times faster. What flushes cache lines stays.
  return [
    ['-M', machine, '-accel', 'tcg,thread=multi', '-cpu', 'max,-avx,-avx2,-erms', '-smp', '2'],
    ['-m', '1G,slots=2,maxmem=64G', '-object', 'memory-backend-memfd,id=ram,size=1G,share=on', '-numa', 'node,memdev=ram'],
    ['-object', `memory-backend-file,id=nv0,share=on,mem-path=${nvdimm},size=${NVDIMM}`, '-device', 'nvdimm,memdev=nv0'],
    ['-chardev', `socket,id=files,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=host'],
    ['-device', 'virtio-rng-pci', '-kernel', kernel, '-initrd', initramfs, '-append', cmdline],
    ['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
  ].flat()
}

async function appears(socket, process) {
  for (let waited = 0; !existsSync(socket); waited += 10) {
    if (process.exitCode !== null || waited > 5000) throw new Error('virtiofsd, which shows the files of this machine, does not start')
    await wait(10)
  }
}

/** Follows what a machine prints, to its end. */
function watch(qemu, timeout, onLine) {
  const cut = () => qemu.kill('SIGKILL')
  const timer = setTimeout(cut, timeout * 1000)
  const lines = []
  let [began, status, failure] = [false, null, '']
  createInterface({ input: qemu.stdout, crlfDelay: Infinity }).on('line', (line) => {
    if (line.startsWith('dax-vm: begins')) {
      began = true
      return
    }
    const [, exit] = /dax-vm: exit (\d+)$/.exec(line) ?? []
    if (exit !== undefined) status = Number(exit)
    else if (!began) failure += `${line}\n`
    else if (status === null) {
      lines.push(line)
      onLine(line, cut)
    }
  })
  qemu.stderr.setEncoding('utf8').on('data', (text) => (failure += text))
  return new Promise((resolve, reject) => {
    qemu.on('error', reject)
    qemu.on('close', () => {
      clearTimeout(timer)
      if (began) resolve({ status, output: lines.join('\n') })
      else reject(new Error(`The machine does not start:\n${failure.trim()}`))
    })
  })
}
