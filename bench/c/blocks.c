/* Block arrays. bench/suites/blocks.mts is the same in JavaScript. */
#include "harness.h"

#include <libpmemblk.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)32 << 20)
#define BLOCKS 4096
#define STEP 61

static PMEMblkpool *small, *large;
static char block[4096], target[4096];

/* An array whose blocks were all written. An earlier round may have made it. */
static PMEMblkpool *written(const char *path, size_t size) {
    PMEMblkpool *blocks = pmemblk_open(path, size);
    if (!blocks) blocks = pmemblk_create(path, size, SIZE, 0666);
    require(blocks != NULL, path);
    for (long long i = 0; i < BLOCKS; i++) require(pmemblk_write(blocks, block, i) == 0, "pmemblk_write");
    return blocks;
}

void set_up(void) {
    memset(block, 2, sizeof block);
    small = written("c-blocks-512", 512);
    large = written("c-blocks-4096", 4096);
}

static long long next(void) {
    static long long at;
    return at = (at + STEP) % BLOCKS;
}

static void write_block(PMEMblkpool *blocks) {
    require(pmemblk_write(blocks, block, next()) == 0, "pmemblk_write");
}

static void read_copy(PMEMblkpool *blocks, size_t size) {
    char *copy = malloc(size);
    require(pmemblk_read(blocks, copy, next()) == 0, "pmemblk_read");
    free(copy);
}

static void read_into(PMEMblkpool *blocks) {
    require(pmemblk_read(blocks, target, next()) == 0, "pmemblk_read");
}

static void write_small(void) { write_block(small); }
static void write_large(void) { write_block(large); }
static void read_small(void) { read_copy(small, 512); }
static void read_large(void) { read_copy(large, 4096); }
static void read_into_small(void) { read_into(small); }
static void read_into_large(void) { read_into(large); }

const struct operation operations[] = {
    {"block write 512 B", write_small},
    {"block write 4096 B", write_large},
    {"block read 512 B", read_small},
    {"block read 4096 B", read_large},
    {"block readInto 512 B", read_into_small},
    {"block readInto 4096 B", read_into_large},
    {0},
};
