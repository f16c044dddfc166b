/*
 * To be preloaded: every other call of a kind is interrupted by a signal, as EINTR says, before it does anything; with
 * INTERRUPT_LINKS_AFTER set, those of linkat after they have done it. Locks are with INTERRUPT_LOCKS alone: the NVM Library
 * does not lock again.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether the call is interrupted. */
#define INTERRUPTED ({ static unsigned calls; calls++ % 2 == 0; })

int posix_fallocate(int descriptor, off_t offset, off_t length) {
	return INTERRUPTED ? EINTR : NEXT(posix_fallocate)(descriptor, offset, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
	return INTERRUPTED ? EINTR : NEXT(posix_fallocate64)(descriptor, offset, length);
}

int flock(int descriptor, int operation) {
	if (getenv("INTERRUPT_LOCKS") == NULL || !INTERRUPTED)
		return NEXT(flock)(descriptor, operation);
	errno = EINTR;
	return -1;
}

int msync(void *address, size_t length, int flags) {
	if (!INTERRUPTED)
		return NEXT(msync)(address, length, flags);
	errno = EINTR;
	return -1;
}

int linkat(int old_folder, const char *old, int new_folder, const char *new, int flags) {
	int interrupted = INTERRUPTED;
	int result = 0;
	if (!interrupted || getenv("INTERRUPT_LINKS_AFTER") != NULL)
		result = NEXT(linkat)(old_folder, old, new_folder, new, flags);
	if (!interrupted)
		return result;
	errno = EINTR;
	return -1;
}
