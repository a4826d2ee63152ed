/* The four heads: a text in, what it predicts out, as the inside of an object of JSON. */
#ifndef ZOO_HEADS_H
#define ZOO_HEADS_H

#include <stddef.h>
#include <stdio.h>

typedef struct {
    double length, seed, temperature, top_k, top_p, typical, repetition_penalty, width, alpha, n_best, milliseconds;
    const char *uniform;        /* a file of numbers in [0, 1), for generation in place of those of the seed */
} zoo_settings;

typedef struct zoo_predictor zoo_predictor;

/* Whatever cannot be right ends the program: a line on standard error, exit status 2. */
void zoo_fail(const char *message);
void *zoo_checked(void *memory);

zoo_predictor *zoo_predictor_open(const char *path, const zoo_settings *set);
void zoo_predictor_close(zoo_predictor *by);
void zoo_print_prediction(zoo_predictor *by, const char *text);

/* All bytes of a file, and how many. */
char *zoo_contents(FILE *file, size_t *size);

#endif
