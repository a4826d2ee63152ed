#include "zoo_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, STATES = 256 };

static void *more(list *into, size_t count, size_t size)
{
    if (into->failed)
        return NULL;
    if (into->count + count > into->room) {
        const size_t room = 2 * (into->count + count) + 8;
        void *data = room < SIZE_MAX / size ? realloc(into->data, room * size) : NULL;
        if (data == NULL) {
            into->failed = true;
            return NULL;
        }
        into->data = data;
        into->room = room;
    }
    into->count += count;
    return (char *)into->data + (into->count - count) * size;
}

void zoo_add(list *into, const void *values, size_t count, size_t size)
{
    void *place = count > 0 ? more(into, count, size) : NULL;
    if (place != NULL)
        memcpy(place, values, count * size);
}

void zoo_add_number(list *into, int32_t number)
{
    zoo_add(into, &number, 1, sizeof number);
}

void zoo_add_size(list *into, size_t number)
{
    zoo_add(into, &number, 1, sizeof number);
}

void zoo_add_character(list *into, uint32_t point, uint32_t size)
{
    zoo_add(into, &(character){point, size}, 1, sizeof(character));
}

void zoo_add_utf8(list *into, uint32_t point)
{
    char bytes[4];
    zoo_add(into, bytes, zoo_utf8(point, bytes), 1);
}

static uint64_t hashed(const char *text, size_t size)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t n = 0; n < size; n++)
        hash = (hash ^ (unsigned char)text[n]) * 1099511628211u;
    return hash ^ hash >> 32;
}

/* Where a key is, or would be. */
entry *zoo_placed(const dictionary *of, const char *text, size_t size)
{
    size_t at = (size_t)hashed(text, size) & (of->room - 1);
    while (of->entries[at].text != NULL &&
           (of->entries[at].size != size || memcmp(of->entries[at].text, text, size) != 0))
        at = (at + 1) & (of->room - 1);
    return &of->entries[at];
}

int32_t zoo_looked_up(const dictionary *of, const char *text, size_t size)
{
    const entry *found = zoo_placed(of, text, size);
    return found->text != NULL ? found->id : ZOO_UNKNOWN;
}

static bool filled(dictionary *into, const zoo_json *strings)
{
    if (!zoo_json_is(strings, ZOO_LIST) || strings->size > INT32_MAX / 4)
        return false;
    for (into->room = 16; into->room < 2 * strings->size + 2;)
        into->room *= 2;
    into->entries = calloc(into->room, sizeof(entry));
    if (into->entries == NULL)
        return false;
    int32_t id = 0;
    for (const zoo_json *one = strings->first; one != NULL; one = one->next) {
        if (one->kind != ZOO_STRING)
            return false;
        *zoo_placed(into, one->string, one->size) = (entry){one->string, one->size, id++};
        if (one->size > into->longest)
            into->longest = one->size;
    }
    return true;
}

static bool whole(const zoo_json *value, double least, double most)
{
    return zoo_json_is(value, ZOO_NUMBER) && value->number >= least && value->number <= most &&
           value->number == (double)(int64_t)value->number;
}

static bool read_classes(zoo_reader *into, const zoo_json *classes, const zoo_json *ranges)
{
    if (!zoo_json_is(classes, ZOO_LIST) || !zoo_json_is(ranges, ZOO_LIST) || classes->size < 1 ||
        classes->size > 255 || ranges->size < 2 || ranges->size % 2)
        return false;
    size_t n = 0;
    into->letters = calloc(classes->size, sizeof *into->letters);
    if (into->letters == NULL)
        return false;
    for (const zoo_json *one = classes->first; one != NULL; one = one->next, n++) {
        if (one->kind != ZOO_STRING || one->size != 3)
            return false;
        for (int place = 0; place < 3; place++)
            if ((unsigned char)(into->letters[n][place] = one->string[place]) >= ZOO_LETTERS)
                return false;
    }
    double least = 0;
    for (const zoo_json *one = ranges->first; one != NULL; one = one->next->next) {
        if (!whole(one, least, ZOO_POINTS - 1) || !whole(one->next, 0, (double)classes->size - 1))
            return false;
        zoo_add(&into->firsts, &(uint32_t){(uint32_t)one->number}, 1, sizeof(uint32_t));
        zoo_add(&into->classes, &(uint8_t){(uint8_t)one->next->number}, 1, sizeof(uint8_t));
        least = one->number;
    }
    return ranges->first->number == 0 && !into->firsts.failed && !into->classes.failed;
}

static bool read_lower(zoo_reader *into, const zoo_json *lower, const zoo_json *lower_more)
{
    if (!zoo_json_is(lower, ZOO_LIST) || !zoo_json_is(lower_more, ZOO_OBJECT))
        return false;
    double least = 0;
    for (const zoo_json *one = lower->first; one != NULL; one = one->next) {
        if (!zoo_json_is(one, ZOO_LIST) || one->size != 4)
            return false;
        const zoo_json *first = one->first, *last = first->next, *step = last->next, *distance = step->next;
        if (!whole(first, least, ZOO_POINTS - 1) || !whole(last, first->number, ZOO_POINTS - 1) ||
            !whole(step, 1, ZOO_POINTS) || !whole(distance, -first->number, ZOO_POINTS - 1 - last->number))
            return false;
        const lower_range range = {(uint32_t)first->number, (uint32_t)last->number, (uint32_t)step->number,
                                   (int64_t)distance->number};
        zoo_add(&into->lower, &range, 1, sizeof range);
        least = last->number;
    }
    for (const zoo_json *one = lower_more->first; one != NULL; one = one->next) {
        if (!zoo_json_is(one, ZOO_LIST))
            return false;
        const lower_entry found = {(uint32_t)strtoul(one->key, NULL, 10), into->lower_points.count, one->size};
        zoo_add(&into->lower_more, &found, 1, sizeof found);
        for (const zoo_json *point = one->first; point != NULL; point = point->next) {
            if (!whole(point, 0, ZOO_POINTS - 1))
                return false;
            zoo_add(&into->lower_points, &(uint32_t){(uint32_t)point->number}, 1, sizeof(uint32_t));
        }
    }
    return !into->lower.failed && !into->lower_more.failed && !into->lower_points.failed;
}

/* An automaton; NULL if a state has no list, or one follows that is not there. */
static state *linked(const zoo_json *states)
{
    if (!zoo_json_is(states, ZOO_LIST) || states->size < 1 || states->size > STATES)
        return NULL;
    state *found = calloc(states->size, sizeof *found), *at = found;
    bool right = found != NULL;
    for (const zoo_json *one = states->first; right && one != NULL; one = one->next, at++) {
        memset(at->next, 0xff, sizeof at->next);
        right = zoo_json_is(one, ZOO_LIST) && one->size == 2 && whole(one->first, 0, 127) &&
                zoo_json_is(one->first->next, ZOO_OBJECT);
        at->value = right ? (int)one->first->number : 0;
        const zoo_json *after = right ? one->first->next->first : NULL;
        for (; right && after != NULL; after = after->next) {
            right = whole(after, 0, (double)states->size - 1);
            for (size_t n = 0; right && n < after->key_size; n++) {
                right = (unsigned char)after->key[n] < ZOO_LETTERS;
                if (right)
                    at->next[(unsigned char)after->key[n]] = (int16_t)after->number;
            }
        }
    }
    if (!right) {
        free(found);
        return NULL;
    }
    return found;
}

static bool flag(const zoo_json *settings, const char *name)
{
    return zoo_json_is(zoo_json_get(settings, name), ZOO_TRUE);
}

static size_t limit(const zoo_json *settings, const char *name)
{
    const zoo_json *value = zoo_json_get(settings, name);
    return whole(value, 0, INT32_MAX) ? (size_t)value->number : 0;
}

static bool read_tokens(zoo_reader *into, const zoo_json *vocabulary)
{
    if (!filled(&into->vocabulary, vocabulary))
        return false;
    into->tokens = calloc(vocabulary->size + 1, sizeof *into->tokens);
    into->token_sizes = calloc(vocabulary->size + 1, sizeof *into->token_sizes);
    if (into->tokens == NULL || into->token_sizes == NULL)
        return false;
    for (const zoo_json *one = vocabulary->first; one != NULL; one = one->next) {
        into->token_sizes[into->tokens_count] = one->size;
        into->tokens[into->tokens_count++] = one->string;
    }
    return true;
}

static bool read_settings(zoo_reader *into, const zoo_json *settings, const zoo_json *automata)
{
    const zoo_json *automaton = zoo_json_get(settings, "automaton");
    const zoo_json *alphabet = zoo_json_get(settings, "alphabet");
    if (!zoo_json_is(automaton, ZOO_STRING) || !read_tokens(into, zoo_json_get(settings, "vocabulary")))
        return false;
    into->each = strcmp(automaton->string, "each") == 0;
    into->lowercase = flag(settings, "lowercase");
    into->digits = flag(settings, "digits");
    into->bytes = flag(settings, "bytes");
    into->apostrophe = flag(settings, "apostrophe");
    into->line_space = flag(settings, "line_space");
    into->word_space = flag(settings, "word_space");
    into->max_length = limit(settings, "max_length");
    into->longest_word = limit(settings, "longest_word");
    into->max_characters = limit(settings, "max_characters");
    into->tagged = alphabet != NULL;
    if (into->tagged && !filled(&into->alphabet, alphabet))
        return false;
    into->cut = linked(zoo_json_get(automata, automaton->string));
    into->word = linked(zoo_json_get(automata, "word"));
    into->shape = linked(zoo_json_get(automata, "shape"));
    return into->cut != NULL && into->word != NULL && into->shape != NULL;
}

static const char *opened(zoo_reader *into, const char *json, size_t size, const char *side, char *error)
{
    into->document = zoo_json_read(json, size);
    if (into->document == NULL)
        return "expected JSON in tokenizer.json, received other bytes";
    const zoo_json *root = zoo_json_root(into->document), *format = zoo_json_get(root, "format");
    if (!whole(format, FORMAT, FORMAT)) {
        snprintf(error, ZOO_ERROR, "expected tokenizer.json of format %d, received %.0f: copy export/c again",
                 FORMAT, zoo_json_is(format, ZOO_NUMBER) ? format->number : 0.0);
        return error;
    }
    const zoo_json *characters = zoo_json_get(root, "characters"), *settings = zoo_json_get(root, side);
    if (settings == NULL) {
        snprintf(error, ZOO_ERROR, "expected a tokenizer.json with \"%.60s\", received one without", side);
        return error;
    }
    if (!read_classes(into, zoo_json_get(characters, "classes"), zoo_json_get(characters, "ranges")) ||
        !read_lower(into, zoo_json_get(characters, "lower"), zoo_json_get(characters, "lower_more")))
        return "expected the characters of tokenizer.json as docs/devices.md has them, received others";
    if (!read_settings(into, settings, zoo_json_get(root, "automata")))
        return "expected the settings of tokenizer.json as docs/devices.md has them, received others";
    return NULL;
}

zoo_reader *zoo_reader_new(const char *json, size_t size, const char *side, char error[ZOO_ERROR])
{
    zoo_reader *reader = calloc(1, sizeof *reader);
    const char *problem = reader ? opened(reader, json, size, side, error) : "expected memory, received none";
    if (problem == NULL)
        return reader;
    if (problem != error)
        snprintf(error, ZOO_ERROR, "%s", problem);
    zoo_reader_free(reader);
    return NULL;
}

void zoo_reader_free(zoo_reader *reader)
{
    if (reader == NULL)
        return;
    list *lists[] = {&reader->firsts, &reader->classes, &reader->lower, &reader->lower_more,
                     &reader->lower_points};
    for (size_t n = 0; n < sizeof lists / sizeof *lists; n++)
        free(lists[n]->data);
    free(reader->letters);
    free(reader->cut);
    free(reader->word);
    free(reader->shape);
    free(reader->vocabulary.entries);
    free(reader->alphabet.entries);
    free(reader->tokens);
    free(reader->token_sizes);
    zoo_json_free(reader->document);
    free(reader);
}

size_t zoo_vocabulary_size(const zoo_reader *reader)
{
    return reader->tokens_count;
}

/* Characters */

char zoo_letter(const zoo_reader *by, uint32_t point, enum zoo_place place)
{
    const uint32_t *firsts = by->firsts.data;
    size_t low = 0, high = by->firsts.count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (firsts[middle] <= point)
            low = middle;
        else
            high = middle;
    }
    return by->letters[((const uint8_t *)by->classes.data)[low]][place];
}

static uint32_t lower_of(const zoo_reader *by, uint32_t point)
{
    const lower_range *ranges = by->lower.data;
    size_t low = 0, high = by->lower.count;
    while (high > low) {
        const size_t middle = low + (high - low) / 2;
        if (ranges[middle].first <= point)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || point > ranges[low - 1].last || (point - ranges[low - 1].first) % ranges[low - 1].step)
        return point;
    return (uint32_t)(point + ranges[low - 1].distance);
}

/* The places of each Σ after a cased letter and before none, ignored characters apart, become ς. */
static void end_sigmas(const zoo_reader *by, character *characters, size_t count)
{
    bool after = false;
    character *candidate = NULL;
    for (size_t n = 0; n < count; n++) {
        const bool sigma = characters[n].point == ZOO_SIGMA;
        const char kind = zoo_letter(by, characters[n].point, ZOO_ENDS);
        if (kind == 'i')
            continue;
        if (kind != 'c' && candidate != NULL)
            candidate->point = ZOO_FINAL_SIGMA;
        candidate = sigma && after ? &characters[n] : NULL;
        after = kind == 'c';
    }
    if (candidate != NULL)
        candidate->point = ZOO_FINAL_SIGMA;
}

/* Characters in lower case, in place of themselves. */
void zoo_lowered(const zoo_reader *by, list *characters)
{
    list found = {0};
    const lower_entry *entries = by->lower_more.data;
    end_sigmas(by, characters->data, characters->count);
    const character *from = characters->data;
    for (size_t n = 0; n < characters->count; n++) {
        const uint32_t small = lower_of(by, from[n].point);
        size_t other = 0;
        while (small == from[n].point && other < by->lower_more.count && entries[other].point != small)
            other++;
        if (small != from[n].point || other == by->lower_more.count) {
            zoo_add_character(&found, small, from[n].size);
            continue;
        }
        const uint32_t *points = by->lower_points.data;
        for (size_t m = 0; m < entries[other].count; m++)
            zoo_add_character(&found, points[entries[other].first + m], from[n].size);
    }
    found.failed = found.failed || characters->failed;
    free(characters->data);
    *characters = found;
}

/* Where the tokens start and end, one after the other: from each place the longest of the automaton's. */
list zoo_cut(const zoo_reader *by, const state *automaton, const list *characters)
{
    list found = {0};
    const character *from = characters->data;
    for (size_t start = 0, end; start < characters->count; start = end > start ? end : start + 1) {
        const state *at = automaton;
        end = start;
        for (size_t n = start; n < characters->count; n++) {
            const int next = at->next[(unsigned char)zoo_letter(by, from[n].point, ZOO_WORDS)];
            if (next < 0)
                break;
            at = &automaton[next];
            if (at->value > 0)
                end = n + 1;
        }
        if (end > start) {
            zoo_add_size(&found, start);
            zoo_add_size(&found, end);
        }
    }
    return found;
}
