/*
 * The environment as the static archives of PMDK see it.
 *
 * libpmemlog and libpmemblk read their configuration when they are loaded, and abort the process where it is no text of
 * theirs. So their look-ups of the environment, which are calls of secure_getenv, come here: a variable that they would abort
 * on is none to them, and its name is kept for who is to use them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

/* The largest file that they read. */
#define MOST (1 << 20)

static struct {
	const char *name;
	int is_file;
	int is_invalid;
} variables[] = {
	{ "PMEMLOG_CONF", 0, 0 },
	{ "PMEMLOG_CONF_FILE", 1, 0 },
	{ "PMEMBLK_CONF", 0, 0 },
	{ "PMEMBLK_CONF_FILE", 1, 0 },
};

/* Whether a text, which is cut up, has a name and a value in each query: "a=b;c=d". */
static int is_valid_text(char *text) {
	char *rest = NULL;
	for (char *query = strtok_r(text, ";", &rest); query != NULL; query = strtok_r(NULL, ";", &rest)) {
		char *part = NULL;
		if (strtok_r(query, "=", &part) == NULL || strtok_r(NULL, "=", &part) == NULL || strtok_r(NULL, "=", &part) != NULL)
			return 0;
	}
	return 1;
}

static int is_valid_copy(const char *value) {
	char *text = strdup(value);
	int is_valid = text != NULL && is_valid_text(text);
	free(text);
	return is_valid;
}

/* The same of a file's text, without white space and comments. Only a regular file is opened: others may keep whoever does so
 * waiting. */
static int is_valid_file(const char *path) {
	struct stat status;
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > MOST)
		return 0;
	FILE *file = fopen(path, "r");
	char *text = file == NULL ? NULL : calloc(1, (size_t)status.st_size + 1);
	if (text == NULL) {
		if (file != NULL)
			fclose(file);
		return 0;
	}
	int is_comment = 0;
	size_t length = 0;
	for (int c = fgetc(file); c != EOF && length < (size_t)status.st_size; c = fgetc(file)) {
		if (c == '#')
			is_comment = 1;
		else if (c == '\n')
			is_comment = 0;
		else if (!is_comment && !isspace(c))
			text[length++] = (char)c;
	}
	fclose(file);
	int is_valid = is_valid_text(text);
	free(text);
	return is_valid;
}

char *secure_getenv(const char *name) {
	char *value = getauxval(AT_SECURE) ? NULL : getenv(name);
	for (size_t i = 0; value != NULL && i < sizeof(variables) / sizeof(*variables); i++) {
		if (strcmp(variables[i].name, name) != 0)
			continue;
		if (!(variables[i].is_file ? is_valid_file(value) : is_valid_copy(value))) {
			variables[i].is_invalid = 1;
			return NULL;
		}
	}
	return value;
}

/* The variable that a library whose variables start so has not seen since it is invalid; NULL for none. */
const char *pmem_sys_invalid_variable(const char *start) {
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		if (variables[i].is_invalid && strncmp(variables[i].name, start, strlen(start)) == 0)
			return variables[i].name;
	return NULL;
}
