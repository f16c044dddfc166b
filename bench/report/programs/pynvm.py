"""pynvm.py FOLDER MILLISECONDS: prints the nanoseconds of one append to a log."""
import os
import sys
import time

from nvm import pmemlog

folder, milliseconds = sys.argv[1], float(sys.argv[2])
data = os.urandom(1 << 20)


def record(number):
    start = (number * 977) % (len(data) - 64)
    return data[start:start + 64]


def append(path):
    log = pmemlog.create(path, 512 << 20)
    return lambda number: log.append(record(number))


call = append(os.path.join(folder, "pynvm-%d" % os.getpid()))
start, count = time.perf_counter(), 0
while time.perf_counter() - start < milliseconds / 1000:
    for _ in range(16):
        call(count)
        count += 1
print((time.perf_counter() - start) * 1e9 / count)
