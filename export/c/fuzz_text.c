/* A target of libFuzzer: bytes as a text, as ids, or as tokenizer.json.
 *
 *     make fuzz CC=clang && ZOO_TOKENIZERS=some/tokenizer.json:other/tokenizer.json ./fuzz -max_total_time=600
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_text.h"

enum { READERS = 64 };
static zoo_reader *readers[READERS];
static size_t count;

static void need(bool right)
{
    if (!right)
        abort();
}

static char *contents(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    need(file != NULL && fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *found = malloc(*size + 1);
    need(found != NULL && fread(found, 1, *size, file) == *size);
    fclose(file);
    return found;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *sides[] = {"text", "source", "target"};
    (void)argc, (void)argv;
    const char *given = getenv("ZOO_TOKENIZERS");
    if (given == NULL)
        return 0;
    char *paths = malloc(strlen(given) + 1), error[ZOO_ERROR];
    need(paths != NULL);
    strcpy(paths, given);
    for (char *path = strtok(paths, ":"); path != NULL; path = strtok(NULL, ":")) {
        size_t size;
        char *json = contents(path, &size);
        for (size_t n = 0; n < 3 && count < READERS; n++)
            if ((readers[count] = zoo_reader_new(json, size, sides[n], error)) != NULL)
                count++;
        free(json);
    }
    free(paths);
    return 0;
}

/* What a reader makes of a text keeps what zoo_text.h promises. */
static void read_text(const zoo_reader *reader, const char *text, size_t size)
{
    zoo_tokens *tokens = zoo_read(reader, text, size);
    need(tokens != NULL);
    for (size_t n = 0; n < tokens->count; n++) {
        need(tokens->ids[n] >= 0 && (tokens->ids[n] < 4 || (size_t)tokens->ids[n] < zoo_vocabulary_size(reader)));
        need(strlen(tokens->sources[n]) <= 16 * size + 16);
        if (tokens->start_byte == NULL)
            continue;
        need(tokens->start_byte[n] < tokens->end_byte[n] && tokens->end_byte[n] <= size);
        need(tokens->start_char[n] < tokens->end_char[n] && tokens->end_char[n] <= tokens->end_byte[n]);
        need(tokens->end_utf16[n] >= tokens->end_char[n] && tokens->end_utf16[n] <= tokens->end_byte[n]);
        need(n == 0 || tokens->start_byte[n] >= tokens->end_byte[n - 1]);
    }
    free(zoo_text(reader, tokens->ids, tokens->count, tokens->sources, size % 2));
    zoo_tokens_free(tokens);
}

static void write_ids(const zoo_reader *reader, const uint8_t *bytes, size_t size)
{
    int32_t *ids = malloc(size + 4);
    need(ids != NULL);
    memcpy(ids, bytes, size / 4 * 4);
    for (size_t n = 0; n < size / 4; n++)
        if (n % 2)
            ids[n] = (int32_t)((uint32_t)ids[n] % (zoo_vocabulary_size(reader) + 1));
    char *text = zoo_text(reader, ids, size / 4, NULL, size % 2);
    need(text != NULL);
    free(text);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1)
        return 0;
    const size_t kind = bytes[0] % (2 * count + 1);
    char *copy = malloc(size);      /* of its own, so that a byte behind its end is found */
    need(copy != NULL);
    memcpy(copy, bytes + 1, size - 1);
    copy = realloc(copy, size > 1 ? size - 1 : 1);
    if (kind == 2 * count) {
        char error[ZOO_ERROR];
        zoo_reader *reader = zoo_reader_new(copy, size - 1, "text", error);
        if (reader != NULL)
            read_text(reader, "It’s ΑΣ \xff 3.14 naïve", 24);
        zoo_reader_free(reader);
    } else if (kind % 2) {
        write_ids(readers[kind / 2], bytes + 1, size - 1);
    } else {
        read_text(readers[kind / 2], copy, size - 1);
    }
    free(copy);
    return 0;
}
