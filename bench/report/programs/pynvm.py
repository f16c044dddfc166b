"""pynvm.py CASE FOLDER MILLISECONDS: prints the nanoseconds of one append to a log, or of one overwritten and persisted line."""
import os
import sys
import time

from nvm import pmem, pmemlog

case, folder, milliseconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
data = os.urandom(1 << 20)


def record(number):
    start = (number * 977) % (len(data) - 64)
    return data[start:start + 64]


def append(path):
    log = pmemlog.create(path, 512 << 20)
    return lambda number: log.append(record(number))


def overwrite(path):
    region = pmem.map_file(path, 1 << 20, pmem.FILE_CREATE, 0o666)

    def store(number):
        place = (number * 64) % (1 << 20)
        region.seek(place)
        region.write(record(number))
        region.persist()

    return store


call = {"append": append, "overwrite": overwrite}[case](os.path.join(folder, "pynvm-%d" % os.getpid()))
start, count = time.perf_counter(), 0
while time.perf_counter() - start < milliseconds / 1000:
    for _ in range(16):
        call(count)
        count += 1
print((time.perf_counter() - start) * 1e9 / count)
