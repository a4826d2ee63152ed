/* From a text to what a file takes, and back, by tokenizer.json: docs/devices.md specifies it.
 *
 *     zoo_reader *reader = zoo_reader_new(json, json_size, "text", error);    // or source, target
 *     zoo_tokens *tokens = zoo_read(reader, text, strlen(text));
 *     … tokens->ids[0 … tokens->count - 1] …
 *     zoo_tokens_free(tokens);
 *     zoo_reader_free(reader);
 *
 * Portable C11 without dependencies: zoo_json, zoo_tables and zoo_text are all. Nothing is global: threads may
 * share a reader. Texts are UTF-8, which may be malformed and may hold zeros.
 */
#ifndef ZOO_TEXT_H
#define ZOO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ZOO_PADDING, ZOO_UNKNOWN, ZOO_START, ZOO_END, ZOO_RESERVED };    /* ids of what no text holds */
enum { ZOO_CHARACTERS = 24 };       /* of a word that n-grams are made of */
enum { ZOO_ERROR = 160 };           /* bytes of a message */

typedef struct zoo_reader zoo_reader;

/* A text as a file takes it. Of rows of cells, [rows, width], 0 stands after the end of each row. */
typedef struct {
    size_t count;                   /* ids; of a tagger that is tokens */
    int32_t *ids;                   /* [count] */
    size_t words, width;            /* rows of code_points; cells of the longest, at least 1 */
    int32_t *code_points;           /* [words, width] */
    const char **sources;           /* [count] the word that each id is of, of a tagger the token; in UTF-8 */
    char *source_text;              /* where they lie */
    /* Of a tagger alone; else NULL. */
    size_t characters_width;
    int32_t *characters, *shapes;   /* [count, characters_width], [count] */
    size_t *start_char, *end_char;  /* [count] in characters, UTF-16 units and bytes of the text */
    size_t *start_utf16, *end_utf16;
    size_t *start_byte, *end_byte;
} zoo_tokens;

/* The reader of one side of tokenizer.json. NULL, and a line in `error`, if it cannot be used. */
zoo_reader *zoo_reader_new(const char *json, size_t size, const char *side, char error[ZOO_ERROR]);
void zoo_reader_free(zoo_reader *reader);

/* NULL if memory is short. */
zoo_tokens *zoo_read(const zoo_reader *reader, const char *text, size_t size);
void zoo_tokens_free(zoo_tokens *tokens);

/* The text that ids stand for, up to the end, to be freed by free; NULL if memory is short.
 * unknown: what each id would be if it is that of an unknown word, or NULL
 * inside:  whether the text goes on inside a line, where a first space is one
 */
char *zoo_text(const zoo_reader *reader, const int32_t *ids, size_t count, const char *const *unknown,
               bool inside);

size_t zoo_vocabulary_size(const zoo_reader *reader);

#endif
