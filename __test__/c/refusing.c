/*
 * To be preloaded: refuses what some file systems and sandboxes refuse. REFUSE_LINKS is the error number of linkat,
 * REFUSE_FOLDER_SYNCS that of fsync of a folder.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int linkat(int old_folder, const char *old, int new_folder, const char *new, int flags) {
	int (*next)(int, const char *, int, const char *, int) =
		(int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
	const char *refusal = getenv("REFUSE_LINKS");
	if (refusal == NULL)
		return next(old_folder, old, new_folder, new, flags);
	errno = atoi(refusal);
	return -1;
}

int fsync(int descriptor) {
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	const char *refusal = getenv("REFUSE_FOLDER_SYNCS");
	struct stat status;
	if (refusal == NULL || fstat(descriptor, &status) != 0 || !S_ISDIR(status.st_mode))
		return next(descriptor);
	errno = atoi(refusal);
	return -1;
}
