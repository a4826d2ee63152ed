r"""Text to ids and back again, for networks that generate text.

    strings(text(x)) = normalise(x)        where every character is in the vocabulary

A space belongs to the word after it, so that the pieces of a text, one after the other, are the text:

    "A film,  or\nno"  →  " A", " film", ",", " ", " or", "\n", " no"

The first word of a line is read with a space before it, like any other word, and written without it.
Both ways are TensorFlow ops (word pieces need one of tensorflow-text), so a graph gives text.
"""
import tensorflow as tf

from zoo import names
from zoo.text.tokenizer import SEPARATOR, WORD, Text, characters
from zoo.text.vocabulary import RESERVED

GENERATED = (*RESERVED, "[START]", "[END]")  # ids 0 to 3
PIECE = rf" ?(?:{WORD})|[{SEPARATOR}]"       # RE2; every character is in exactly one


def spaced_words(strings):
    r"""Words, each with the space before it; other separators stand alone, one token each.

    Args:    strings [B] tf.string, normalised
    Returns: ragged [B, None] tf.string; joined they are the strings, with a space more at the start of
             every line that is not empty

    >>> spaced_words(tf.constant(["It's  3.5 stars,\n很好"])).to_list()[0][:7]
    [b" It's", b' ', b' 3.5', b' stars', b',', b'\n', b' \xe5\xbe\x88']
    """
    strings = tf.strings.regex_replace(strings, r"(?m)^([^\n])", r" \1")
    return tf.strings.split(tf.strings.regex_replace(strings, PIECE, "\x00\\0"), "\x00")[:, 1:]


def separated_words(strings):
    r"""What a corpus has set apart by white space, each with a space before it, and the ends of lines.

    >>> separated_words(tf.constant([" = Title = \n <unk> @-@ x"])).to_list()[0]
    [b' =', b' Title', b' =', b'\n', b' <unk>', b' @-@', b' x']
    """
    tokens = tf.strings.split(tf.strings.regex_replace(strings, r"\n", " \x00 "))
    ends = tf.equal(tokens.flat_values, "\x00")
    return tokens.with_flat_values(tf.where(ends, "\n", " " + tokens.flat_values))


class Subwords(Text):
    r"""Strings to ids and ids to strings: word pieces, words or characters.

        text(strings)[b, t] = vocabulary.index(tokens[b, t]), or 1 where it is absent
        text.strings(ids)[b] = tokens[b, 0] + tokens[b, 1] + …, up to "[END]"

    Word pieces are for languages with spaces; characters for Chinese and Japanese.  `Text` says what it
    has besides: `learn`, `dense`, `tokens`, `vocabulary`, `lines`, `files`, `save` and `load`.

    Args:    vocabulary  list of tokens, those of `GENERATED` first.  A piece inside a word starts with
                         "##", the first one of a word after a space with that space
             tokenizer   "subword", "word", "separated" (words as the text has them, between spaces, which
                         are not kept) or "character"
             lowercase   whether case is dropped
             max_length  keep the first max_length tokens of a string; None keeps all
    Raises:  ValueError: expected …, received …
    Source:  word pieces, Schuster & Nakajima 2012; the space in the piece, Kudo & Richardson 2018

    >>> text = Subwords.learn(["A good film.", "A bad film."] * 9, size=60)
    >>> ids = text(["A bad food.\n"])
    >>> [token.decode() for token in text.tokens(["A bad food.\n"]).to_list()[0]]
    [' A', ' bad', ' ', '##f', '##o', '##o', '##d', '.', '[UNK]']
    >>> text.strings(ids, unknown="?").numpy()[0].decode()
    'A bad food.?'
    """

    reserved = GENERATED
    tokenizers = dict(zip(names.LEVELS, (spaced_words, spaced_words, separated_words, characters),
                          strict=True))
    longest_word = 2 ** 20  # a word of known characters has its pieces, however long it is

    def __init__(self, vocabulary, tokenizer="subword", lowercase=False, max_length=None):
        super().__init__(vocabulary, tokenizer, lowercase, max_length)
        spelt = [self._spelt(token) for token in self.vocabulary[len(GENERATED):]]
        self._pieces = tf.constant([*[""] * len(GENERATED), *spelt])

    def _spelt(self, token):
        return token.removeprefix("##") if self.tokenizer == "subword" else token

    @classmethod
    def learn(cls, texts, tokenizer="subword", size=8000, min_count=1, lowercase=False,
              max_length=None):
        """The text processing whose vocabulary is learnt from texts; see `Text.learn`.

        >>> Subwords.learn(["我爱中国"], "character").vocabulary
        ['[PAD]', '[UNK]', '[START]', '[END]', '中', '国', '我', '爱']
        """
        return super().learn(texts, tokenizer, size, min_count, lowercase, max_length)

    @property
    def start(self):
        """The id before the first token of what is written."""
        return GENERATED.index("[START]")

    @property
    def end(self):
        """The id after its last."""
        return GENERATED.index("[END]")

    def words(self, strings):
        """The word that each token is a part of: [B] tf.string or a list -> ragged [B, None] tf.string.

        >>> text = Subwords.learn(["A good film.", "A bad film."] * 9, size=60)
        >>> text.words(["A bad food 😀"]).to_list()[0][3].decode()
        ' food'
        """
        if self.tokenizer != "subword":
            return self.tokens(strings)
        words = self._split(strings, self.tokenizer, self.lowercase)
        pieces = self._lookup.tokenize(words)
        repeated = tf.repeat(words.flat_values, pieces.row_lengths(axis=2).flat_values)
        return pieces.merge_dims(1, 2).with_flat_values(repeated)[:, :self.max_length]

    def pieces(self, ids, unknown=None):
        """What each id adds to the text: [..., T] int32, or ragged -> [..., T] tf.string.

        Nothing is added by "[PAD]", "[START]", "[END]" and whatever follows an "[END]".

        Args:    unknown  what "[UNK]" adds, one string or one for each id; None is U+FFFD, after a
                          space unless tokens are characters, for most words follow one
        """
        ids = ids.to_tensor(0) if isinstance(ids, tf.RaggedTensor) else tf.convert_to_tensor(ids)
        if unknown is None:
            unknown = "\ufffd" if self.tokenizer == "character" else " \ufffd"
        over = tf.cumsum(tf.cast(tf.equal(ids, self.end), tf.int32), -1) > 0
        pieces = tf.where(tf.equal(ids, RESERVED.index("[UNK]")), unknown, tf.gather(self._pieces, ids))
        return tf.where(over, "", pieces)

    def strings(self, ids, unknown=None, inside=False):
        r"""The texts that ids stand for: [..., T] int32, or ragged -> [...] tf.string.

        Args:    unknown  what "[UNK]" is written as; see `pieces`
                 inside   whether the ids go on inside a line, where a first space is one

        >>> text = Subwords(["[PAD]", "[UNK]", "[START]", "[END]", " to", " be", "\n"], "word")
        >>> text.strings([[4, 5, 6, 4, 1, 3, 5], [5, 0, 0, 0, 0, 0, 0]]).numpy().tolist()
        [b'to be\nto \xef\xbf\xbd', b'be']
        >>> text.strings([4, 5], inside=True).numpy()
        b' to be'
        """
        return self.joined(self.pieces(ids, unknown), inside)

    def joined(self, pieces, inside=False):
        """The texts of pieces: [..., T] tf.string -> [...] tf.string."""
        strings = tf.strings.reduce_join(pieces, -1)
        if self.tokenizer == "character":
            return strings
        return tf.strings.regex_replace(strings, "\n " if inside else "(?m)^ ", "\n" if inside else "")
