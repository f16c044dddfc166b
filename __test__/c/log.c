/*
 * Runs a script over a log pool with libpmemlog.
 *
 *     log create PATH SIZE | log open PATH | log check PATH
 *
 * Commands: append HEX, appendv HEX HEX ..., walk CHUNK (one line each, then "end"), tell, nbyte, rewind.
 */
#define _GNU_SOURCE
#include <libpmemlog.h>

#include "pool.h"

static int print_chunk(const void *chunk, size_t len, void *arg) {
	(void)arg;
	put_hex(chunk, len);
	putchar('\n');
	return 1;
}

static int append_parts(PMEMlogpool *log, char *parts) {
	struct iovec vector[64];
	int count = 0;
	for (char *part = strtok(parts, " "); part != NULL; part = strtok(NULL, " ")) {
		vector[count].iov_len = from_hex(part);
		vector[count++].iov_base = part;
	}
	return pmemlog_appendv(log, vector, count);
}

static void run(PMEMlogpool *log, char *line) {
	char *rest = strchr(line, ' ');
	if (rest != NULL)
		*rest++ = 0;
	else
		rest = line + strlen(line);
	if (strcmp(line, "append") == 0) {
		size_t len = from_hex(rest);
		answer(pmemlog_append(log, rest, len));
	} else if (strcmp(line, "appendv") == 0) {
		answer(append_parts(log, rest));
	} else if (strcmp(line, "walk") == 0) {
		pmemlog_walk(log, strtoul(rest, NULL, 10), print_chunk, NULL);
		puts("end");
	} else if (strcmp(line, "tell") == 0) {
		printf("%lld\n", (long long)pmemlog_tell(log));
	} else if (strcmp(line, "nbyte") == 0) {
		printf("%zu\n", pmemlog_nbyte(log));
	} else if (strcmp(line, "rewind") == 0) {
		pmemlog_rewind(log);
		answer(0);
	} else {
		errno = EINVAL;
		fail(line);
	}
	fflush(stdout);
}

int main(int argc, char **argv) {
	PMEMlogpool *log = NULL;
	if (argc == 4 && strcmp(argv[1], "create") == 0)
		log = pmemlog_create(argv[2], strtoul(argv[3], NULL, 10), 0644);
	else if (argc == 3 && strcmp(argv[1], "open") == 0)
		log = pmemlog_open(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "check") == 0)
		return printf("%d\n", pmemlog_check(argv[2])) < 0;
	answer(log == NULL ? -1 : 0);
	if (log == NULL)
		return 1;
	for (char *line = next_line(); line != NULL; line = next_line())
		run(log, line);
	pmemlog_close(log);
	return 0;
}
