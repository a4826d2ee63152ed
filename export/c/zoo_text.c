#include "zoo_text.h"

#include <stdlib.h>
#include <string.h>

#include "zoo_tables.h"

enum { ESCAPED = 0xdc00, SURROGATE = 0xe000 };

/* Characters */

/* How many bytes, from a first one on, are well-formed UTF-8 or the start of it; how many it should be. */
static size_t sequence(const unsigned char *at, const unsigned char *end, size_t *wanted)
{
    const unsigned char first = *at;
    *wanted = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (*wanted < 2)
        return 1;
    const unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t found = 1;
    while (found < *wanted && at + found < end && at[found] >= (found == 1 ? least : 0x80) &&
           at[found] <= (found == 1 ? most : 0xbf))
        found++;
    return found;
}

static uint32_t point_of(const unsigned char *at, size_t size)
{
    uint32_t point = size == 1 ? *at : *at & (0x7fu >> size);
    for (size_t n = 1; n < size; n++)
        point = point << 6 | (at[n] & 0x3f);
    return point;
}

/* The characters of a text, each malformed part of it being one U+FFFD. */
static list decoded(const char *text, size_t size)
{
    list found = {0};
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    for (size_t wanted, have; at < end; at += have) {
        have = sequence(at, end, &wanted);
        zoo_add_character(&found, have == wanted ? point_of(at, have) : ZOO_LOST, (uint32_t)have);
    }
    return found;
}

/* The same of a text that is cut where it stands: each malformed byte is one of U+DC80 to U+DCFF, which are
   spaces; but half a surrogate pair in three bytes is a character. */
static list escaped(const char *text, size_t size)
{
    list found = {0};
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    for (size_t wanted, have; at < end; at += have) {
        have = sequence(at, end, &wanted);
        if (have == wanted) {
            zoo_add_character(&found, point_of(at, have), (uint32_t)have);
        } else if (end - at > 2 && at[0] == 0xed && at[1] >= 0xa0 && at[1] < 0xc0 && (at[2] & 0xc0) == 0x80) {
            have = 3;
            zoo_add_character(&found, SURROGATE, 3);
        } else {
            for (size_t n = 0; n < have; n++)
                zoo_add_character(&found, ESCAPED + at[n], 1);
        }
    }
    return found;
}

static uint32_t plain(uint32_t point)
{
    return point == ZOO_APOSTROPHE ? '\'' : point;
}

/* Rows of cells that are not as long as each other, as [rows, width] with 0 after the end of each. */
static int32_t *table(const list *cells, const list *ends, size_t *width)
{
    const size_t *end = ends->data;
    const int32_t *from = cells->data;
    *width = 1;
    for (size_t n = 0, start = 0; n < ends->count; start = end[n++])
        if (end[n] - start > *width)
            *width = end[n] - start;
    int32_t *found = cells->failed || ends->failed ? NULL : calloc(ends->count * *width + 1, sizeof *found);
    for (size_t n = 0, start = 0; found != NULL && n < ends->count; start = end[n++])
        if (end[n] > start)
            memcpy(found + n * *width, from + start, (end[n] - start) * sizeof *found);
    return found;
}

/* What is read of a text, as it grows. */
typedef struct {
    const zoo_reader *by;
    list ids, scratch;
    list sources, said;         /* where the word of each id starts in `said` */
    list points, point_ends, characters, character_ends, shapes;
    list places[6];             /* start and end in characters, UTF-16 units, bytes */
} reading;

static bool is_full(const reading *into)
{
    return into->by->max_length > 0 && into->ids.count >= into->by->max_length;
}

static void add_id(reading *into, int32_t id, size_t source)
{
    if (is_full(into))
        return;
    zoo_add_number(&into->ids, id);
    zoo_add_size(&into->sources, source);
}

/* Where a word starts among those that ids are of. */
static size_t said(reading *into, const char *word, size_t size)
{
    const size_t start = into->said.count;
    zoo_add(&into->said, word, size, 1);
    zoo_add(&into->said, "", 1, 1);
    return start;
}

/* A text as a whole */

/* The longest known piece first, what follows as ##piece; the one id 1 if some part is unknown. */
static void add_pieces(reading *into, const char *word, size_t size)
{
    const size_t source = said(into, word, size);
    const dictionary *vocabulary = &into->by->vocabulary;
    list found = {0};
    bool known = size <= into->by->longest_word;
    for (size_t start = 0; known && start < size;) {
        const size_t marks = start > 0 ? 2 : 0, rest = size - start;
        size_t length = rest + marks < vocabulary->longest ? rest : vocabulary->longest > marks
            ? vocabulary->longest - marks : 0;
        into->scratch.count = 0;
        zoo_add(&into->scratch, "##", marks, 1);
        zoo_add(&into->scratch, word + start, length, 1);
        if (into->scratch.failed)
            break;
        const entry *piece = NULL;
        for (; length > 0; length--) {      /* a character is not cut */
            if (length < rest && (word[start + length] & 0xc0) == 0x80)
                continue;
            piece = zoo_placed(vocabulary, into->scratch.data, marks + length);
            if (piece->text != NULL)
                break;
        }
        known = length > 0;
        if (known)
            zoo_add_number(&found, piece->id);
        start += length;
    }
    for (size_t n = 0; known && n < found.count; n++)
        add_id(into, ((const int32_t *)found.data)[n], source);
    if (!known)
        add_id(into, ZOO_UNKNOWN, source);
    into->ids.failed = into->ids.failed || found.failed || into->scratch.failed;
    free(found.data);
}

static void add_word(reading *into, const char *word, size_t size)
{
    if (into->by->longest_word > 0)
        add_pieces(into, word, size);
    else
        add_id(into, zoo_looked_up(&into->by->vocabulary, word, size), said(into, word, size));
}

/* The bytes of a text, each as the character of the same number. */
static void add_bytes(reading *into, const list *characters)
{
    const character *from = characters->data;
    for (size_t n = 0; n < characters->count && !is_full(into); n++) {
        char bytes[4], word[4];
        const size_t size = zoo_utf8(from[n].point, bytes);
        for (size_t m = 0; m < size; m++)
            add_word(into, word, zoo_utf8((unsigned char)bytes[m], word));
    }
}

static void add_words(reading *into, const list *characters)
{
    const zoo_reader *by = into->by;
    const character *from = characters->data;
    list places = zoo_cut(by, by->cut, characters), word = {0};
    const size_t *place = places.data;
    for (size_t n = 0; n < places.count && !is_full(into); n += 2) {
        const bool line_feed = from[place[n]].point == '\n' && place[n + 1] == place[n] + 1;
        word.count = 0;
        if (by->word_space && !line_feed)
            zoo_add_utf8(&word, ' ');
        for (size_t m = place[n]; m < place[n + 1]; m++)
            zoo_add_utf8(&word, by->apostrophe ? plain(from[m].point) : from[m].point);
        if (word.failed)
            break;
        add_word(into, word.data, word.count);
    }
    into->ids.failed = into->ids.failed || places.failed || word.failed;
    free(places.data);
    free(word.data);
}

/* A space before every line that is not empty. */
static void spaced(list *characters)
{
    list found = {0};
    const character *from = characters->data;
    for (size_t n = 0; n < characters->count; n++) {
        if (from[n].point != '\n' && (n == 0 || from[n - 1].point == '\n'))
            zoo_add_character(&found, ' ', 0);
        zoo_add_character(&found, from[n].point, from[n].size);
    }
    found.failed = found.failed || characters->failed;
    free(characters->data);
    *characters = found;
}

/* The code points of the first characters of each word. */
static void add_code_points(reading *into, const list *characters)
{
    const character *from = characters->data;
    list places = zoo_cut(into->by, into->by->word, characters);
    const size_t *place = places.data, most = into->by->max_length;
    for (size_t n = 0; n < places.count && (most == 0 || n / 2 < most); n += 2) {
        for (size_t m = place[n]; m < place[n + 1] && m < place[n] + ZOO_CHARACTERS; m++)
            zoo_add_number(&into->points, (int32_t)plain(from[m].point));
        zoo_add_size(&into->point_ends, into->points.count);
    }
    into->ids.failed = into->ids.failed || places.failed;
    free(places.data);
}

static void read_whole(reading *into, const char *text, size_t size)
{
    list characters = decoded(text, size);
    character *each = characters.data;
    for (size_t n = 0; n < characters.count; n++)
        if (each[n].point == 0)
            each[n].point = ZOO_LOST;
    if (into->by->lowercase)
        zoo_lowered(into->by, &characters);
    if (!characters.failed)
        add_code_points(into, &characters);
    if (into->by->line_space && !into->by->bytes)
        spaced(&characters);
    into->ids.failed = into->ids.failed || characters.failed;
    if (!characters.failed && into->by->bytes)
        add_bytes(into, &characters);
    else if (!characters.failed)
        add_words(into, &characters);
    free(characters.data);
}

/* A text token by token */

/* A token's id, by its key: in lower case, with ’ as ', with digits as 0. Leaves it in lower case. */
static int32_t token_id(reading *into, list *small)
{
    const zoo_reader *by = into->by;
    list original = {0};
    zoo_add(&original, small->data, small->count, sizeof(character));
    zoo_lowered(by, small);
    const list *key = by->lowercase ? small : &original;
    const character *from = key->data;
    into->scratch.count = 0;
    for (size_t n = 0; n < key->count; n++) {
        const uint32_t point = plain(from[n].point);
        zoo_add_utf8(&into->scratch, by->digits && zoo_letter(by, point, ZOO_WORDS) == 'd' ? '0' : point);
    }
    into->ids.failed = into->ids.failed || original.failed || small->failed || into->scratch.failed;
    free(original.data);
    if (into->ids.failed)
        return ZOO_UNKNOWN;
    return zoo_looked_up(&by->vocabulary, into->scratch.data, into->scratch.count);
}

static int32_t shape_of(const zoo_reader *by, const character *from, size_t count)
{
    const state *at = by->shape;
    for (size_t n = 0; n < count; n++) {
        const int next = at->next[(unsigned char)zoo_letter(by, from[n].point, ZOO_SHAPES)];
        if (next < 0)
            return 0;
        at = &by->shape[next];
    }
    return at->value;
}

static void add_token(reading *into, const char *text, size_t size)
{
    const zoo_reader *by = into->by;
    list token = decoded(text, size), source = {0};
    const character *from = token.data;
    for (size_t n = 0; n < token.count; n++)
        zoo_add_utf8(&source, from[n].point);
    for (size_t n = 0; n < token.count && n < by->max_characters; n++) {
        char bytes[4];
        zoo_add_number(&into->characters, zoo_looked_up(&by->alphabet, bytes, zoo_utf8(from[n].point, bytes)));
    }
    zoo_add_size(&into->character_ends, into->characters.count);
    if (!token.failed)
        zoo_add_number(&into->shapes, shape_of(by, from, token.count));
    const int32_t id = token_id(into, &token);
    into->ids.failed = into->ids.failed || source.failed;
    if (!into->ids.failed) {
        add_id(into, id, said(into, source.data, source.count));
        from = token.data;
        for (size_t n = 0; n < token.count && n < ZOO_CHARACTERS; n++)
            zoo_add_number(&into->points, (int32_t)from[n].point);
    }
    zoo_add_size(&into->point_ends, into->points.count);
    free(token.data);
    free(source.data);
}

static void read_sentence(reading *into, const char *text, size_t size)
{
    list characters = escaped(text, size);
    const character *from = characters.data;
    list places = zoo_cut(into->by, into->by->cut, &characters);
    const size_t *border = places.data;
    size_t at[3] = {0};         /* in characters, UTF-16 units, bytes */
    for (size_t n = 0, next = 0; next < places.count && !places.failed && !characters.failed; next++) {
        for (; n < border[next]; n++) {
            const bool half = from[n].point == SURROGATE && from[n].size == 3 && text[at[2]] == (char)0xed;
            at[0] += half ? 3 : 1;              /* each of its bytes is malformed */
            at[1] += half ? 3 : from[n].point > 0xffff ? 2 : 1;
            at[2] += from[n].size;
        }
        for (size_t unit = 0; unit < 3; unit++)
            zoo_add_size(&into->places[2 * unit + next % 2], at[unit]);
        if (next % 2) {
            const size_t start = ((const size_t *)into->places[4].data)[next / 2];
            add_token(into, text + start, at[2] - start);
        }
    }
    into->ids.failed = into->ids.failed || characters.failed || places.failed;
    free(characters.data);
    free(places.data);
}

/* What was read, the arrays being its own now; false if memory was short. */
static bool handed_over(reading *from, zoo_tokens *to)
{
    const size_t *starts = from->sources.data;
    to->count = from->ids.count;
    to->ids = from->ids.data;
    to->source_text = from->said.data;
    to->sources = calloc(to->count + 1, sizeof *to->sources);
    to->words = from->point_ends.count;
    to->code_points = table(&from->points, &from->point_ends, &to->width);
    to->shapes = from->shapes.data;
    to->characters = from->by->tagged ? table(&from->characters, &from->character_ends, &to->characters_width)
                                      : NULL;
    size_t **places[] = {&to->start_char, &to->end_char, &to->start_utf16, &to->end_utf16, &to->start_byte,
                         &to->end_byte};
    bool failed = from->ids.failed || from->sources.failed || from->said.failed || from->shapes.failed ||
                  to->sources == NULL || to->code_points == NULL || (from->by->tagged && !to->characters);
    for (size_t n = 0; n < 6; n++) {
        *places[n] = from->places[n].data;
        failed = failed || from->places[n].failed;
    }
    for (size_t n = 0; !failed && n < to->count; n++)
        to->sources[n] = to->source_text + starts[n];
    return !failed;
}

zoo_tokens *zoo_read(const zoo_reader *reader, const char *text, size_t size)
{
    reading found = {.by = reader};
    zoo_tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return NULL;
    if (reader->tagged)
        read_sentence(&found, text, size);
    else
        read_whole(&found, text, size);
    const bool right = handed_over(&found, tokens);
    list *lists[] = {&found.scratch, &found.sources, &found.points, &found.point_ends, &found.characters,
                     &found.character_ends};
    for (size_t n = 0; n < sizeof lists / sizeof *lists; n++)
        free(lists[n]->data);
    if (!right) {
        zoo_tokens_free(tokens);
        return NULL;
    }
    return tokens;
}

void zoo_tokens_free(zoo_tokens *tokens)
{
    if (tokens == NULL)
        return;
    void *arrays[] = {tokens->ids, tokens->sources, tokens->source_text, tokens->code_points,
                      tokens->characters, tokens->shapes, tokens->start_char, tokens->end_char,
                      tokens->start_utf16, tokens->end_utf16, tokens->start_byte, tokens->end_byte};
    for (size_t n = 0; n < sizeof arrays / sizeof *arrays; n++)
        free(arrays[n]);
    free(tokens);
}

/* A text of ids */

/* A word without the spaces around it. */
static void add_stripped(list *into, const char *word)
{
    const char *spaces = " \t\n\r\v\f";
    word += strspn(word, spaces);
    size_t size = strlen(word);
    while (size > 0 && strchr(spaces, word[size - 1]))
        size--;
    zoo_add(into, word, size, 1);
}

static void add_said(const zoo_reader *by, list *into, int32_t id, const char *unknown)
{
    if (id == ZOO_UNKNOWN) {
        zoo_add(into, " ", by->each ? 0 : 1, 1);
        add_stripped(into, unknown ? unknown : "\xef\xbf\xbd");
    } else if (id >= ZOO_RESERVED && (size_t)id < by->tokens_count) {
        const char *token = by->tokens[id];
        const size_t size = by->token_sizes[id];
        const size_t marks = by->longest_word > 0 && size > 1 && memcmp(token, "##", 2) == 0 ? 2 : 0;
        zoo_add(into, token + marks, size - marks, 1);
    }
}

char *zoo_text(const zoo_reader *reader, const int32_t *ids, size_t count, const char *const *unknown,
               bool inside)
{
    list words = {0};
    for (size_t n = 0; n < count && ids[n] != ZOO_END; n++)
        add_said(reader, &words, ids[n], unknown ? unknown[n] : NULL);
    zoo_add(&words, "", 1, 1);
    char *text = words.failed ? NULL : words.data;
    if (text == NULL) {
        free(words.data);
        return NULL;
    }
    if (reader->each)
        return text;
    size_t to = 0;      /* a space at the start of a line goes */
    for (size_t from = 0, line = inside ? SIZE_MAX : 0; from < words.count; from++) {
        if (text[from] != ' ' || from != line)
            text[to++] = text[from];
        if (text[from] == '\n')
            line = from + 1;
    }
    return text;
}
