import { run, step } from './run.mjs'

/** Whether this may install what lies outside the checkout. */
export const mayInstall = () => process.env.PMEM_NO_INSTALL !== '1'

/** Installs Debian packages where that is possible; resolves to whether all of them are there. */
export async function installDebian(packages) {
  if (await installed(packages)) return true
  if (!mayInstall() || process.platform !== 'linux' || process.getuid() !== 0) return false
  if (!(await run('apt-get', ['--version'])).ok) return false
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await step('Debian package lists', 'apt-get', ['update'], { env })
    await step(packages.join(' '), 'apt-get', ['install', '--yes', '--no-install-recommends', ...packages], { env })
    return true
  } catch (error) {
    console.log(error.message)
    return false
  }
}

async function installed(packages) {
  const { output } = await run('dpkg-query', ['--show', '--showformat', '${db:Status-Status}\n', ...packages])
  return output.split('\n').filter((status) => status === 'installed').length === packages.length
}
