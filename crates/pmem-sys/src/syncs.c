/*
 * The msync that the static archives of PMDK call.
 *
 * libpmemlog and libpmemblk end the process where it fails. To a call of theirs that is watched it never seems to: the first
 * failure is kept for who watches, and the call's later syncs are left out, so that what comes after does not become durable
 * without what came before.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int (*msync_function)(void *, size_t, int);

static __thread struct {
	int is_watched;
	int failure;
} syncs;

/* By way of the dynamic linker, as if this file was not there: a library that is preloaded may have its own. */
static int sync_pages(void *start, size_t length, int flags) {
	static msync_function found;
	msync_function function = __atomic_load_n(&found, __ATOMIC_RELAXED);
	if (function == NULL) {
		function = (msync_function)dlsym(RTLD_DEFAULT, "msync");
		__atomic_store_n(&found, function, __ATOMIC_RELAXED);
	}
	return function == NULL ? (int)syscall(SYS_msync, start, length, flags) : function(start, length, flags);
}

int msync(void *start, size_t length, int flags) {
	if (syncs.failure != 0)
		return 0;
	int result;
	do
		result = sync_pages(start, length, flags);
	while (result != 0 && errno == EINTR && syncs.is_watched);
	if (result == 0 || !syncs.is_watched)
		return result;
	syncs.failure = errno;
	return 0;
}

/* From now on this thread's syncs are watched. */
void pmem_sys_watch_syncs(void) {
	syncs.is_watched = 1;
}

/* Ends the watch; returns the errno of the first sync that failed, 0 for none. */
int pmem_sys_end_watch(void) {
	int failure = syncs.failure;
	syncs.is_watched = 0;
	syncs.failure = 0;
	return failure;
}
