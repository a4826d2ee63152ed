/* What export/c makes of texts, or of ids, for test_c.py: a program TOKENIZER SIDE read|text|inside.
 * Standard input holds texts, each after its size and a line feed; the program prints a line of JSON a text. With
 * text and inside it holds a count and so many ids a line, and each text comes after its size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_text.h"

static void fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    exit(2);
}

static void *memory(size_t size)
{
    void *found = malloc(size + 1);
    if (found == NULL)
        fail("no memory");
    return found;
}

static char *bytes_of(FILE *file, size_t size)
{
    char *found = memory(size);     /* no byte more, so that a sanitizer sees one that is read behind the end */
    if (fread(found, 1, size, file) != size)
        fail("expected as many bytes as the size says");
    return realloc(found, size ? size : 1);
}

static char *contents(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail(path);
    *size = (size_t)ftell(file);
    rewind(file);
    char *found = bytes_of(file, *size);
    fclose(file);
    return found;
}

static void numbers(const char *name, const int32_t *values, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t n = 0; n < count; n++)
        printf("%s%d", n ? ", " : "", values[n]);
    printf("], ");
}

static void sizes(const char *name, const size_t *values, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t n = 0; n < count; n++)
        printf("%s%zu", n ? ", " : "", values[n]);
    printf("], ");
}

static void rows(const char *name, const int32_t *cells, size_t count, size_t width)
{
    printf("\"%s\": [", name);
    for (size_t n = 0; n < count; n++) {
        printf("%s[", n ? ", " : "");
        for (size_t m = 0; m < width && cells[n * width + m]; m++)
            printf("%s%d", m ? ", " : "", cells[n * width + m]);
        printf("]");
    }
    printf("], ");
}

static void strings(const char *name, const char **texts, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t n = 0; n < count; n++) {
        printf("%s\"", n ? ", " : "");
        for (const char *at = texts[n]; *at; at++)
            if (*at == '"' || *at == '\\' || (unsigned char)*at < 0x20)
                printf("\\u%04x", *at);
            else
                putchar(*at);
        printf("\"");
    }
    printf("]");
}

static void print(const zoo_tokens *tokens)
{
    printf("{");
    numbers("ids", tokens->ids, tokens->count);
    rows("code_points", tokens->code_points, tokens->words, tokens->width);
    if (tokens->characters != NULL) {
        rows("characters", tokens->characters, tokens->count, tokens->characters_width);
        numbers("shapes", tokens->shapes, tokens->count);
        sizes("start_char", tokens->start_char, tokens->count);
        sizes("end_char", tokens->end_char, tokens->count);
        sizes("start_utf16", tokens->start_utf16, tokens->count);
        sizes("end_utf16", tokens->end_utf16, tokens->count);
        sizes("start_byte", tokens->start_byte, tokens->count);
        sizes("end_byte", tokens->end_byte, tokens->count);
    }
    /* A word of many pieces is the source of each. */
    strings("sources", tokens->sources, tokens->count < 1000 ? tokens->count : 0);
    printf("}\n");
}

static void read_one(const zoo_reader *reader, size_t size)
{
    char *text = bytes_of(stdin, size);
    zoo_tokens *tokens = zoo_read(reader, text, size);
    if (tokens == NULL)
        fail("no memory");
    print(tokens);
    zoo_tokens_free(tokens);
    free(text);
}

static void write_one(const zoo_reader *reader, size_t count, bool inside)
{
    int32_t *ids = memory(count * sizeof *ids);
    for (size_t n = 0; n < count; n++)
        if (scanf("%d", &ids[n]) != 1)
            fail("expected an id");
    char *text = zoo_text(reader, ids, count, NULL, inside);
    printf("%zu\n%s", strlen(text), text);
    free(text);
    free(ids);
}

int main(int count, char **arguments)
{
    if (count != 4)
        fail("expected tokenizer.json, a side, and read, text or inside");
    size_t size;
    char *json = contents(arguments[1], &size), error[ZOO_ERROR];
    zoo_reader *reader = zoo_reader_new(json, size, arguments[2], error);
    if (reader == NULL) {
        free(json);
        fail(error);
    }
    while (scanf("%zu", &size) == 1) {
        if (strcmp(arguments[3], "read") == 0) {
            getchar();
            read_one(reader, size);
        } else {
            write_one(reader, size, arguments[3][0] == 'i');
        }
    }
    zoo_reader_free(reader);
    free(json);
    return 0;
}
