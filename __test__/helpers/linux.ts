import test from 'ava'

/** A test that looks into /proc, or needs another thing of Linux alone. */
export const linux = process.platform === 'linux' ? test : test.skip
