r"""Text to integers, in the graph: normalise, split, look up.

    ids = lookup(split(normalise(strings)))

    normalise   valid UTF-8, lower case
    split       strings [B] -> tokens [B, None]: words, characters, bytes or word pieces
    lookup      token -> id: 0 padding, 1 unknown, then the learnt vocabulary

Every step is a TensorFlow op, so `tf.data`, evaluation and the exported signature run the same
function, and training and serving cannot differ.  Words, characters and bytes need the stock ops
of TensorFlow only; word pieces need one op of tensorflow-text, which is imported for them alone.
"""

import collections
import itertools
import json
import pathlib

import tensorflow as tf

from zoo import names
from zoo.text.vocabulary import (
    RESERVED, Vocabulary, check_alike, decoded, escaped_lines, most_frequent, read_saved, read_vocabulary,
    utf8, write_files)
from zoo.text.word_pieces import learn_word_pieces, word_piece_tokenizer


# RE2.  A character that is its own word: scripts written without spaces, and their long-vowel mark.
IDEOGRAPHS = r"\p{Han}\p{Hiragana}\p{Katakana}\x{30FC}\x{FF70}"


SEPARATOR = r"\s\p{Z}\p{Cc}\x{200B}\x{FEFF}"


# Letters without ideographs (RE2 subtracts only through a double negation), marks and digits.
ALPHANUMERIC = rf"(?:[^\P{{L}}{IDEOGRAPHS}]|[^\P{{N}}\p{{Han}}]|\p{{M}})+"


# What continues an emoji: variation selectors, skin tones, tags, and the next one after a joiner.
EXTENSION = r"(?:\p{M}|[\x{1F3FB}-\x{1F3FF}\x{E0020}-\x{E007F}]|\x{200D}\p{S})*"


# Letters whose small form depends on the language, and that of all others: Unicode's SpecialCasing.txt.
OF_LANGUAGES = {"I": "i", "İ": "i\u0307", "J": "j", "Į": "į", "Ì": "ì", "Í": "í", "Ĩ": "ĩ"}
WORD = "|".join((
    r"\p{Nd}+(?:[.,]\p{Nd}+)+",                                       # 3.14  1,000,000
    rf"{ALPHANUMERIC}(?:['\x{{2019}}\x{{200C}}\x{{200D}}]{ALPHANUMERIC})*",     # don't  2nd  naïve
    r"[\x{1F1E6}-\x{1F1FF}]{2}",                                      # a flag is two letters
    rf"[^{SEPARATOR}]{EXTENSION}",                                    # anything else, one by one
))


def normalise(strings, lowercase=True):
    r"""Valid UTF-8 without U+0000, in lower case with `lowercase`.

    Args:    strings [B] tf.string, any bytes
    Returns: [B] tf.string; malformed bytes and U+0000 become U+FFFD

    >>> normalise(tf.constant([b"Caf\xc3\x89 \xff"])).numpy()[0].decode()
    'café �'
    """
    strings = tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="replace")
    strings = tf.strings.regex_replace(strings, r"\x00", "\ufffd")  # lower() would stop there
    return lower(strings) if lowercase else strings


def lower(strings):
    """Strings in lower case, the same on every machine.

    TensorFlow asks the environment for a language, and would make of I an ı in Turkish and Azeri, of İ an
    i, and dot some letters of Lithuanian: these letters are made small before.

    >>> lower(tf.constant(["IĞDIR"])).numpy()[0].decode()
    'iğdir'
    """
    for capital, small in OF_LANGUAGES.items():
        strings = tf.strings.regex_replace(strings, capital, small)
    return tf.strings.lower(strings, encoding="utf-8")


def words(strings):
    r"""Words, numbers, ideographs, punctuation marks and emoji, one token each; see `WORD`.

    The typographic apostrophe becomes the plain one, because phones type the one and corpora
    hold the other.

    Args:    strings [B] tf.string, normalised
    Returns: ragged [B, None] tf.string

    >>> words(tf.constant(["It’s 3.5 stars: 很好!"])).to_list()[0][:5]
    [b"It's", b'3.5', b'stars', b':', b'\xe5\xbe\x88']
    """
    strings = tf.strings.regex_replace(strings, r"\x{2019}", "'")
    strings = tf.strings.regex_replace(strings, f"[{SEPARATOR}]+", " ")
    return tf.strings.split(tf.strings.regex_replace(strings, WORD, r" \0 "))


def characters(strings):
    r"""Unicode characters: strings [B], normalised -> ragged [B, None] tf.string.

    >>> characters(tf.constant(["hé!"])).to_list()
    [[b'h', b'\xc3\xa9', b'!']]
    """
    return tf.strings.unicode_split(strings, "UTF-8", errors="replace")


# Word pieces are pieces of words.
TOKENIZERS = dict(zip(names.TOKENIZERS, (words, characters, tf.strings.bytes_split, words), strict=True))


class Text(tf.Module):
    """Strings to ids, with one vocabulary for training, evaluation and serving.

        text(strings)[b, t] = vocabulary.index(tokens[b, t]), or 1 where it is absent

    A `tf.Module`: attached to another one, its table travels inside the SavedModel.

    Args:    vocabulary  list of tokens, "[PAD]" and "[UNK]" first; a token's id is its index
             tokenizer   "word", "character", "byte" or "subword"
             lowercase   whether case is dropped
             max_length  keep the first max_length tokens of a string; None keeps all
    Raises:  ValueError: expected …, received …
    Source:  word pieces: Schuster & Nakajima 2012; in linear time, Song et al. 2021

    >>> text = Text.learn(["a good film", "a bad film", "a film"])
    >>> text.vocabulary
    ['[PAD]', '[UNK]', 'a', 'film', 'bad', 'good']
    >>> text(["A good, good film", ""]).to_list()
    [[2, 5, 1, 5, 3], []]
    >>> text.dense(["A good, good film", ""]).numpy().tolist()
    [[2, 5, 1, 5, 3], [0, 0, 0, 0, 0]]
    """

    reserved, tokenizers = RESERVED, TOKENIZERS
    longest_word = 100  # bytes; a longer one is unknown to word pieces

    def __init__(self, vocabulary, tokenizer="word", lowercase=True, max_length=None):
        super().__init__(name="text")
        self._check_settings(tokenizer, lowercase, max_length)
        known = Vocabulary(vocabulary, self.reserved)
        self.tokenizer, self.lowercase, self.max_length = tokenizer, lowercase, max_length
        self._keys = known.keys
        self._lookup = known if tokenizer != "subword" else word_piece_tokenizer(
            self._keys, self.longest_word)

    @classmethod
    def learn(cls, texts, tokenizer="word", size=20000, min_count=1, lowercase=True,
              max_length=None):
        """The text processing whose vocabulary is learnt from texts.

        Tokens come by falling count, then alphabetically; word pieces as tensorflow-text's
        learner orders them.  The same texts give the same vocabulary, in any order.

        Args:    texts      list of strings; every token of them counts, past max_length too
                 size       largest vocabulary, "[PAD]" and "[UNK]" included
                 min_count  how often a token must occur to be learnt
        Raises:  ValueError: expected …, received …

        >>> Text.learn(["to be or not to be"], size=4).vocabulary
        ['[PAD]', '[UNK]', 'be', 'to']
        """
        cls._check_settings(tokenizer, lowercase, max_length)
        _check_count("size", size, len(cls.reserved) + 1)
        _check_count("min_count", min_count, 1)
        counts = _count(texts, lambda batch: cls._split(batch, tokenizer, lowercase))
        learnt = learn_word_pieces if tokenizer == "subword" else most_frequent
        return cls(learnt(counts, size, min_count, cls.reserved), tokenizer, lowercase, max_length)

    def after(self, earlier, count=None):
        """This text processing, but ids known to an earlier one stay: its tokens come first.

        Of word pieces only characters are new, since other pieces would cut known words in another way.

        Args:    count   how many of its tokens, the first ones; by default all
        Raises:  ValueError: another tokenizer or case

        >>> text = Text(["[PAD]", "[UNK]", "a", "c"]).after(Text(["[PAD]", "[UNK]", "b", "a"]))
        >>> text.vocabulary[2:]
        ['b', 'a', 'c']
        """
        check_alike(self, earlier, ("tokenizer", "lowercase"))
        new = [token for token in self.vocabulary
               if self.tokenizer != "subword" or len(token.removeprefix("##")) == 1]
        return type(self)(list(dict.fromkeys([*earlier.vocabulary[:count], *new])), self.tokenizer,
                          self.lowercase, self.max_length)

    def including(self, words):
        """This text processing with more tokens after its own; one that it never yields is left out.

        Raises:  ValueError: pieces of words, which more would change

        >>> Text(["[PAD]", "[UNK]", "a"]).including(["b", "a", "not one", "C"]).vocabulary[2:]
        ['a', 'b']
        """
        if self.tokenizer == "subword":
            raise ValueError("vectors: expected tokens that are words, received tokenizer 'subword'; use "
                             "another --tokenizer")
        known, words = set(self.vocabulary), list(words)
        alone = self._split(words, self.tokenizer, self.lowercase).to_list()
        new = [word for word, tokens in zip(words, alone)
               if tokens == [word.encode()] and word not in known]
        return type(self)(list(dict.fromkeys([*self.vocabulary, *new])), self.tokenizer, self.lowercase,
                          self.max_length)

    def __call__(self, strings):
        """ids of strings: [B] tf.string or a list -> ragged [B, None] int32."""
        tokens = self._split(strings, self.tokenizer, self.lowercase)
        if self.tokenizer == "subword":
            ids = self._lookup.tokenize(tokens).merge_dims(1, 2)
        else:
            ids = tokens.with_flat_values(self._lookup(tokens.flat_values))
        return ids[:, :self.max_length] if self.max_length else ids

    def dense(self, strings):
        """ids padded with 0 at the right: [B] tf.string or a list -> [B, T] int32, T ≥ 1."""
        ids = self(strings).to_tensor(0)
        return tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])

    def tokens(self, strings):
        """What the ids stand for: [B] tf.string or a list -> ragged [B, None] tf.string.

        A word piece without an id is "[UNK]"; the other tokenisers give the token itself.

        >>> Text(["[PAD]", "[UNK]"]).tokens(["Don't!"]).to_list()
        [[b"don't", b'!']]
        """
        if self.tokenizer == "subword":
            ids = self(strings)
            return ids.with_flat_values(tf.gather(self._keys, ids.flat_values))
        tokens = self._split(strings, self.tokenizer, self.lowercase)
        return tokens[:, :self.max_length] if self.max_length else tokens

    def code_points(self, strings):
        """The words, whatever the tokenizer, as the Unicode numbers of their first 24 characters.

        [B] tf.string or a list -> [B, T, C] int32, T and C ≥ 1, 0 after a word and after the last one

        >>> Text(["[PAD]", "[UNK]"]).code_points(["A b", ""]).numpy().tolist()
        [[[97], [98]], [[0], [0]]]
        """
        tokens = self._split(strings, "word", self.lowercase)
        tokens = tokens[:, :self.max_length] if self.max_length else tokens
        letters = tf.strings.unicode_decode(tokens.to_tensor(""), "UTF-8")
        letters = letters[:, :, :names.CHARACTERS].to_tensor(0)
        missing = tf.cast(tf.equal(tf.shape(letters)[1:], 0), tf.int32)
        return tf.pad(letters, [[0, 0], [0, missing[0]], [0, missing[1]]])

    @property
    def vocabulary(self):
        """list of str, by id; see `Vocabulary`."""
        return decoded(self._keys)

    def __len__(self):
        """Size of the vocabulary, padding and unknown included."""
        return self._keys.shape[0]

    def lines(self):
        """The vocabulary as a file's text; see `Vocabulary.lines`."""
        return escaped_lines(self._keys)

    def files(self):
        """{file name: text}: the vocabulary (`lines`) and the settings."""
        settings = {name: getattr(self, name) for name in ("tokenizer", "lowercase", "max_length")}
        settings["size"] = len(self)
        return {"vocabulary.txt": self.lines(), "text.json": json.dumps(settings, indent=2) + "\n"}

    def save(self, folder):
        """Writes `files`."""
        write_files(folder, self.files())

    @classmethod
    def load(cls, folder):
        """The text processing that `save` wrote into a folder.

        Raises:  FileNotFoundError, ValueError: expected …, received …
        """
        folder = pathlib.Path(folder)
        settings = _read_settings(folder / "text.json")
        size = settings.pop("size")
        return cls(read_vocabulary(folder / "vocabulary.txt", size), **settings)

    @classmethod
    def _split(cls, strings, tokenizer, lowercase):
        return cls.tokenizers[tokenizer](normalise(_batch(strings), lowercase))

    @classmethod
    def _check_settings(cls, tokenizer, lowercase, max_length):
        if tokenizer not in cls.tokenizers:
            raise ValueError(f"expected tokenizer to be one of {', '.join(cls.tokenizers)}, "
                             f"received {tokenizer!r}")
        if not isinstance(lowercase, bool):
            raise ValueError(f"expected lowercase to be True or False, received {lowercase!r}")
        if max_length is not None:
            _check_count("max_length", max_length, 1)


def _batch(strings):
    """A tf.string tensor [B] of a tensor, array, list or tuple; one string alone is refused."""
    if isinstance(strings, (list, tuple)):
        strings = tf.constant(list(map(utf8, strings)), tf.string)
    strings = tf.convert_to_tensor(strings)
    if strings.dtype != tf.string or strings.shape.rank not in (1, None):
        raise ValueError("expected a batch of strings, a list or tf.string [B], received "
                         f"{strings.dtype.name} {strings.shape}; put one string in a list")
    return strings


def _count(texts, split, batch=1024):
    if isinstance(texts, (str, bytes)):
        raise ValueError("expected a list of texts, received one string; put it in a list")
    texts, counts, seen = iter(texts), collections.Counter(), 0
    while some := list(itertools.islice(texts, batch)):  # texts may be more than memory holds
        counts.update(split(some).flat_values.numpy().tolist())
        seen += len(some)
    if not counts:
        raise ValueError("expected texts with at least one token to learn a vocabulary from, "
                         f"received {seen} texts without any")
    return counts


def _read_settings(path):
    expected = {"tokenizer", "lowercase", "max_length", "size"}
    try:
        settings = json.loads(read_saved(path))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, received: {error}") from None
    if not isinstance(settings, dict) or set(settings) != expected:
        raise ValueError(f"expected the settings {', '.join(sorted(expected))} in {path}, "
                         f"received {', '.join(settings) if settings else 'none'}")
    return settings


def _check_count(name, value, least):
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"expected {name} to be an integer of at least {least}, "
                         f"received {value!r}")
