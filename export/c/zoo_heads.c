#include "zoo_heads.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_json.h"
#include "zoo_model.h"
#include "zoo_text.h"

enum { MORE = 10 };         /* symbols that a translation may have beyond `longest` times those of the source */
static const float NOTHING = -1e9f;     /* the score where a beam found fewer texts than it is wide */

struct zoo_predictor {
    zoo_model *model;
    zoo_document *document;
    const zoo_json *facts;      /* model.json */
    zoo_reader *reader, *target;
    zoo_settings set;
};

void zoo_fail(const char *message)
{
    fprintf(stderr, "zoo_predict: %s\n", message);
    _Exit(2);       /* without what is printed of a line so far */
}

void *zoo_checked(void *memory)
{
    if (memory == NULL)
        zoo_fail("expected memory, received none");
    return memory;
}

/* JSON */

static void print_escaped(const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            putchar(*text);
}

static void print_string(const char *text)
{
    putchar('"');
    print_escaped(text);
    putchar('"');
}

static void print_number(double number)
{
    if (isfinite(number))
        printf("%.9g", number);
    else
        printf("null");
}

static const char *name_of(const zoo_json *list, size_t n)
{
    const zoo_json *one = zoo_json_is(list, ZOO_LIST) ? list->first : NULL;
    for (; one != NULL && n > 0; n--)
        one = one->next;
    if (!zoo_json_is(one, ZOO_STRING))
        zoo_fail("expected a label for each number in model.json, received fewer; copy it again");
    return one->string;
}

static void print_named(const char *name, const zoo_json *labels, const float *numbers, size_t count)
{
    printf("\"%s\": {", name);
    for (size_t n = 0; n < count; n++) {
        printf("%s", n ? ", " : "");
        print_string(name_of(labels, n));
        printf(": ");
        print_number(numbers[n]);
    }
    printf("}");
}

static size_t best_of(const float *numbers, size_t count)
{
    size_t best = 0;
    for (size_t n = 1; n < count; n++)
        if (numbers[n] > numbers[best])
            best = n;
    return best;
}

/* Tensors */

static zoo_tensor *add(zoo_tensors *to, const char *name, size_t rank, const size_t *sizes)
{
    zoo_tensor *one = &to->tensors[to->count++];
    *one = (zoo_tensor){.name = name, .rank = rank};
    for (size_t n = 0; n < rank; n++)
        one->sizes[n] = sizes[n];
    return one;
}

static void add_integers(zoo_tensors *to, const char *name, const int32_t *values, size_t rank, const size_t *sizes)
{
    zoo_tensor *one = add(to, name, rank, sizes);
    const size_t count = zoo_elements(one);
    one->integers = zoo_checked(calloc(count + 1, sizeof *values));
    if (values != NULL)
        memcpy(one->integers, values, count * sizeof *values);
}

static void add_numbers(zoo_tensors *to, const char *name, const float *values, size_t rank, const size_t *sizes)
{
    zoo_tensor *one = add(to, name, rank, sizes);
    const size_t count = zoo_elements(one);
    one->numbers = zoo_checked(calloc(count + 1, sizeof *values));
    memcpy(one->numbers, values, count * sizeof *values);
}

static void add_setting(zoo_tensors *to, const char *name, double value)
{
    add_numbers(to, name, &(float){(float)value}, 0, NULL);
}

static void add_whole_setting(zoo_tensors *to, const char *name, double value)
{
    add_integers(to, name, &(int32_t){(int32_t)value}, 0, NULL);
}

static void ask(zoo_predictor *by, const char *signature, const zoo_tensors *inputs, const zoo_bound *bounds,
                zoo_tensors *outputs)
{
    char error[ZOO_MESSAGE];
    if (!zoo_model_run(by->model, signature, inputs, bounds, outputs, error))
        zoo_fail(error);
}

/* Rows of ids that may be none, as [1, T] or [1, T, C] with T at least 1. */
static void add_rows(zoo_tensors *to, const char *name, const int32_t *values, size_t rows, size_t width)
{
    const size_t sizes[] = {1, rows ? rows : 1, width};
    add_integers(to, name, rows ? values : NULL, width ? 3 : 2, sizes);
}

static zoo_tensors inputs_of(const zoo_tokens *tokens)
{
    zoo_tensors inputs = {0};
    add_rows(&inputs, "ids", tokens->ids, tokens->count, 0);
    add_rows(&inputs, "code_points", tokens->code_points, tokens->words, tokens->width);
    if (tokens->shapes != NULL || tokens->characters != NULL) {
        add_rows(&inputs, "shapes", tokens->shapes, tokens->count, 0);
        add_rows(&inputs, "characters", tokens->characters, tokens->count, tokens->characters_width);
    }
    return inputs;
}

/* Classification */

static double threshold(const zoo_predictor *by, size_t n)
{
    const zoo_json *one = zoo_json_get(by->facts, "thresholds");
    one = zoo_json_is(one, ZOO_LIST) ? one->first : NULL;
    for (; one != NULL && n > 0; n--)
        one = one->next;
    return zoo_json_is(one, ZOO_NUMBER) ? one->number : 0.5;
}

static void print_chosen(const zoo_predictor *by, const zoo_json *labels, const float *p, size_t count)
{
    printf("\"label\": \"");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t n = 0, some = 0; n < count; n++) {
            if ((double)p[n] <= threshold(by, n))
                continue;
            if (some++)
                printf("%s", pass ? ", " : "|");
            if (pass)
                print_string(name_of(labels, n));
            else
                print_escaped(name_of(labels, n));
        }
        printf("%s", pass ? "], " : "\", \"chosen\": [");
    }
}

static void print_classified(const zoo_predictor *by, const zoo_tensors *outputs)
{
    const zoo_json *labels = zoo_json_get(by->facts, "labels"), *kind = zoo_json_get(by->facts, "kind");
    const zoo_tensor *p = zoo_find(outputs, "probabilities"), *values = zoo_find(outputs, "values");
    if (p == NULL && values == NULL)
        zoo_fail("expected a file of a classifier, a tagger, a generator or a translator, received another");
    if (p == NULL) {
        print_named("values", labels, values->numbers, zoo_elements(values));
        return;
    }
    const size_t count = zoo_elements(p);
    if (zoo_json_is(kind, ZOO_STRING) && strcmp(kind->string, "multi") == 0) {
        print_chosen(by, labels, p->numbers, count);
    } else {
        printf("\"label\": ");
        print_string(name_of(labels, best_of(p->numbers, count)));
        printf(", ");
    }
    print_named("probabilities", labels, p->numbers, count);
}

/* Tagging */

static void print_sizes(const char *name, const size_t *values, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t n = 0; n < count; n++)
        printf("%s%zu", n ? ", " : "", values[n]);
    printf("], ");
}

typedef struct {
    const char *name;
    const size_t *places;
    bool start;
} offset;

/* A span of tags in BIO, IOB1 or BIOES ends before token n, whose tag comes: "O" after the last. */
static bool ends(const char *before, const char *tag)
{
    return *before != 'O' && (*tag == 'O' || strchr("ES", *before) || strchr("BS", *tag) ||
                              strcmp(before + 1, tag + 1) != 0);
}

static void print_spans(const char **tags, size_t count, const offset *offsets)
{
    size_t start = 0;
    const char *before = "O";
    printf(", \"spans\": [");
    for (size_t n = 0, some = 0; n <= count; n++) {
        const char *tag = n < count ? tags[n] : "O";
        if (ends(before, tag)) {
            printf("%s{\"type\": ", some++ ? ", " : "");
            print_string(before[1] ? before + 2 : "");
            for (size_t m = 0; m < 6; m++)
                printf(", \"%s\": %zu", offsets[m].name, offsets[m].places[offsets[m].start ? start : n - 1]);
            printf("}");
        }
        if (*before == 'O' || ends(before, tag))
            start = n;
        before = tag;
    }
    printf("]");
}

static void print_tagged(const zoo_predictor *by, const zoo_tokens *tokens, const zoo_tensors *outputs)
{
    const zoo_json *labels = zoo_json_get(by->facts, "labels"), *scheme = zoo_json_get(by->facts, "scheme");
    const zoo_tensor *ids = zoo_find(outputs, "tags"), *marginals = zoo_find(outputs, "marginals");
    const zoo_tensor *intents = zoo_find(outputs, "intents");
    const size_t most = zoo_elements(ids), count = tokens->count < most ? tokens->count : most;
    const size_t width = marginals->sizes[marginals->rank - 1];
    const char **tags = zoo_checked(calloc(count + 1, sizeof *tags));
    const offset offsets[] = {
        {"start_char", tokens->start_char, true}, {"end_char", tokens->end_char, false},
        {"start_utf16", tokens->start_utf16, true}, {"end_utf16", tokens->end_utf16, false},
        {"start_byte", tokens->start_byte, true}, {"end_byte", tokens->end_byte, false}};
    printf("\"tokens\": [");
    for (size_t n = 0; n < count; n++) {
        printf("%s", n ? ", " : "");
        print_string(tokens->sources[n]);
    }
    printf("], \"tags\": [");
    for (size_t n = 0; n < count; n++) {
        printf("%s", n ? ", " : "");
        print_string(tags[n] = name_of(labels, (size_t)ids->integers[n]));
    }
    printf("], ");
    for (size_t n = 0; n < 6; n++)
        print_sizes(offsets[n].name, offsets[n].places, count);
    printf("\"probability\": [");
    for (size_t n = 0; n < count; n++) {
        printf("%s", n ? ", " : "");
        print_number(marginals->numbers[n * width + (size_t)ids->integers[n]]);
    }
    printf("]");
    if (scheme != NULL && scheme->kind != ZOO_NULL)
        print_spans(tags, count, offsets);
    if (intents != NULL) {
        const zoo_json *names = zoo_json_get(by->facts, "intents");
        const size_t all = zoo_elements(intents), best = best_of(intents->numbers, all);
        printf(", \"intent\": ");
        print_string(name_of(names, best));
        printf(", \"confidence\": ");
        print_number(intents->numbers[best]);
        printf(", ");
        print_named("intents", names, intents->numbers, all);
    }
    free(tags);
}

static void predict_ids(zoo_predictor *by, const char *text)
{
    zoo_tokens *tokens = zoo_checked(zoo_read(by->reader, text, strlen(text)));
    zoo_tensors inputs = inputs_of(tokens), outputs;
    const size_t most = tokens->count + 1;
    ask(by, "ids", &inputs, (zoo_bound[]){{"tags", most}, {"marginals", most}, {NULL, 0}}, &outputs);
    if (zoo_find(&outputs, "tags") != NULL && zoo_find(&outputs, "marginals") != NULL)
        print_tagged(by, tokens, &outputs);
    else
        print_classified(by, &outputs);
    zoo_tensors_free(&inputs);
    zoo_tensors_free(&outputs);
    zoo_tokens_free(tokens);
}

/* Generation */

static float *uniform_of(const zoo_predictor *by, size_t *count)
{
    *count = (size_t)by->set.length;
    float *numbers = zoo_checked(calloc(*count + 1, sizeof *numbers));
    uint64_t state = (uint64_t)by->set.seed;
    for (size_t n = 0; n < *count; n++) {      /* SplitMix64, Steele et al. 2014 */
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        numbers[n] = (float)((z ^ z >> 31) >> 40) * 0x1p-24f;
    }
    FILE *file = by->set.uniform ? fopen(by->set.uniform, "r") : NULL;
    if (by->set.uniform && file == NULL)
        zoo_fail("--uniform: expected a file of numbers, received none");
    for (size_t n = 0; file != NULL && n < *count; n++)
        if (fscanf(file, "%f", &numbers[n]) != 1)
            zoo_fail("--uniform: expected as many numbers in [0, 1) as --length, received fewer");
    if (file != NULL)
        fclose(file);
    return numbers;
}

static bool is_state(const char *name)
{
    return strncmp(name, "state_", 6) == 0;
}

/* The states among the outputs of a signature become inputs of the next. */
static void hand_states(zoo_tensors *outputs, zoo_tensors *inputs)
{
    for (size_t n = 0; n < outputs->count; n++) {
        zoo_tensor *one = &outputs->tensors[n];
        if (!is_state(one->name))
            continue;
        inputs->tensors[inputs->count++] = *one;
        one->numbers = NULL;
        one->integers = NULL;
    }
    zoo_tensors_free(outputs);
}

static int32_t label_of(const zoo_predictor *by, const char *text)
{
    const zoo_json *labels = zoo_json_get(by->facts, "labels");
    int32_t n = 0;
    for (const zoo_json *one = labels->first; one != NULL; one = one->next, n++)
        if (one->kind == ZOO_STRING && strcmp(one->string, text) == 0)
            return n;
    zoo_fail("expected a label that is in model.json, received another text");
    return 0;
}

static bool has_labels(const zoo_predictor *by)
{
    const zoo_json *labels = zoo_json_get(by->facts, "labels");
    return zoo_json_is(labels, ZOO_LIST) && labels->size > 0;
}

/* The states after a text, or a label, up to its last id. */
static int32_t begin(zoo_predictor *by, const char *text, zoo_tensors *states)
{
    zoo_tensors inputs = {0}, outputs;
    const size_t one[] = {1};
    const int32_t start = ZOO_START, label = has_labels(by) ? label_of(by, text) : 0;
    int32_t last = start;
    add_integers(&inputs, "ids", &start, 1, one);
    add_integers(&inputs, "label", &label, 1, one);
    ask(by, "init", &inputs, NULL, &outputs);
    zoo_tensors_free(&inputs);
    hand_states(&outputs, states);
    zoo_tokens *tokens = has_labels(by) ? NULL : zoo_checked(zoo_read(by->reader, text, strlen(text)));
    const size_t count = tokens != NULL ? tokens->count : 0, fixed = zoo_model_fixed(by->model, "ids", "ids", 1);
    for (size_t n = 0, some; n < count; n += some) {        /* a file of one length reads blocks of it */
        some = fixed && fixed < count - n ? fixed : count - n;
        inputs = *states;
        add_rows(&inputs, "ids", tokens->ids + n, some, 0);
        add_integers(&inputs, "previous", &last, 1, one);
        ask(by, "ids", &inputs, (zoo_bound[]){{"log_probability", some}, {NULL, 0}}, &outputs);
        zoo_tensors_free(&inputs);
        states->count = 0;
        hand_states(&outputs, states);
        last = tokens->ids[n + some - 1];                   /* the states never include the last id */
    }
    zoo_tokens_free(tokens);
    return last;
}

static void generate(zoo_predictor *by, const char *text)
{
    zoo_tensors inputs = {0}, outputs;
    size_t length;
    const int32_t last = begin(by, text, &inputs);
    float *uniform = uniform_of(by, &length);
    add_integers(&inputs, "ids", &last, 1, (size_t[]){1});
    add_numbers(&inputs, "uniform", uniform, 2, (size_t[]){1, length});
    add_setting(&inputs, "temperature", by->set.temperature);
    add_whole_setting(&inputs, "top_k", by->set.top_k);
    add_setting(&inputs, "top_p", by->set.top_p);
    add_setting(&inputs, "typical", by->set.typical);
    add_setting(&inputs, "repetition_penalty", by->set.repetition_penalty);
    ask(by, "generate_ids", &inputs, (zoo_bound[]){{"ids", length}, {NULL, 0}}, &outputs);
    const zoo_tensor *ids = zoo_find(&outputs, "ids");
    if (ids == NULL)
        zoo_fail("expected a file of a generator, received another");
    const size_t count = zoo_elements(ids) < length ? zoo_elements(ids) : length;
    char *found = zoo_checked(zoo_text(by->reader, ids->integers, count, NULL, !has_labels(by)));
    printf("\"text\": ");
    print_string(found);
    free(found);
    free(uniform);
    zoo_tensors_free(&inputs);
    zoo_tensors_free(&outputs);
}

/* Translation */

/* The word of the source that each id looked at most; NULL if there is no attention. */
static const char **looked_at(const zoo_tokens *source, const zoo_tensor *weights, size_t n, size_t length)
{
    if (weights == NULL)
        return NULL;
    const size_t width = weights->sizes[3];
    const char **words = zoo_checked(calloc(length + 1, sizeof *words));
    for (size_t t = 0; t < length; t++) {
        const size_t place = best_of(weights->numbers + (n * weights->sizes[2] + t) * width, width);
        words[t] = place < source->count ? source->sources[place] : "";
    }
    return words;
}

static void print_translation(zoo_predictor *by, const zoo_tokens *source, const zoo_tensors *outputs, size_t n)
{
    const zoo_tensor *ids = zoo_find(outputs, "ids"), *scores = zoo_find(outputs, "scores");
    const size_t length = ids->sizes[2];
    const char **words = looked_at(source, zoo_find(outputs, "alignments"), n, length);
    char *text = zoo_checked(zoo_text(by->target, ids->integers + n * length, length, words, false));
    printf("\"translation\": ");
    print_string(text);
    printf(", \"score\": ");
    print_number(scores->numbers[n]);
    free(text);
    free(words);
}

static void translate(zoo_predictor *by, const char *text)
{
    zoo_tokens *source = zoo_checked(zoo_read(by->reader, text, strlen(text)));
    zoo_tensors inputs = {0}, outputs;
    const zoo_json *longest = zoo_json_get(by->facts, "longest");
    const size_t width = (size_t)by->set.width, count = source->count ? source->count : 1;
    const size_t most = (zoo_json_is(longest, ZOO_NUMBER) ? (size_t)longest->number : 2) * count + MORE;
    const bool greedy = width == 1 && by->set.alpha == 0;
    add_rows(&inputs, "ids", source->ids, source->count, 0);
    add_whole_setting(&inputs, "width", by->set.width);
    add_setting(&inputs, "alpha", by->set.alpha);
    const zoo_bound bounds[] = {{"ids", width * most}, {"lengths", width}, {"scores", width},
                                {"alignments", width * most * count}, {NULL, 0}};
    ask(by, greedy ? "greedy" : "beam", &inputs, bounds, &outputs);
    const zoo_tensor *ids = zoo_find(&outputs, "ids"), *scores = zoo_find(&outputs, "scores");
    if (ids == NULL || scores == NULL || ids->rank != 3)
        zoo_fail("expected a file of a translator, received another");
    print_translation(by, source, &outputs, 0);
    if (by->set.n_best > 1) {
        printf(", \"translations\": [");
        for (size_t n = 0; n < (size_t)by->set.n_best && n < ids->sizes[1]; n++) {
            if (n > 0 && scores->numbers[n] <= NOTHING)
                continue;
            printf("%s{", n ? ", " : "");
            print_translation(by, source, &outputs, n);
            printf("}");
        }
        printf("]");
    }
    zoo_tensors_free(&inputs);
    zoo_tensors_free(&outputs);
    zoo_tokens_free(source);
}

/* Files */

char *zoo_contents(FILE *file, size_t *size)
{
    char *found = NULL;
    size_t room = 0;
    *size = 0;
    do {
        room = 2 * room + 4096;
        found = zoo_checked(realloc(found, room));
        *size += fread(found + *size, 1, room - *size, file);
    } while (*size == room);
    return found;
}

/* A file that lies beside the model. */
static char *beside(const char *path, const char *name, size_t *size)
{
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *other = zoo_checked(malloc(folder + strlen(name) + 1)), message[ZOO_MESSAGE];
    memcpy(other, path, folder);
    strcpy(other + folder, name);
    FILE *file = fopen(other, "rb");
    if (file == NULL) {
        snprintf(message, sizeof message, "expected %.400s, received no such file: copy it with the TFLite file",
                 other);
        zoo_fail(message);
    }
    char *found = zoo_contents(file, size);
    fclose(file);
    free(other);
    return found;
}

static zoo_reader *reader_of(const char *json, size_t size, const char *side)
{
    char error[ZOO_ERROR];
    zoo_reader *reader = zoo_reader_new(json, size, side, error);
    if (reader == NULL)
        zoo_fail(error);
    return reader;
}

static bool is_head(const zoo_predictor *by, const char *name)
{
    const zoo_json *head = zoo_json_get(by->facts, "head");
    return zoo_json_is(head, ZOO_STRING) && strcmp(head->string, name) == 0;
}

static void open(zoo_predictor *by, const char *path)
{
    char error[ZOO_MESSAGE];
    size_t size;
    char *json = beside(path, "model.json", &size);
    by->document = zoo_json_read(json, size);
    if (by->document == NULL)
        zoo_fail("expected JSON in model.json, received other bytes");
    by->facts = zoo_json_root(by->document);
    free(json);
    json = beside(path, "tokenizer.json", &size);
    by->reader = reader_of(json, size, is_head(by, "translator") ? "source" : "text");
    by->target = is_head(by, "translator") ? reader_of(json, size, "target") : NULL;
    free(json);
    by->model = zoo_model_open(path, error);
    if (by->model == NULL)
        zoo_fail(error);
}

zoo_predictor *zoo_predictor_open(const char *path, const zoo_settings *set)
{
    zoo_predictor *by = zoo_checked(calloc(1, sizeof *by));
    by->set = *set;
    open(by, path);
    return by;
}

void zoo_predictor_close(zoo_predictor *by)
{
    zoo_model_close(by->model);
    zoo_reader_free(by->reader);
    zoo_reader_free(by->target);
    zoo_json_free(by->document);
    free(by);
}

void zoo_print_prediction(zoo_predictor *by, const char *text)
{
    if (is_head(by, "generator"))
        generate(by, text);
    else if (is_head(by, "translator"))
        translate(by, text);
    else
        predict_ids(by, text);
}
