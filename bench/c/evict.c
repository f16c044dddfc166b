/* evict FILE: drops a file's pages from the page cache. Those that are mapped somewhere stay. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (file < 0 || fsync(file) != 0) {
        perror("evict");
        return 1;
    }
    return posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}
