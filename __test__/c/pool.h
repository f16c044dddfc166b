/* What both programs have in common: scripts of one command a line, bytes in hexadecimal. */
#ifndef POOL_H
#define POOL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what) {
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

/* The answer to a command: "ok", or the error. */
static void answer(int result) {
	if (result == 0)
		puts("ok");
	else
		printf("error %s\n", strerrorname_np(errno));
	fflush(stdout);
}

static void put_hex(const unsigned char *bytes, size_t len) {
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

/* Turns hexadecimal text into the bytes that it says, in place, and returns their number. */
static size_t from_hex(char *text) {
	size_t len = strlen(text) / 2;
	for (size_t i = 0; i < len; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], 0};
		text[i] = (char)strtoul(pair, NULL, 16);
	}
	return len;
}

/* The next line of the script without its end; NULL at the end. CRASH_MARK is its number. */
static char *next_line(void) {
	static char *line;
	static size_t room;
	static int number;
	char mark[16];
	snprintf(mark, sizeof(mark), "%d", ++number);
	setenv("CRASH_MARK", mark, 1);
	ssize_t len = getline(&line, &room, stdin);
	if (len < 0)
		return NULL;
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = 0;
	return line;
}

#endif
