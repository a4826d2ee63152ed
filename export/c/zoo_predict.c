/* Predicts from a text with a TFLite file, as export/run.py does, by LiteRT's C API.
 *
 *     zoo_predict model_int8.tflite "not bad at all"                              classification, tagging
 *     zoo_predict model_int8.tflite --length=50 --temperature=0 "It was "         generation (or a label)
 *     zoo_predict model_int8.tflite --width=5 "我爱中国"                          translation
 *
 * Prints a line of JSON for every text; without texts it reads one a line from standard input. model.json and
 * tokenizer.json lie beside the file.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "zoo_heads.h"

enum { MESSAGE = 512 };

static double milliseconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void print(zoo_predictor *by, const char *text, const zoo_settings *set)
{
    printf("{");
    zoo_print_prediction(by, text);
    if (set->milliseconds > 0) {     /* of a second time: the first one of a length prepares the file for it */
        printf(", \"again\": {");
        const double start = milliseconds();
        zoo_print_prediction(by, text);
        printf("}, \"milliseconds\": %.4f", milliseconds() - start);
    }
    printf("}\n");
    fflush(stdout);
}

typedef struct {
    const char *name;
    double *value, least;
} option;

/* Whether an argument is an option, which is then set. */
static bool is_option(zoo_settings *set, const char *argument)
{
    const option options[] = {
        {"length", &set->length, 1}, {"seed", &set->seed, 0}, {"temperature", &set->temperature, 0},
        {"top_k", &set->top_k, 0}, {"top_p", &set->top_p, 0}, {"typical", &set->typical, 0},
        {"repetition_penalty", &set->repetition_penalty, 0}, {"width", &set->width, 1}, {"alpha", &set->alpha, 0},
        {"n_best", &set->n_best, 1}, {"milliseconds", &set->milliseconds, 0}};
    const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    if (equals == NULL)
        return false;
    const size_t size = (size_t)(equals - argument) - 2;
    if (size == 7 && strncmp(argument + 2, "uniform", size) == 0) {
        set->uniform = equals + 1;
        return true;
    }
    for (size_t n = 0; n < sizeof options / sizeof *options; n++) {
        char *end;
        if (strlen(options[n].name) != size || strncmp(argument + 2, options[n].name, size) != 0)
            continue;
        *options[n].value = strtod(equals + 1, &end);
        if (end == equals + 1 || *end != 0 || !(*options[n].value >= options[n].least) || *options[n].value > 1e6) {
            char message[MESSAGE];
            snprintf(message, sizeof message, "--%s: expected a number from %g to 1000000, received %.200s",
                     options[n].name, options[n].least, equals + 1);
            zoo_fail(message);
        }
        return true;
    }
    char message[MESSAGE] = "expected options among uniform";
    for (size_t n = 0; n < sizeof options / sizeof *options; n++)
        strcat(strcat(message, ", "), options[n].name);
    snprintf(message + strlen(message), sizeof message - strlen(message), ", received %.100s", argument);
    zoo_fail(message);
    return false;
}

static void predict_lines(zoo_predictor *by, const zoo_settings *set)
{
    size_t size;
    char *lines = zoo_contents(stdin, &size);
    lines = zoo_checked(realloc(lines, size + 1));
    lines[size] = 0;
    for (char *line = lines, *end; line < lines + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(lines + size - line));
        end = end ? end : lines + size;
        *end = 0;
        print(by, line, set);
    }
    free(lines);
}

int main(int count, char **arguments)
{
    zoo_settings set = {.length = 200, .temperature = 0.8, .top_p = 1, .typical = 1, .repetition_penalty = 1,
                        .width = 5, .alpha = 0.75, .n_best = 1};
    int texts = 0;
    const char *path = NULL;
    for (int n = 1; n < count; n++)
        if (!is_option(&set, arguments[n])) {
            if (path == NULL)
                path = arguments[n];
            else
                arguments[++texts] = arguments[n];
        }
    if (path == NULL)
        zoo_fail("expected a TFLite file and texts: zoo_predict model.tflite \"not bad at all\"");
    if (set.width > 64)
        zoo_fail("--width: expected at most 64, received more");
    if (set.n_best > set.width)
        zoo_fail("--n_best: expected at most the width of the beam, received more; raise --width");
    zoo_predictor *by = zoo_predictor_open(path, &set);
    for (int n = 1; n <= texts; n++)
        print(by, arguments[n], &set);
    if (texts == 0)
        predict_lines(by, &set);
    zoo_predictor_close(by);
    return 0;
}
