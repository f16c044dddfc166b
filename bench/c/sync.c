/* Plain writes to a file, each made durable: what durable stores on a disk are compared with. */
#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE ((off_t)32 << 20)
#define PIECE (64 << 10)

static int file;
static char data[4096];

/* A file whose blocks are all allocated and written. An earlier round may have made it. */
void set_up(void) {
    struct stat status;
    memset(data, 2, sizeof data);
    file = open("c-sync", O_RDWR | O_CREAT, 0666);
    require(file >= 0 && fstat(file, &status) == 0, "c-sync");
    if (status.st_size == SIZE) return;
    char *zeros = calloc(1, PIECE);
    for (off_t at = 0; at < SIZE; at += PIECE) require(pwrite(file, zeros, PIECE, at) == PIECE, "pwrite");
    require(fsync(file) == 0, "fsync");
    free(zeros);
}

static void write_next(size_t length) {
    static off_t at;
    require(pwrite(file, data, length, at) == (ssize_t)length, "pwrite");
    require(fdatasync(file) == 0, "fdatasync");
    at = (at + length) % SIZE;
}

static void write_line(void) { write_next(64); }
/* What a journal writes for a record of 64 bytes. */
static void write_frame(void) { write_next(96); }
static void write_page(void) { write_next(4096); }

const struct operation operations[] = {
    {"pwrite 64 B + fdatasync", write_line},
    {"pwrite 96 B + fdatasync", write_frame},
    {"pwrite 4 KiB + fdatasync", write_page},
    {0},
};
