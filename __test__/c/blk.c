/*
 * Runs a script over a block pool with libpmemblk.
 *
 *     blk create PATH SIZE BLOCK_SIZE | blk open PATH BLOCK_SIZE | blk check PATH BLOCK_SIZE
 *
 * Commands: write INDEX HEX (padded with zeros), read INDEX, zero INDEX, error INDEX, bsize, nblock.
 */
#define _GNU_SOURCE
#include <libpmemblk.h>

#include "pool.h"

static unsigned char *block;

static void run(PMEMblkpool *blocks, char *line) {
	char *rest = strchr(line, ' ');
	long long index = 0;
	if (rest != NULL) {
		*rest++ = 0;
		index = strtoll(rest, &rest, 10);
	}
	size_t bsize = pmemblk_bsize(blocks);
	if (strcmp(line, "write") == 0) {
		while (*rest == ' ')
			rest++;
		size_t len = from_hex(rest);
		memset(block, 0, bsize);
		memcpy(block, rest, len < bsize ? len : bsize);
		answer(pmemblk_write(blocks, block, index));
	} else if (strcmp(line, "read") == 0) {
		int result = pmemblk_read(blocks, block, index);
		if (result != 0) {
			answer(result);
		} else {
			put_hex(block, bsize);
			putchar('\n');
		}
	} else if (strcmp(line, "zero") == 0) {
		answer(pmemblk_set_zero(blocks, index));
	} else if (strcmp(line, "error") == 0) {
		answer(pmemblk_set_error(blocks, index));
	} else if (strcmp(line, "bsize") == 0) {
		printf("%zu\n", bsize);
	} else if (strcmp(line, "nblock") == 0) {
		printf("%zu\n", pmemblk_nblock(blocks));
	} else {
		errno = EINVAL;
		fail(line);
	}
	fflush(stdout);
}

int main(int argc, char **argv) {
	PMEMblkpool *blocks = NULL;
	if (argc == 5 && strcmp(argv[1], "create") == 0)
		blocks = pmemblk_create(argv[2], strtoul(argv[4], NULL, 10), strtoul(argv[3], NULL, 10), 0644);
	else if (argc == 4 && strcmp(argv[1], "open") == 0)
		blocks = pmemblk_open(argv[2], strtoul(argv[3], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "check") == 0)
		return printf("%d\n", pmemblk_check(argv[2], strtoul(argv[3], NULL, 10))) < 0;
	answer(blocks == NULL ? -1 : 0);
	if (blocks == NULL)
		return 1;
	block = malloc(pmemblk_bsize(blocks));
	if (block == NULL)
		fail("malloc");
	for (char *line = next_line(); line != NULL; line = next_line())
		run(blocks, line);
	pmemblk_close(blocks);
	return 0;
}
