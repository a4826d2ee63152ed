/* JSON as a tree, as much of it as tokenizer.json and model.json take. Portable C11. */
#ifndef ZOO_JSON_H
#define ZOO_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum zoo_json_kind { ZOO_NULL, ZOO_FALSE, ZOO_TRUE, ZOO_NUMBER, ZOO_STRING, ZOO_LIST, ZOO_OBJECT };

/* A value. Those of a list, or of an object, are a chain: `first`, then each one's `next`. */
typedef struct zoo_json {
    enum zoo_json_kind kind;
    double number;
    const char *string;         /* UTF-8 and a 0 after it; may hold others */
    size_t size;                /* bytes of the string; values of a list or an object */
    const char *key;            /* the value's name in its object */
    size_t key_size;
    const struct zoo_json *first, *next;
} zoo_json;

/* A document, to be freed by zoo_json_free; NULL if the bytes are no JSON, or memory is short. Half a
   surrogate pair alone in a string is U+FFFD. */
typedef struct zoo_document zoo_document;
zoo_document *zoo_json_read(const char *bytes, size_t size);
void zoo_json_free(zoo_document *document);
const zoo_json *zoo_json_root(const zoo_document *document);

/* The value of a name in an object; NULL if there is none. `object` may be NULL. */
const zoo_json *zoo_json_get(const zoo_json *object, const char *name);
bool zoo_json_is(const zoo_json *value, enum zoo_json_kind kind);

/* A code point as 1 to 4 bytes of UTF-8; their number. */
size_t zoo_utf8(unsigned point, char *bytes);

#endif
