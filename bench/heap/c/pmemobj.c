/*
 * A map from bytes to bytes over libpmemobj's transactions, as a user of that library would write one: an array of
 * chains, each entry an object of its own.
 *
 * It leaves out what would cost libpmemobj time and what the benchmark does not ask for: the array never grows (its
 * length is given when the pool is made), pointers are 64-bit offsets in place of the 16 bytes of a PMEMoid, a value of
 * the same length is overwritten in place under the undo log, and a transaction counts its new entries once. There is
 * no lock: one thread uses it.
 */
#include <errno.h>
#include <libpmemobj.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYOUT "heap-bench"

enum { TYPE_BUCKETS = 1, TYPE_ENTRY };

struct map {
    uint64_t count;
    uint64_t mask;
    uint64_t buckets;
};

struct entry {
    uint64_t next;
    uint32_t key_length;
    uint32_t value_length;
    unsigned char bytes[];
};

struct store {
    PMEMobjpool *pool;
    struct map *map;
};

struct pair {
    const unsigned char *key;
    size_t key_length;
    const unsigned char *value;
    size_t value_length;
};

static void *at(const struct store *store, uint64_t offset) {
    return (char *)store->pool + offset;
}

static uint64_t hash(const unsigned char *key, size_t length) {
    uint64_t state = length * 0x9e3779b97f4a7c15u;
    while (length > 0) {
        uint64_t word = 0;
        size_t part = length < sizeof(word) ? length : sizeof(word);
        /* A constant length is one load. */
        if (part == sizeof(word)) memcpy(&word, key, sizeof(word));
        else memcpy(&word, key, part);
        state = (state ^ word) * 0xff51afd7ed558ccdu;
        state ^= state >> 32;
        key += part;
        length -= part;
    }
    return state;
}

static uint64_t *bucket_of(const struct store *store, const unsigned char *key, size_t length) {
    uint64_t *buckets = at(store, store->map->buckets);
    return &buckets[hash(key, length) & store->map->mask];
}

static struct entry *find(const struct store *store, uint64_t offset, const unsigned char *key, size_t length) {
    while (offset != 0) {
        struct entry *entry = at(store, offset);
        if (entry->key_length == length && memcmp(entry->bytes, key, length) == 0) return entry;
        offset = entry->next;
    }
    return NULL;
}

/* Puts an entry at the head of a chain; inside a transaction. */
static void add(const struct store *store, uint64_t *link, const struct pair *pair, uint64_t next) {
    PMEMoid object = pmemobj_tx_alloc(sizeof(struct entry) + pair->key_length + pair->value_length, TYPE_ENTRY);
    struct entry *entry = at(store, object.off);
    entry->next = next;
    entry->key_length = (uint32_t)pair->key_length;
    entry->value_length = (uint32_t)pair->value_length;
    memcpy(entry->bytes, pair->key, pair->key_length);
    memcpy(entry->bytes + pair->key_length, pair->value, pair->value_length);
    pmemobj_tx_add_range_direct(link, sizeof(*link));
    *link = object.off;
}

static void unlink_entry(const struct store *store, uint64_t *link, const struct entry *entry) {
    while (at(store, *link) != entry) link = &((struct entry *)at(store, *link))->next;
    PMEMoid object = pmemobj_oid(entry);
    pmemobj_tx_add_range_direct(link, sizeof(*link));
    *link = entry->next;
    pmemobj_tx_free(object);
}

/* Tells whether the entry is a new one; inside a transaction. */
static int put(const struct store *store, const struct pair *pair) {
    uint64_t *bucket = bucket_of(store, pair->key, pair->key_length);
    struct entry *entry = find(store, *bucket, pair->key, pair->key_length);
    if (entry != NULL && entry->value_length == pair->value_length) {
        unsigned char *value = entry->bytes + entry->key_length;
        pmemobj_tx_add_range_direct(value, pair->value_length);
        memcpy(value, pair->value, pair->value_length);
        return 0;
    }
    if (entry != NULL) unlink_entry(store, bucket, entry);
    add(store, bucket, pair, *bucket);
    return entry == NULL;
}

/* Sets all pairs in one transaction; returns 0, or -1 with errno where it was undone. */
int heap_bench_pmemobj_put(struct store *store, const struct pair *pairs, size_t count) {
    volatile int result = 0;
    TX_BEGIN(store->pool) {
        uint64_t added = 0;
        for (size_t i = 0; i < count; i++) added += (uint64_t)put(store, &pairs[i]);
        if (added > 0) {
            pmemobj_tx_add_range_direct(&store->map->count, sizeof(store->map->count));
            store->map->count += added;
        }
    } TX_ONABORT {
        result = -1;
    } TX_END
    return result;
}

/* The value of a key, or NULL. */
const unsigned char *heap_bench_pmemobj_get(const struct store *store, const unsigned char *key, size_t key_length,
                                            size_t *value_length) {
    const struct entry *entry = find(store, *bucket_of(store, key, key_length), key, key_length);
    if (entry == NULL) return NULL;
    *value_length = entry->value_length;
    return entry->bytes + entry->key_length;
}

/* Calls `visit` with each entry, in the order of the buckets. */
void heap_bench_pmemobj_scan(const struct store *store, void (*visit)(void *, const struct pair *), void *context) {
    const uint64_t *buckets = at(store, store->map->buckets);
    for (uint64_t i = 0; i <= store->map->mask; i++) {
        for (uint64_t offset = buckets[i]; offset != 0;) {
            const struct entry *entry = at(store, offset);
            const unsigned char *value = entry->bytes + entry->key_length;
            struct pair pair = {entry->bytes, entry->key_length, value, entry->value_length};
            visit(context, &pair);
            offset = entry->next;
        }
    }
}

static int make_map(PMEMobjpool *pool, struct map *map, uint64_t buckets) {
    volatile int result = 0;
    TX_BEGIN(pool) {
        pmemobj_tx_add_range_direct(map, sizeof(*map));
        map->buckets = pmemobj_tx_zalloc(buckets * sizeof(uint64_t), TYPE_BUCKETS).off;
        map->mask = buckets - 1;
        map->count = 0;
    } TX_ONABORT {
        result = -1;
    } TX_END
    return result;
}

static struct store *opened(PMEMobjpool *pool) {
    struct store *store = malloc(sizeof(*store));
    if (store == NULL) return NULL;
    store->pool = pool;
    store->map = pmemobj_direct(pmemobj_root(pool, sizeof(struct map)));
    return store;
}

/* Makes a pool of `size` bytes with a map of `buckets` chains, a power of two; NULL with errno. */
struct store *heap_bench_pmemobj_create(const char *path, size_t size, uint64_t buckets) {
    PMEMobjpool *pool = pmemobj_create(path, LAYOUT, size, 0600);
    if (pool == NULL) return NULL;
    struct store *store = opened(pool);
    if (store != NULL && store->map != NULL && make_map(pool, store->map, buckets) == 0) return store;
    free(store);
    pmemobj_close(pool);
    return NULL;
}

struct store *heap_bench_pmemobj_open(const char *path) {
    PMEMobjpool *pool = pmemobj_open(path, LAYOUT);
    return pool == NULL ? NULL : opened(pool);
}

void heap_bench_pmemobj_close(struct store *store) {
    pmemobj_close(store->pool);
    free(store);
}

const char *heap_bench_pmemobj_error(void) {
    return pmemobj_errormsg();
}
