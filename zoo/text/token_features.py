r"""Tokens as a tagger reads them: where they stand in a text, their ids, their characters, their shape.

    text → tokens, offsets             ids: of the word, in lower case, every digit a 0
                                       characters: of the token as it stands
                                       shapes: which case its letters have

A corpus gives its own tokens, a request gives text: both go through the same lookup. All of it is stock
TensorFlow ops. Tokens are padded at the right with the empty string, and everything made of them with 0.
"""
import collections
import json
import pathlib

import numpy as np
import tensorflow as tf

from zoo import names
from zoo.text.tokenizer import SEPARATOR, WORD, normalise
from zoo.text.vocabulary import (
    RESERVED, Vocabulary, check_alike, most_frequent, read_vocabulary, write_files)

# What a token is, as a pattern; what lies between two tokens is skipped.
TOKENS = dict(zip(names.TOKENS, (WORD, rf"[^{SEPARATOR}]+", rf"[^{SEPARATOR}]"), strict=True))
MARK = "\x1f"  # stands around tokens for a moment; a text that holds one has a space in its place

ASTRAL = r"[\x{10000}-\x{10FFFF}]"  # characters of two UTF-16 units


def character_count(strings):
    """How many characters strings have."""
    return tf.strings.length(tf.strings.regex_replace(strings, "(?s).", "x"))


# What an offset counts: characters (slices of a Python string), UTF-16 units (JavaScript, Java, Swift)
# or bytes of UTF-8.
LENGTHS = {"char": character_count,
           "utf16": lambda strings: character_count(tf.strings.regex_replace(strings, ASTRAL, "xx")),
           "byte": tf.strings.length}
OFFSETS = [f"{side}_{unit}" for unit in LENGTHS for side in ("start", "end")]

# The first pattern that a token matches, from 1; 7 where none does.
SHAPES = (
    r"[\p{Ll}\p{Lo}\p{M}]+",                # lower
    r"\p{Lu}[\p{Ll}\p{M}]+",                # Title
    r"\p{Lu}[\p{Lu}\p{M}]*",                # UPPER
    r"[\p{L}\p{M}]+",                       # mIXed
    r"[\p{Nd}.,:]*\p{Nd}[\p{Nd}.,:]*",      # 3.14
    r"[^\p{L}\p{Nd}]+",                     # ?!
)


def located(spans, offsets):
    """[{"type", "start_char", …}] of spans (first, last, type), by the offsets of the tokens.

    >>> located([(0, 2, "place")], {name: [0, 4] if name[0] == "s" else [3, 8] for name in OFFSETS})[0][
    ...     "end_char"]
    8
    """
    return [{"type": kind, **{name: offsets[name][first if name.startswith("start") else last - 1]
                              for name in OFFSETS}} for first, last, kind in spans]


class Tokens(tf.Module):
    """Tokens to what a tagger reads, and texts to tokens with their places.

    Args:    vocabulary      list of words, "[PAD]" and "[UNK]" first; an id is an index
             alphabet        the same of characters
             tokenizer       how a text is cut: "word", "space" or "character"
             lowercase       words are looked up in lower case
             digits          words are looked up with every digit as 0
             max_characters  characters of a token that are read
    Raises:  ValueError: an unknown tokenizer, a vocabulary that does not start with the reserved words

    >>> text = Tokens.learn([["Room", "12"], ["room"]])
    >>> text.words.tokens, text.alphabet.tokens[2:]
    (['[PAD]', '[UNK]', 'room', '00'], ['o', 'm', '1', '2', 'R', 'r'])
    >>> tokens, offsets = text.split(["Room 77, Zoé's room"])
    >>> tokens[0, 3].numpy().decode(), int(offsets["start_char"][0, 4]), int(offsets["start_byte"][0, 4])
    ("Zoé's", 15, 16)
    >>> text(tokens)["ids"].numpy().tolist()
    [[2, 3, 1, 1, 2]]
    """

    options = ("tokenizer", "lowercase", "digits", "max_characters")

    def __init__(self, vocabulary, alphabet, tokenizer="word", lowercase=True, digits=True,
                 max_characters=24):
        super().__init__(name="text")
        if tokenizer not in TOKENS:
            raise ValueError(f"expected tokenizer to be one of {', '.join(TOKENS)}, "
                             f"received {tokenizer!r}")
        self.words, self.alphabet = Vocabulary(vocabulary), Vocabulary(alphabet)
        self.tokenizer, self.lowercase, self.digits = tokenizer, lowercase, digits
        self.max_characters = max_characters

    @classmethod
    def learn(cls, sentences, size=50000, min_count=1, **options):
        """The tokens' words and characters, by falling count.

        Args:    sentences  lists of tokens
                 size       most words, "[PAD]" and "[UNK]" included
                 min_count  how often a word must occur
        Raises:  ValueError: no token at all

        >>> Tokens.learn([["a", "b", "a"]], min_count=2).words.tokens
        ['[PAD]', '[UNK]', 'a']
        """
        counts = collections.Counter(token for tokens in sentences for token in tokens)
        if not counts:
            raise ValueError("expected sentences with at least one token, received none")
        blank = cls(RESERVED, RESERVED, **options)
        words, letters = collections.Counter(), collections.Counter()
        for token, key in zip(counts, blank.keys(tf.constant(list(counts))).numpy()):
            words[key] += counts[token]
            letters.update(character.encode() for character in token)
        return cls(most_frequent(words, size, min_count), most_frequent(letters, 10000, 1), **options)

    def including(self, keys):
        """These tokens, and more words after their own, as `keys` gives them.

        >>> Tokens.learn([["a"]]).including(["b", "a"]).words.tokens
        ['[PAD]', '[UNK]', 'a', 'b']
        """
        words = list(dict.fromkeys([*self.words.tokens, *keys]))
        return type(self)(words, self.alphabet.tokens,
                          **{name: getattr(self, name) for name in self.options})

    def after(self, earlier, count=None):
        """These tokens, but ids known to earlier ones stay: their words and characters come first.

        Args:    count   how many of their words, the first ones; by default all
        Raises:  ValueError: another tokenizer, case, digits or number of characters
        """
        check_alike(self, earlier, self.options)
        lists = [list(dict.fromkeys([*getattr(earlier, name).tokens[:most], *getattr(self, name).tokens]))
                 for name, most in (("words", count), ("alphabet", None))]
        return type(self)(*lists, **{name: getattr(self, name) for name in self.options})

    @property
    def vocabulary(self):
        """The words, by id."""
        return self.words.tokens

    def split(self, strings):
        """strings [B] → tokens [B, T], {"start_char" [B, T], "end_char", …}: see `OFFSETS`; T ≥ 1.

        Malformed UTF-8 and control characters count as spaces. Offsets in bytes are always exact, those
        in characters and in UTF-16 units where the string is well-formed.
        """
        strings = tf.strings.regex_replace(strings, rf"[\x00{MARK}]", " ")
        marked = tf.strings.regex_replace(strings, TOKENS[self.tokenizer], rf"{MARK}\0{MARK}")
        # Between marks stand by turns a gap, perhaps empty, and a token.
        pieces = tf.strings.split(marked, MARK).to_tensor("")
        pieces = tf.pad(pieces, [[0, 0], [0, tf.maximum(0, 2 - tf.shape(pieces)[1])]], constant_values="")
        tokens, offsets = pieces[:, 1::2], {}
        for unit, length in LENGTHS.items():
            lengths = length(pieces)
            end = tf.where(tf.equal(tokens, ""), 0, tf.cumsum(lengths, 1)[:, 1::2])
            offsets |= {f"start_{unit}": end - lengths[:, 1::2], f"end_{unit}": end}
        return tokens, offsets

    def keys(self, tokens):
        """Tokens of any shape as they are looked up."""
        keys = tf.strings.regex_replace(normalise(tokens, self.lowercase), r"\x{2019}", "'")
        return tf.strings.regex_replace(keys, r"\p{Nd}", "0") if self.digits else keys

    def __call__(self, tokens):
        """tokens [B, T], "" after the end → {"ids" [B, T], "characters" [B, T, C], "shapes" [B, T],
        "code_points" [B, T, C]}."""
        tokens = tf.convert_to_tensor(tokens)
        mask = tf.not_equal(tokens, "")
        return {"ids": tf.where(mask, self.words(self.keys(tokens)), 0),
                "characters": self._characters(tokens), "shapes": tf.where(mask, shapes(tokens), 0),
                "code_points": code_points(tokens)}

    def _characters(self, tokens):
        flat = normalise(tf.reshape(tokens, [-1]), lowercase=False)
        split = tf.strings.unicode_split(flat, "UTF-8")[:, :self.max_characters]
        ids = split.with_flat_values(self.alphabet(split.flat_values)).to_tensor(0)
        ids = tf.pad(ids, [[0, 0], [0, tf.cast(tf.equal(tf.shape(ids)[1], 0), tf.int32)]])
        return tf.reshape(ids, tf.concat([tf.shape(tokens), tf.shape(ids)[1:]], 0))

    def save(self, folder):
        """Write vocabulary.txt, alphabet.txt and text.json."""
        write_files(folder, self.files())

    def files(self):
        """{file name: text}: the two vocabularies, a line each, and the settings."""
        settings = {name: getattr(self, name) for name in self.options}
        settings["sizes"] = len(self.words), len(self.alphabet)
        return {"vocabulary.txt": self.words.lines(), "alphabet.txt": self.alphabet.lines(),
                "text.json": json.dumps(settings, indent=2) + "\n"}

    @classmethod
    def load(cls, folder):
        """What `save` wrote. Raises FileNotFoundError, and ValueError for an incomplete file."""
        folder = pathlib.Path(folder)
        settings = json.loads((folder / "text.json").read_text(encoding="utf-8"))
        names = zip(("vocabulary.txt", "alphabet.txt"), settings.pop("sizes"))
        return cls(*(read_vocabulary(folder / name, size) for name, size in names), **settings)


def code_points(tokens):
    """Unicode's numbers of the first 24 characters of tokens in lower case: [B, T] → [B, T, C], C ≥ 1.

    >>> code_points(tf.constant([["Ab", ""]])).numpy().tolist()
    [[[97, 98], [0, 0]]]
    """
    lower = normalise(tf.reshape(tokens, [-1]), lowercase=True)
    found = tf.strings.unicode_decode(lower, "UTF-8")[:, :names.CHARACTERS].to_tensor(0)
    found = tf.pad(found, [[0, 0], [0, tf.cast(tf.equal(tf.shape(found)[1], 0), tf.int32)]])
    return tf.reshape(found, tf.concat([tf.shape(tokens), tf.shape(found)[1:]], 0))


def shapes(tokens):
    """Which of `SHAPES` a token has, from 1.

    >>> shapes(tf.constant(["of", "Boston", "IBM", "A", "eBay", "1,000", "?!", "B-2"])).numpy().tolist()
    [1, 2, 3, 3, 4, 5, 6, 7]
    """
    matches = [tf.strings.regex_full_match(tokens, shape) for shape in SHAPES]
    found = tf.fill(tf.shape(tokens), len(SHAPES) + 1)
    for number, match in reversed(list(enumerate(matches, 1))):
        found = tf.where(match, number, found)
    return found


def padded(rows):
    """Lists of strings as one array of strings, "" after the end: [B, T], T ≥ 1.

    >>> padded([["a", "b"], []]).tolist()
    [['a', 'b'], ['', '']]
    """
    width = max([1, *map(len, rows)])
    return np.array([[*row, *[""] * (width - len(row))] for row in rows], object)
