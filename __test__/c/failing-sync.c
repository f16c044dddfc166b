/*
 * To be preloaded: fails one msync or fdatasync of a file below the folder SYNC_FOLDER, once SYNCS_LEFT such calls have
 * succeeded. SYNCS_LEFT counts down, and is gone once the call has failed, so that whoever set it sees what happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether the file that is mapped at an address lies below a folder. */
static int is_below(const char *folder, const void *address) {
	unsigned long start, end;
	char line[8192], path[4096];
	int found = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
		found = sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &start, &end, path) == 3 &&
			start <= (unsigned long)address && (unsigned long)address < end &&
			strncmp(path, folder, strlen(folder)) == 0;
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* Whether the file that is open as a descriptor lies below a folder. */
static int is_open_below(const char *folder, int descriptor) {
	char name[64], path[4096];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", descriptor);
	ssize_t length = readlink(name, path, sizeof(path) - 1);
	return length > 0 && strncmp(path, folder, strlen(folder)) == 0;
}

/* Counts a call down; whether it is to fail. */
static int fails(void) {
	const char *left = getenv("SYNCS_LEFT");
	int count = atoi(left);
	if (count == 0) {
		unsetenv("SYNCS_LEFT");
		errno = EIO;
		return 1;
	}
	char fewer[16];
	snprintf(fewer, sizeof(fewer), "%d", count - 1);
	setenv("SYNCS_LEFT", fewer, 1);
	return 0;
}

int msync(void *address, size_t length, int flags) {
	int (*next)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
	const char *folder = getenv("SYNC_FOLDER");
	if (folder != NULL && getenv("SYNCS_LEFT") != NULL && is_below(folder, address) && fails())
		return -1;
	return next(address, length, flags);
}

int fdatasync(int descriptor) {
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	const char *folder = getenv("SYNC_FOLDER");
	if (folder != NULL && getenv("SYNCS_LEFT") != NULL && is_open_below(folder, descriptor) && fails())
		return -1;
	return next(descriptor);
}
