// open.mjs path: says whether the log there can be opened.
import { pmemlog } from 'pmem'

try {
  pmemlog.open(process.argv[2]).close()
  console.log('opened')
} catch (error) {
  console.log(error.code)
}
