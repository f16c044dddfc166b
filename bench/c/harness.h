/* What a suite defines; harness.c has the rest of the program. */
#include <stddef.h>

struct operation {
    const char *name;
    void (*run)(void);
};

/* The last one has no name. */
extern const struct operation operations[];

/* Makes the store in the folder that is the working directory. It stays open as long as the process. */
void set_up(void);

/* Ends the program where `done` is false. */
void require(int done, const char *what);
