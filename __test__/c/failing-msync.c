/*
 * To be preloaded: fails one msync of a file below the folder MSYNC_FOLDER, once MSYNCS_LEFT such calls have succeeded.
 * MSYNCS_LEFT counts down, and is gone once the call has failed, so that whoever set it sees what happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int msync(void *address, size_t length, int flags) {
	int (*next)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
	const char *folder = getenv("MSYNC_FOLDER"), *left = getenv("MSYNCS_LEFT");
	if (folder == NULL || left == NULL || !is_below(folder, address))
		return next(address, length, flags);
	int count = atoi(left);
	if (count == 0) {
		unsetenv("MSYNCS_LEFT");
		errno = EIO;
		return -1;
	}
	char fewer[16];
	snprintf(fewer, sizeof(fewer), "%d", count - 1);
	setenv("MSYNCS_LEFT", fewer, 1);
	return next(address, length, flags);
}
