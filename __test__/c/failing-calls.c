/*
 * To be preloaded: fails calls of the kind FAIL_KIND (write, sync, read, open or map) on files below FAIL_FOLDER, once FAIL_LEFT such calls
 * have been made, with the error number FAIL_ERROR: one, or with FAIL_ALL set all from there on. FAIL_LEFT counts down to below zero, so that
 * whoever set it sees whether a call has failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

static int is_wanted(const char *kind) {
	const char *wanted = getenv("FAIL_KIND");
	return wanted != NULL && getenv("FAIL_LEFT") != NULL && strcmp(wanted, kind) == 0;
}

static int is_below(const char *path) {
	const char *folder = getenv("FAIL_FOLDER");
	return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

/* Counts a call; whether it is to fail. */
static int counted(void) {
	char fewer[16];
	pthread_mutex_lock(&counting);
	int left = atoi(getenv("FAIL_LEFT"));
	int fails = left == 0 || (left < 0 && getenv("FAIL_ALL") != NULL);
	snprintf(fewer, sizeof(fewer), "%d", left < 0 ? -1 : left - 1);
	setenv("FAIL_LEFT", fewer, 1);
	pthread_mutex_unlock(&counting);
	if (fails)
		errno = atoi(getenv("FAIL_ERROR"));
	return fails;
}

/* Whether the call on an open file is to fail. */
static int fails(const char *kind, int descriptor) {
	char name[64], path[4096];
	if (!is_wanted(kind))
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", descriptor);
	ssize_t length = readlink(name, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = 0;
	return is_below(path) && counted();
}

/* The same for a path; one that does not begin at the root is below another open folder, and is taken for below the folder. */
static int fails_at(const char *kind, const char *path) {
	return is_wanted(kind) && (path[0] != '/' || is_below(path)) && counted();
}

/* The same for an address in a mapping. */
static int fails_in(const char *kind, const void *address) {
	unsigned long start, end;
	char line[8192], path[4096];
	int found = 0;
	if (!is_wanted(kind))
		return 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
		found = sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &start, &end, path) == 3 &&
			start <= (unsigned long)address && (unsigned long)address < end && is_below(path);
	if (maps != NULL)
		fclose(maps);
	return found && counted();
}

#define FAILING(result, kind, name, parameters, ...) \
	result name parameters { \
		if (fails(kind, descriptor)) \
			return -1; \
		return NEXT(name)(__VA_ARGS__); \
	}

FAILING(ssize_t, "write", write, (int descriptor, const void *data, size_t length), descriptor, data, length)
FAILING(ssize_t, "write", pwrite, (int descriptor, const void *data, size_t length, off_t offset), descriptor, data, length, offset)
FAILING(ssize_t, "write", pwrite64, (int descriptor, const void *data, size_t length, off64_t offset), descriptor, data, length, offset)
FAILING(ssize_t, "write", writev, (int descriptor, const struct iovec *parts, int count), descriptor, parts, count)
FAILING(ssize_t, "write", pwritev, (int descriptor, const struct iovec *parts, int count, off_t offset), descriptor, parts, count, offset)
FAILING(ssize_t, "write", pwritev64, (int descriptor, const struct iovec *parts, int count, off64_t offset), descriptor, parts, count, offset)
FAILING(int, "write", ftruncate, (int descriptor, off_t length), descriptor, length)
FAILING(int, "write", ftruncate64, (int descriptor, off64_t length), descriptor, length)
FAILING(int, "write", fallocate, (int descriptor, int mode, off_t offset, off_t length), descriptor, mode, offset, length)
FAILING(int, "write", fallocate64, (int descriptor, int mode, off64_t offset, off64_t length), descriptor, mode, offset, length)
FAILING(ssize_t, "read", read, (int descriptor, void *data, size_t length), descriptor, data, length)
FAILING(ssize_t, "read", pread, (int descriptor, void *data, size_t length, off_t offset), descriptor, data, length, offset)
FAILING(ssize_t, "read", pread64, (int descriptor, void *data, size_t length, off64_t offset), descriptor, data, length, offset)
FAILING(ssize_t, "read", preadv, (int descriptor, const struct iovec *parts, int count, off_t offset), descriptor, parts, count, offset)
FAILING(ssize_t, "read", preadv64, (int descriptor, const struct iovec *parts, int count, off64_t offset), descriptor, parts, count, offset)
FAILING(int, "sync", fsync, (int descriptor), descriptor)
FAILING(int, "sync", fdatasync, (int descriptor), descriptor)

int posix_fallocate(int descriptor, off_t offset, off_t length) {
	return fails("write", descriptor) ? errno : NEXT(posix_fallocate)(descriptor, offset, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
	return fails("write", descriptor) ? errno : NEXT(posix_fallocate64)(descriptor, offset, length);
}

int msync(void *address, size_t length, int flags) {
	return fails_in("sync", address) ? -1 : NEXT(msync)(address, length, flags);
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
	if (descriptor >= 0 && fails("map", descriptor))
		return MAP_FAILED;
	return NEXT(mmap)(address, length, protection, flags, descriptor, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off64_t offset) {
	if (descriptor >= 0 && fails("map", descriptor))
		return MAP_FAILED;
	return NEXT(mmap64)(address, length, protection, flags, descriptor, offset);
}

#define OPENING(name, first, ...) \
	int name(first const char *path, int flags, ...) { \
		va_list rest; \
		va_start(rest, flags); \
		int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
		va_end(rest); \
		if (fails_at("open", path)) \
			return -1; \
		return NEXT(name)(__VA_ARGS__ path, flags, mode); \
	}

#define COMMA ,
OPENING(open, , )
OPENING(open64, , )
OPENING(openat, int folder COMMA, folder COMMA)
OPENING(openat64, int folder COMMA, folder COMMA)
