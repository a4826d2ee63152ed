#include "zoo_json.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, NODES = 256, LOST = 0xfffd };

/* Values lie in blocks, which do not move; strings in one copy of the text, since none grows in reading. */
struct block {
    struct block *before;
    zoo_json nodes[NODES];
};

struct zoo_document {
    struct block *blocks;
    size_t used;                /* nodes of the newest block */
    char *text, *written;       /* of the strings; where the next one begins */
    const zoo_json *root;
};

struct input {
    const char *at, *end;
    struct zoo_document *into;
};

static zoo_json *node(struct zoo_document *into)
{
    if (into->blocks == NULL || into->used == NODES) {
        struct block *block = calloc(1, sizeof *block);
        if (block == NULL)
            return NULL;
        block->before = into->blocks;
        into->blocks = block;
        into->used = 0;
    }
    return &into->blocks->nodes[into->used++];
}

static void spaces(struct input *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
        in->at++;
}

static bool take(struct input *in, const char *word)
{
    const size_t size = strlen(word);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0)
        return false;
    in->at += size;
    return true;
}

size_t zoo_utf8(unsigned point, char *bytes)
{
    const size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (size == 1) {
        bytes[0] = (char)point;
        return 1;
    }
    for (size_t n = size; n-- > 1; point >>= 6)
        bytes[n] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)((0xf00 >> size & 0xff) | point);
    return size;
}

/* The four digits of \uXXXX; -1 if they are none. */
static int hexadecimal(struct input *in)
{
    int found = 0;
    for (int n = 0; n < 4; n++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = in->at < in->end && *in->at ? strchr(digits, *in->at) : NULL;
        if (digit == NULL)
            return -1;
        found = 16 * found + (int)((digit - digits) % 16);
        in->at++;
    }
    return found;
}

/* The code point after \u, a pair of surrogates being one; -1 if it is malformed. */
static int escaped(struct input *in)
{
    const int first = hexadecimal(in);
    if (first < 0xd800 || first > 0xdfff)
        return first;
    const char *before = in->at;
    if (first < 0xdc00 && take(in, "\\u")) {
        const int second = hexadecimal(in);
        if (second >= 0xdc00 && second < 0xe000)
            return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        in->at = before;
    }
    return LOST;
}

/* A string, its first quote being read, into the document; NULL if it does not end. */
static const char *string(struct input *in, size_t *size)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char *start = in->into->written, *to = start;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at != '\\') {
            *to++ = *in->at++;
            continue;
        }
        const char letter = ++in->at < in->end ? *in->at++ : 0;
        const char *name = letter ? strchr(names, letter) : NULL;
        const int point = name ? (unsigned char)meanings[name - names] : letter == 'u' ? escaped(in) : -1;
        if (point < 0)
            return NULL;
        to += zoo_utf8((unsigned)point, to);
    }
    if (in->at == in->end)
        return NULL;
    in->at++;
    *size = (size_t)(to - start);
    *to++ = 0;
    in->into->written = to;
    return start;
}

static bool number(struct input *in, zoo_json *value)
{
    char digits[64];
    size_t size = 0;
    while (in->at < in->end && size < sizeof digits - 1 && *in->at && strchr("+-.0123456789eE", *in->at)) {
        const char c = *in->at++;
        digits[size++] = c == '.' ? *localeconv()->decimal_point : c; /* which strtod expects */
    }
    digits[size] = 0;
    char *end = NULL;
    value->number = strtod(digits, &end);
    return size > 0 && *end == 0;
}

static zoo_json *read_value(struct input *in, int depth);

/* The values of a list or an object, its bracket being read, up to the other bracket. */
static bool values(struct input *in, zoo_json *into, int depth, const char *bracket)
{
    const zoo_json **link = &into->first;
    spaces(in);
    if (take(in, bracket))
        return true;
    do {
        const char *key = NULL;
        size_t key_size = 0;
        spaces(in);
        if (into->kind == ZOO_OBJECT) {
            if (!take(in, "\"") || (key = string(in, &key_size)) == NULL)
                return false;
            spaces(in);
            if (!take(in, ":"))
                return false;
        }
        zoo_json *value = read_value(in, depth + 1);
        if (value == NULL)
            return false;
        value->key = key;
        value->key_size = key_size;
        *link = value;
        link = &value->next;
        into->size++;
        spaces(in);
    } while (take(in, ","));
    return take(in, bracket);
}

static bool known(struct input *in, zoo_json *value, int depth)
{
    if (take(in, "{")) {
        value->kind = ZOO_OBJECT;
        return values(in, value, depth, "}");
    }
    if (take(in, "[")) {
        value->kind = ZOO_LIST;
        return values(in, value, depth, "]");
    }
    if (take(in, "\"")) {
        value->kind = ZOO_STRING;
        return (value->string = string(in, &value->size)) != NULL;
    }
    static const char *words[] = {"null", "false", "true"};
    for (int n = 0; n < 3; n++)
        if (take(in, words[n])) {
            value->kind = (enum zoo_json_kind)n;
            return true;
        }
    value->kind = ZOO_NUMBER;
    return number(in, value);
}

static zoo_json *read_value(struct input *in, int depth)
{
    zoo_json *value = depth < DEEPEST ? node(in->into) : NULL;
    spaces(in);
    return value != NULL && known(in, value, depth) ? value : NULL;
}

zoo_document *zoo_json_read(const char *bytes, size_t size)
{
    struct zoo_document *document = calloc(1, sizeof *document);
    if (document == NULL)
        return NULL;
    /* A string takes no more bytes than its text: each of its two quotes stands for one 0. */
    document->text = document->written = malloc(size + 1);
    struct input in = {bytes, bytes + size, document};
    if (document->text != NULL) {
        document->root = read_value(&in, 0);
        spaces(&in);
    }
    if (document->root == NULL || in.at != in.end) {
        zoo_json_free(document);
        return NULL;
    }
    return document;
}

void zoo_json_free(zoo_document *document)
{
    if (document == NULL)
        return;
    for (struct block *block = document->blocks; block != NULL;) {
        struct block *before = block->before;
        free(block);
        block = before;
    }
    free(document->text);
    free(document);
}

const zoo_json *zoo_json_root(const zoo_document *document)
{
    return document->root;
}

const zoo_json *zoo_json_get(const zoo_json *object, const char *name)
{
    const size_t size = strlen(name);
    const zoo_json *value = zoo_json_is(object, ZOO_OBJECT) ? object->first : NULL;
    while (value != NULL && (value->key_size != size || memcmp(value->key, name, size) != 0))
        value = value->next;
    return value;
}

bool zoo_json_is(const zoo_json *value, enum zoo_json_kind kind)
{
    return value != NULL && value->kind == kind;
}
