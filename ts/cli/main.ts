#!/usr/bin/env node
/** `npx pmem`. */

import { run } from './run.js'

void run(process.argv.slice(2))
