/*
 * To be preloaded: setpriority, which os.setPriority calls, forks instead. The child has all descriptors and mappings, and sleeps. Its
 * number is the variable FORKED.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int setpriority(__priority_which_t which, id_t who, int priority) {
	(void)which;
	(void)who;
	(void)priority;
	pid_t child = fork();
	if (child == 0) {
		/* Whoever reads what is printed does not wait for it. */
		for (int descriptor = 0; descriptor < 3; descriptor++)
			close(descriptor);
		sleep(60);
		_exit(0);
	}
	char number[16];
	snprintf(number, sizeof(number), "%d", (int)child);
	setenv("FORKED", number, 1);
	return child < 0 ? -1 : 0;
}
