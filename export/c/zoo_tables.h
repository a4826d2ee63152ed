/* The tables of tokenizer.json and growing arrays: what zoo_text.c is made of. Nobody else needs them. */
#ifndef ZOO_TABLES_H
#define ZOO_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zoo_json.h"
#include "zoo_text.h"

enum { ZOO_POINTS = 0x110000, ZOO_LETTERS = 128 };
enum { ZOO_LOST = 0xfffd, ZOO_SIGMA = 0x3a3, ZOO_FINAL_SIGMA = 0x3c2, ZOO_APOSTROPHE = 0x2019 };
enum zoo_place { ZOO_WORDS, ZOO_SHAPES, ZOO_ENDS };     /* the letters of a class */

/* A growing array. A failure is kept until the end, where it is looked at once. */
typedef struct {
    void *data;
    size_t count, room;
    bool failed;
} list;

void zoo_add(list *into, const void *values, size_t count, size_t size);
void zoo_add_number(list *into, int32_t number);
void zoo_add_size(list *into, size_t number);
void zoo_add_utf8(list *into, uint32_t point);

/* A character: its code point, and how many bytes of the text it is. */
typedef struct {
    uint32_t point;
    uint32_t size;
} character;

void zoo_add_character(list *into, uint32_t point, uint32_t size);

typedef struct {
    uint32_t first, last, step;
    int64_t distance;
} lower_range;

typedef struct {
    uint32_t point;
    size_t first, count;        /* of `lower_points` */
} lower_entry;

typedef struct {
    int16_t next[ZOO_LETTERS];      /* -1: none */
    int value;
} state;

typedef struct {
    const char *text;
    size_t size;
    int32_t id;
} entry;

typedef struct {
    entry *entries;
    size_t room, longest;       /* a power of two; bytes of the longest key */
} dictionary;

struct zoo_reader {
    zoo_document *document;     /* holds the strings */
    list firsts, classes;       /* uint32_t, uint8_t: a class from each first code point on */
    char (*letters)[3];         /* of each class */
    list lower, lower_more, lower_points;
    state *cut, *word, *shape;  /* automata */
    dictionary vocabulary, alphabet;
    const char **tokens;        /* of each id */
    size_t *token_sizes, tokens_count;
    bool tagged, each, lowercase, digits, bytes, apostrophe, line_space, word_space;
    size_t max_length, longest_word, max_characters;    /* 0: none, of the first two */
};

/* Where a key is in a dictionary, or would be: then its text is NULL. */
entry *zoo_placed(const dictionary *of, const char *text, size_t size);
int32_t zoo_looked_up(const dictionary *of, const char *text, size_t size);

char zoo_letter(const zoo_reader *by, uint32_t point, enum zoo_place place);
void zoo_lowered(const zoo_reader *by, list *characters);
list zoo_cut(const zoo_reader *by, const state *automaton, const list *characters);

#endif
