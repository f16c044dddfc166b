/* Logs. bench/suites/log.mts is the same in JavaScript. */
#include "harness.h"

#include <libpmemlog.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)16 << 20)
#define RECORD 64
#define PARTS 64
#define RECORDS 100000

static PMEMlogpool *log_pool, *records;
static char record[RECORD];
static struct iovec parts[PARTS];
static size_t sum;

/* A log that holds `length` zeros, or as many as it can. An earlier round may have made it. */
static PMEMlogpool *filled(const char *path, size_t length) {
    PMEMlogpool *pool = pmemlog_open(path);
    if (!pool) pool = pmemlog_create(path, SIZE, 0666);
    require(pool != NULL, path);
    if (!length) length = pmemlog_nbyte(pool);
    pmemlog_rewind(pool);
    void *zeros = calloc(1, length);
    require(zeros && pmemlog_append(pool, zeros, length) == 0, "pmemlog_append");
    free(zeros);
    return pool;
}

void set_up(void) {
    log_pool = filled("c-log", 0);
    records = filled("c-records", RECORDS * RECORD);
    memset(record, 2, sizeof record);
    for (size_t i = 0; i < PARTS; i++) parts[i] = (struct iovec){record, sizeof record};
}

static void reserve(size_t length) {
    static size_t left;
    if (left < length) {
        pmemlog_rewind(log_pool);
        left = pmemlog_nbyte(log_pool);
    }
    left -= length;
}

static void append(void) {
    reserve(RECORD);
    require(pmemlog_append(log_pool, record, RECORD) == 0, "pmemlog_append");
}

static void append_parts(void) {
    reserve(PARTS * RECORD);
    require(pmemlog_appendv(log_pool, parts, PARTS) == 0, "pmemlog_appendv");
}

static int touch(const void *chunk, size_t length, void *arg) {
    (void)arg;
    for (size_t at = 0; at < length; at += RECORD) sum += ((const char *)chunk)[at];
    return 1;
}

static void walk_whole(void) {
    pmemlog_walk(records, 0, touch, NULL);
}

const struct operation operations[] = {
    {"append 64 B", append},
    {"appendv 64 x 64 B", append_parts},
    {"walk 100,000 x 64 B", walk_whole},
    {0},
};
