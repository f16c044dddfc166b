/*
 * suite OPERATION BATCH SAMPLES NANOSECONDS
 *
 * Measures one operation as bench/measure.mts does: warmed up, in samples of BATCH calls through a pointer, at least
 * SAMPLES of them and for at least NANOSECONDS. Prints the mean nanoseconds of a call, without the two fastest and the
 * two slowest samples, as mitata has it.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SAMPLES 100000

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static double sample(void (*run)(void), long batch) {
    double start = now();
    for (long call = 0; call < batch; call++) run();
    return now() - start;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double measure(void (*run)(void), long batch, long min_samples, double min_time) {
    static double samples[MAX_SAMPLES];
    for (double total = 0; total < min_time;) total += sample(run, batch);
    long count = 0;
    for (double total = 0; count < MAX_SAMPLES && (count < min_samples || total < min_time);) {
        total += samples[count++] = sample(run, batch);
    }
    qsort(samples, count, sizeof *samples, ascending);
    double total = 0;
    for (long i = 2; i < count - 2; i++) total += samples[i];
    return total / (count - 4) / batch;
}

void require(int done, const char *what) {
    if (done) return;
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    errno = EINVAL; /* until a system call fails */
    require(argc == 5, "arguments");
    const struct operation *operation = operations;
    while (operation->name && strcmp(operation->name, argv[1]) != 0) operation++;
    require(operation->name != NULL, argv[1]);
    set_up();
    printf("%f\n", measure(operation->run, atol(argv[2]), atol(argv[3]), atof(argv[4])));
    return 0;
}
