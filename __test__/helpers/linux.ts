import test from 'ava'
import { capabilities } from 'pmem'
import { durableIsCheap } from './pools.js'

/** A test that looks into /proc, or needs another thing of Linux alone: elsewhere there is nothing to test. */
export const linux = process.platform === 'linux' ? test : test.skip

/** For tests of files alone: who gets its buffers from elsewhere has the same ones, and a disk takes its time. */
export const onFiles = capabilities.externalBuffers && durableIsCheap && linux === test ? test.serial : test.skip
