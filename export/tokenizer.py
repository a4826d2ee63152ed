"""A tokenizer as tables, for languages without its graph: tokenizer.json, and vectors to test ports with.

    characters   ranges of code points → letters that say what a character is, and its lower case
    automata     which strings of these letters are a token, and which shape a token has
    vocabularies and settings

docs/devices.md specifies the format. The tables are read off the graph, code point by code point, so they
are those of the TensorFlow that exports, whatever Unicode version it knows.
"""
import functools
import json
import pathlib
import re

import numpy as np

from export import run

NAME, VECTORS = "tokenizer.json", "tokenizer_vectors.json"
COUNT, SURROGATES = 0x110000, np.arange(0xD800, 0xE000)
POINTS = np.concatenate([np.arange(SURROGATES[0]), np.arange(SURROGATES[-1] + 1, COUNT)])
BLOCKS = 32     # of code points that are looked at together, so that it takes little memory

KNOWN = r"[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}]"   # all that a pattern below can match
PATTERN = re.compile("<([A-Z]+)>")      # one of zoo.text.tokenizer
# What a character is: the last pattern that it matches, else "o".
WORD_LETTERS = (
    ("s", r"\p{S}"), ("a", "<ALPHANUMERIC>"), ("m", r"\p{M}"), ("d", r"\p{Nd}"), (".", "[.,]"),
    ("'", r"['\x{2019}\x{200C}]"), ("j", r"\x{200D}"), ("r", r"[\x{1F1E6}-\x{1F1FF}]"),
    ("t", r"[\x{1F3FB}-\x{1F3FF}]"), ("g", r"[\x{E0020}-\x{E007F}]"), (" ", "[<SEPARATOR>]"),
    ("w", r"[\t\r\x0b\x0c]"), ("n", r"\n"), ("_", " "))
SHAPE_LETTERS = (("m", r"\p{M}"), ("t", r"\p{L}"), ("l", r"\p{Ll}"), ("U", r"\p{Lu}"), ("c", r"\p{Lo}"),
                 ("d", r"\p{Nd}"), (".", "[.,:]"))

# State: its value, and the state after each letter. A token ends at the last state above 0.
START = {"d": "number", "am": "letters", "r": "region", ".'jtgso": "sign"}
WORD = {
    "number": (1, {"d": "number", "am": "letters", ".": "point", "'j": "joint"}),
    "point": (0, {"d": "fraction"}),                                        # 3.14  1,000,000
    "fraction": (1, {"d": "fraction", ".": "point"}),
    "letters": (1, {"adm": "letters", "'j": "joint"}),                      # don't  2nd  naïve
    "joint": (0, {"adm": "letters"}),
    "region": (1, {"r": "flag", "mtg": "sign", "j": "joiner"}),             # a flag is two letters
    "flag": (1, {}),
    "sign": (1, {"mtg": "sign", "j": "joiner"}),                            # anything else, one by one
    "joiner": (0, {"srt": "sign"})}
NO_SPACE, ONE = "admr.'jtgso", {"one": (1, {})}
REST = {"mcl.doUt": "other"}
AUTOMATA = {
    "word": {"start": (0, START), **WORD},
    "piece": {"start": (0, {**START, "_": "space", " nw": "one"}), "space": (1, START), **WORD, **ONE},
    "space": {"start": (0, {NO_SPACE: "run"}), "run": (1, {NO_SPACE: "run"})},
    "character": {"start": (0, {NO_SPACE: "one"}), **ONE},
    "each": {"start": (0, {NO_SPACE + "_ nw": "one"}), **ONE},
    "separated": {"start": (0, {"n": "one", NO_SPACE + " ": "run"}),
                  "run": (1, {NO_SPACE + " ": "run"}), **ONE},
    "shape": {
        "start": (0, {"U": "title", "lc": "lower", "t": "mixed", "m": "marks", "d": "number",
                      ".": "points", "o": "signs"}),
        "lower": (1, {"lcm": "lower", "Ut": "mixed", ".od": "other"}),
        "marks": (1, {"m": "marks", "lc": "lower", "Ut": "mixed", ".o": "signs", "d": "other"}),
        "title": (3, {"U": "upper", "l": "Title", "m": "marked", "ct": "mixed", ".od": "other"}),
        "marked": (2, {"U": "upper", "l": "Title", "m": "marked", "ct": "mixed", ".od": "other"}),
        "Title": (2, {"lm": "Title", "Uct": "mixed", ".od": "other"}),
        "upper": (3, {"Um": "upper", "lct": "mixed", ".od": "other"}),
        "mixed": (4, {"Ulctm": "mixed", ".od": "other"}),
        "number": (5, {"d.": "number", "Ulctmo": "other"}),
        "points": (6, {".": "points", "d": "number", "mo": "signs", "Ulct": "other"}),
        "signs": (6, {"m.o": "signs", "Ulctd": "other"}),
        "other": (7, {"Ulctmd.o": "other"})}}
# The automaton of each tokenizer of `zoo.names`: of texts that are read, and of those that are written.
READ = {"word": "word", "subword": "word", "character": "each", "byte": "each"}
WRITTEN = {"word": "piece", "subword": "piece", "separated": "separated", "character": "each"}


def files(text):
    """{file name: text}: the tokenizer of a text processing, and vectors; none of an unknown class."""
    if not hasattr(text, "files"):
        return {}
    vectors = {side: vectors_of(one) for side, one in _sides(text).items()}
    return {NAME: json.dumps(specification(text), ensure_ascii=False, separators=(",", ":")) + "\n",
            VECTORS: json.dumps(vectors, indent=1) + "\n"}


def specification(text):
    """What tokenizer.json holds: a text processing of `zoo.text`, in tables."""
    return {"format": run.FORMAT, "characters": characters(), "automata": automata(),
            **{side: settings(one) for side, one in _sides(text).items()}}


def of_folder(folder):
    """The specification of files that were exported before it was written beside them, by their settings
    and vocabularies. Raises FileNotFoundError, ValueError."""
    from zoo.text.text_pair import TextPair
    folder = pathlib.Path(folder)
    if (folder / "source_text.json").is_file():
        return specification(TextPair(_read(folder, "source_"), _read(folder, "target_")))
    return specification(_read(folder))


def cut(text, tokenizer):
    """[(start, end)] of the tokens in a text, as a tagger cuts it: by one of `zoo.names.TOKENS`.

    >>> [text[a:b] for text in ["It’s 3.5 stars: 很好!"] for a, b in cut(text, "word")]
    ['It’s', '3.5', 'stars', ':', '很', '好', '!']
    """
    return _tables().cut(text, tokenizer)


@functools.cache
def _tables():
    return run.Tables({"format": run.FORMAT, "characters": characters(), "automata": automata()})


def _read(folder, side=""):
    from zoo.text import subwords, token_features, tokenizer
    from zoo.text.vocabulary import read_vocabulary
    path = run.need(folder / f"{side}text.json")
    given = json.loads(path.read_text(encoding="utf-8"))
    sizes = given.pop("sizes", None) or [given.pop("size")]
    names = [f"{side}vocabulary.txt", "alphabet.txt"]
    lists = [read_vocabulary(run.need(folder / name), size) for name, size in zip(names, sizes)]
    written = tuple(lists[0][:len(subwords.GENERATED)]) == subwords.GENERATED
    kind = token_features.Tokens if len(lists) > 1 else subwords.Subwords if written else tokenizer.Text
    return kind(*lists, **given)


def _sides(text):
    return getattr(text, "sides", None) or {"text": text}


def settings(text):
    """How one side is read: see docs/devices.md."""
    if hasattr(text, "alphabet"):
        return {"automaton": text.tokenizer, "lowercase": text.lowercase, "digits": text.digits,
                "max_characters": text.max_characters, "vocabulary": text.words.tokens,
                "alphabet": text.alphabet.tokens}
    name, writes = text.tokenizer, hasattr(text, "start")
    spelt = [token.encode("utf-8", "surrogateescape").decode("latin-1") if name == "byte" else token
             for token in text.vocabulary]
    return {"automaton": (WRITTEN if writes else READ)[name], "lowercase": text.lowercase,
            "max_length": text.max_length, "bytes": name == "byte",
            "longest_word": text.longest_word if name == "subword" else None,
            "apostrophe": not writes and name in ("word", "subword"),
            "line_space": writes and name in ("word", "subword"), "word_space": name == "separated",
            "vocabulary": spelt}


def automata():
    """{name: [[value, {letters: state}], …]}: the states by number, the first is the start."""
    return {name: [[value, {letters: list(states).index(after) for letters, after in following.items()}]
                   for value, following in states.values()] for name, states in AUTOMATA.items()}


@functools.cache
def characters():
    """The tables of all code points: {"classes", "ranges", "lower", "lower_more"}."""
    from zoo.text import tokenizer
    patterns = [(letter, PATTERN.sub(lambda name: getattr(tokenizer, name[1]), pattern))
                for letter, pattern in WORD_LETTERS]
    letters, lower = np.tile([ord(" "), ord("o"), ord("-")], [COUNT, 1]), {}    # those of surrogates
    for points in np.array_split(POINTS, BLOCKS):
        strings = _encoded(points)
        letters[points] = np.stack([_letters(strings, patterns), _letters(strings, SHAPE_LETTERS),
                                    _sigma(strings)], 1)
        lower |= lowered(points)
    first = [0, *(np.flatnonzero((letters[1:] != letters[:-1]).any(1)) + 1).tolist()]
    found = ["".join(map(chr, row)) for row in letters[first]]
    classes = sorted(set(found))
    return {"classes": classes,
            "ranges": [number for pair in zip(first, map(classes.index, found)) for number in pair],
            "lower": ranges({c: ord(small) for c, small in lower.items() if len(small) == 1}),
            "lower_more": {str(c): list(map(ord, small)) for c, small in lower.items() if len(small) > 1}}


def _encoded(points):
    """Code points [N] as strings of one character."""
    import tensorflow as tf
    return tf.strings.unicode_encode(points[:, None].astype("int32"), "UTF-8")


def _letters(strings, patterns):
    """The letter of the last pattern that each character matches, "o" where none does: [N]."""
    import tensorflow as tf
    found = np.full(len(strings), ord("o"))
    known = np.flatnonzero(tf.strings.regex_full_match(strings, KNOWN).numpy())
    strings = tf.gather(strings, known)
    for letter, pattern in patterns:
        found[known[tf.strings.regex_full_match(strings, pattern).numpy()]] = ord(letter)
    return found


def lowered(points):
    """{code point: its lower case}, of those that have another one; see `_sigma` for U+03A3."""
    import tensorflow as tf
    from zoo.text.tokenizer import lower
    strings = _encoded(points)
    small = lower(strings)
    changed = tf.not_equal(small, strings).numpy()
    return {int(c): one.decode() for c, one in zip(points[changed], small[changed].numpy()) if c}


def _sigma(strings):
    """What a character is to the end of a word, where Σ becomes ς: c a cased letter, i ignored, -."""
    import tensorflow as tf
    from zoo.text.tokenizer import lower
    found = np.full(len(strings), ord("-"))
    for letter, after in (("i", "a"), ("c", "")):       # before a letter, and at the end
        small = lower("aΣ" + strings + after)
        inside = tf.equal(tf.strings.substr(small, 1, 1, unit="UTF8_CHAR"), "σ").numpy()
        found[inside] = ord(letter)
    return found


def ranges(mapped):
    """[[first, last, step, distance], …] of {code point: code point}.

    >>> ranges({65: 97, 66: 98, 256: 257, 258: 259, 260: 261})
    [[65, 66, 1, 32], [256, 260, 2, 1]]
    """
    found = []
    for point, target in sorted(mapped.items()):
        if found:
            first, last, step, distance = found[-1]
            gap = point - last
            if distance == target - point and (gap == step or first == last and gap < 3):
                found[-1] = [first, point, gap, distance]
                continue
        found.append([point, point, 1, target - point])
    return found


# What ports of a tokenizer get wrong.
STRINGS = (
    "", " ", "A good film, not bad!", "It’s don't rock'n'roll 'tis", "3.14 1,000,000 v2.0. 7,",
    "##ing [UNK]", "naïve cafe\u0301", "ΣΊΣΥΦΟΣ ΟΔΟΣ. Σ ΑΣ\u0301 Σ'Α ΣΣ", "İstanbul IĞDIR",
    "很好！我爱中国", "コーヒー ﾊﾟ", "👍🏽 👩\u200d👩\u200d👧 ❤️ 🏴\U000e0067\U000e007f", "🇩🇪🇫🇷🇪",
    "नमस्ते ۱۲۳ ½ Ⅷ", "a\tb\r\nc\n\n d\x0b\x85e\u2028f", "x\0y\x1fz\ufeff\u200b", "ⱟⰯ Ꟁ \U00010570",
    "e-mail: a.b@c.d #1 $5 (x_y) \\n", "A" * 130 + " b", "𠮷野家 𝒳 \U0003ffff \ue000 \U0010ffff \ufffd")


def vectors_of(text):
    """The strings as a side reads them, by the graph: [{"text", "ids", …}]; see docs/devices.md."""
    import tensorflow as tf
    if not hasattr(text, "alphabet"):
        found = {"ids": text(STRINGS).to_list()}
        if not hasattr(text, "start"):      # of texts that are written none takes them
            found["code_points"] = _rows(text.code_points(STRINGS).numpy())
    else:
        tokens, offsets = text.split(STRINGS)
        counts = tf.reduce_sum(tf.cast(tokens != "", tf.int32), 1).numpy()
        found = {name: [row[:count].tolist() for row, count in zip(values.numpy(), counts)]
                 for name, values in {**offsets, **text(tokens)}.items()}
        for name in ("characters", "code_points"):
            found[name] = [[_until_0(cell) for cell in row] for row in found[name]]
    return [{"text": string, **{name: values[n] for name, values in found.items()}}
            for n, string in enumerate(STRINGS)]


def _rows(array):
    """[B, T, C] with 0 after the end as lists."""
    return [[_until_0(cell) for cell in row if cell[0]] for row in array.tolist()]


def _until_0(cell):
    return cell[:cell.index(0)] if 0 in cell else cell
