/* Mapped regions. bench/suites/region.mts is the same in JavaScript. */
#include "harness.h"

#include <libpmem.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)1 << 20)
#define RANGES 64

static char *memory;
static int is_pmem;
static size_t position;
static char line[64], page[4096];

void set_up(void) {
    size_t length;
    memory = pmem_map_file("c-region", SIZE, PMEM_FILE_CREATE, 0666, &length, &is_pmem);
    require(memory && length == SIZE, "pmem_map_file");
    memset(memory, 1, SIZE);
    require(pmem_msync(memory, SIZE) == 0, "pmem_msync");
    memset(line, 2, sizeof line);
    memset(page, 3, sizeof page);
}

/* As the manual page of pmem_is_pmem has it. */
static void persist(const void *start, size_t length) {
    if (is_pmem) pmem_persist(start, length);
    else require(pmem_msync(start, length) == 0, "pmem_msync");
}

static char *advance(size_t step) {
    static size_t at;
    at = (at + step) & -step & (SIZE - 1);
    return memory + at;
}

static void store_line(void) {
    char *target = advance(sizeof line);
    memcpy(target, line, sizeof line);
    persist(target, sizeof line);
}

static void store_page(void) {
    char *target = advance(sizeof page);
    memcpy(target, page, sizeof page);
    persist(target, sizeof page);
}

static char *range(size_t index) {
    return memory + index * (SIZE / RANGES + 64) % SIZE;
}

static void store_ranges(void) {
    for (size_t i = 0; i < RANGES; i++) memcpy(range(i), line, sizeof line);
    for (size_t i = 0; i < RANGES; i++) pmem_flush(range(i), sizeof line);
    pmem_drain();
}

static void copy_page(void) {
    pmem_memcpy_persist(advance(sizeof page), page, sizeof page);
}

static char *cursor(void) {
    if (position == SIZE) position = 0;
    position += sizeof line;
    return memory + position - sizeof line;
}

static void write_cursor(void) {
    memcpy(cursor(), line, sizeof line);
}

static void read_cursor(void) {
    char *copy = malloc(sizeof line);
    memcpy(copy, cursor(), sizeof line);
    /* The compiler must believe that someone reads the copy. */
    __asm__ volatile("" : : "r"(copy) : "memory");
    free(copy);
}

const struct operation operations[] = {
    {"store 64 B + persist", store_line},
    {"store 4 KiB + persist", store_page},
    {"store 64 x 64 B + persistMany", store_ranges},
    {"copyFrom 4 KiB, durable", copy_page},
    {"cursor write 64 B", write_cursor},
    {"cursor read 64 B", read_cursor},
    {0},
};
