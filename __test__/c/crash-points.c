/*
 * To be preloaded: writes to the file CRASH_TRACE what is done to the file CRASH_POOL, from which tests make what a cut of the power at each
 * call would leave. An entry has a kind, the number that CRASH_MARK is then, an offset and a length; a page follows its entry. What is
 * in the file at first counts as synced. With CRASH_SYNCS_LOST no later sync is told of.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

enum kind { SIZE, CHANGED, SYNCED, POINT };

struct entry {
	uint32_t kind, mark;
	uint64_t offset, length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *trace;
static const char *path;
static int pool = -1;
/* The file as it is, and as it was told of. */
static const char *now;
static char *told;
static size_t size;

static void tell(enum kind kind, uint64_t offset, uint64_t length, const void *page) {
	const char *mark = getenv("CRASH_MARK");
	struct entry entry = {kind, mark == NULL ? 0 : (uint32_t)atoi(mark), offset, length};
	if (fwrite(&entry, sizeof(entry), 1, trace) != 1 || (page != NULL && fwrite(page, PAGE, 1, trace) != 1) || fflush(trace) != 0)
		abort();
}

static size_t whole_pages(size_t length) {
	return (length + PAGE - 1) / PAGE * PAGE;
}

static void tell_size(size_t length) {
	size_t room = whole_pages(length), before = whole_pages(size);
	if (length == size)
		return;
	if (now != NULL)
		munmap((void *)now, before);
	now = mmap(NULL, room, PROT_READ, MAP_SHARED, pool, 0);
	told = realloc(told, room);
	if (now == MAP_FAILED || told == NULL)
		abort();
	if (room > before)
		memset(told + before, 0, room - before);
	size = length;
	tell(SIZE, 0, size, NULL);
}

/* Tells what is other than it was. Stores to any mapping are seen here too. */
static void look(void) {
	struct stat status;
	if (pool < 0)
		pool = open(path, O_RDONLY | O_CLOEXEC);
	if (pool < 0 || fstat(pool, &status) != 0)
		return;
	tell_size(status.st_size);
	for (size_t at = 0; at < size; at += PAGE) {
		if (memcmp(now + at, told + at, PAGE) == 0)
			continue;
		memcpy(told + at, now + at, PAGE);
		tell(CHANGED, at, PAGE, told + at);
	}
}

static void point(void) {
	look();
	tell(POINT, 0, 0, NULL);
}

static void synced(uint64_t offset, uint64_t length) {
	if (getenv("CRASH_SYNCS_LOST") == NULL)
		tell(SYNCED, offset, length, NULL);
}

__attribute__((constructor)) static void start(void) {
	path = getenv("CRASH_POOL");
	const char *name = getenv("CRASH_TRACE");
	trace = path == NULL || name == NULL ? NULL : fopen(name, "we");
	if (trace == NULL)
		return;
	look();
	tell(SYNCED, 0, size, NULL);
}

__attribute__((destructor)) static void end(void) {
	if (trace != NULL)
		point();
}

static int is_pool(int descriptor) {
	struct stat status, wanted;
	return trace != NULL && fstat(descriptor, &status) == 0 && stat(path, &wanted) == 0 && status.st_dev == wanted.st_dev &&
		status.st_ino == wanted.st_ino;
}

/* Where in the pool an address is mapped; -1 where it is not. */
static int64_t mapped(const void *address) {
	unsigned long start, end, offset, number;
	char line[8192];
	int64_t found = -1;
	struct stat wanted;
	FILE *maps = trace == NULL || stat(path, &wanted) != 0 ? NULL : fopen("/proc/self/maps", "re");
	while (maps != NULL && found < 0 && fgets(line, sizeof(line), maps) != NULL) {
		int count = sscanf(line, "%lx-%lx %*s %lx %*s %lu", &start, &end, &offset, &number);
		if (count == 4 && start <= (unsigned long)address && (unsigned long)address < end && number == wanted.st_ino)
			found = (int64_t)((unsigned long)address - start + offset);
	}
	if (maps != NULL)
		fclose(maps);
	return found;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int msync(void *address, size_t length, int flags) {
	int64_t offset = mapped(address);
	if (offset < 0)
		return NEXT(msync)(address, length, flags);
	pthread_mutex_lock(&lock);
	point();
	int result = NEXT(msync)(address, length, flags);
	if (result == 0 && (flags & MS_SYNC))
		synced(offset, length);
	pthread_mutex_unlock(&lock);
	return result;
}

static int sync_all(int (*next)(int), int descriptor) {
	if (!is_pool(descriptor))
		return next(descriptor);
	pthread_mutex_lock(&lock);
	point();
	int result = next(descriptor);
	if (result == 0)
		synced(0, size);
	pthread_mutex_unlock(&lock);
	return result;
}

int fsync(int descriptor) {
	return sync_all(NEXT(fsync), descriptor);
}

int fdatasync(int descriptor) {
	return sync_all(NEXT(fdatasync), descriptor);
}

/* After a call that changes a file. */
static void changed(int descriptor) {
	if (!is_pool(descriptor))
		return;
	pthread_mutex_lock(&lock);
	point();
	pthread_mutex_unlock(&lock);
}

ssize_t write(int descriptor, const void *data, size_t length) {
	ssize_t result = NEXT(write)(descriptor, data, length);
	changed(descriptor);
	return result;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
	ssize_t result = NEXT(pwrite)(descriptor, data, length, offset);
	changed(descriptor);
	return result;
}

int ftruncate(int descriptor, off_t length) {
	int result = NEXT(ftruncate)(descriptor, length);
	changed(descriptor);
	return result;
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
	int result = NEXT(posix_fallocate)(descriptor, offset, length);
	changed(descriptor);
	return result;
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) __attribute__((alias("pwrite")));
int ftruncate64(int descriptor, off64_t length) __attribute__((alias("ftruncate")));
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) __attribute__((alias("posix_fallocate")));
