"""Word vectors that others have trained, read from a text file."""

import collections
import contextlib
import gzip
import itertools
import re
import zlib

import numpy as np

LOOKED_AT = 1000  # lines that decide how wide the vectors are
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?nan|[-+]?inf")
CONTRACTION = re.compile("(.+?)(n't|'[a-zA-Z]+)")
EXPECTED = "word vectors, a word and its numbers a line"


def read(path):
    """Vectors in the text format of GloVe, word2vec and fastText: a word and its D numbers a line.

    The last D cells of a line are the numbers, so a word may hold spaces; D is the first line's second
    number in word2vec's format, else what most of the first lines have. Cells are separated by spaces or
    tabs. A word that comes again is skipped, and so is one that is empty or not UTF-8.

    Args:    path  of the file, also gzipped
    Returns: words, a list; their vectors [N, D] float32
    Raises:  FileNotFoundError; ValueError: a line without D finite numbers after its word, no word at all
    """
    words = {}
    with _opened(path) as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        start = list(itertools.islice(lines, LOOKED_AT))
        width, header = _width(path, start)
        for number, line in itertools.chain(start[header:], lines):
            word, vector = _parsed(path, number, line, width)
            if word and "\ufffd" not in word and word not in words:
                words[word] = vector
    if not words:
        raise ValueError(f"{path}: expected {EXPECTED}, received none")
    return list(words), np.stack(list(words.values()))


@contextlib.contextmanager
def _opened(path):
    """The lines of a file; what goes wrong while it is unpacked is one line."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8-sig", errors="replace",
                                             newline="\n") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: expected a whole gzip file, received a damaged one: {error}; restore "
                         "it") from error


def _width(path, start):
    """How many numbers follow a word, and whether the first line is word2vec's: how many, how wide."""
    if not start:
        raise ValueError(f"{path}: expected {EXPECTED}, received none")
    first = re.fullmatch(r"\s*\d+\s+(\d+)\s*", start[0][1])
    widths = collections.Counter(_numbers_at_the_end(line) for _, line in start[bool(first):])
    usual = widths.most_common(1)[0][0] if widths else 0
    if first and usual != 1:
        return int(first[1]) or _refused(path, *start[0], "a width of at least 1"), True
    return usual or _refused(path, *start[0], "numbers after the word"), False


def _numbers_at_the_end(line):
    return sum(1 for _ in itertools.takewhile(NUMBER.fullmatch, reversed(_cells(line)[1:])))


def _cells(line, last=-1):
    """What spaces or tabs separate; with `last`, that many cells behind the rest as one."""
    cells = line.rstrip(" \t\r\n").replace("\t", " ").rsplit(" ", last)
    if "" not in cells[1:]:
        return cells
    cells = re.split(" +", " ".join(cells))
    return cells if last < 0 else [" ".join(cells[:-last]), *cells[-last:]]


def _parsed(path, number, line, width):
    """(word, vector) of a line; the word is empty where the line begins with a space."""
    word, *cells = _cells(line, width)
    word = word.strip(" ")
    with contextlib.suppress(ValueError), np.errstate(over="ignore"):
        vector = np.array(cells, np.float32)
        one_more = " " in word and NUMBER.fullmatch(word.split(" ")[-1])
        if len(vector) == width and np.isfinite(vector).all() and not one_more:
            return word, vector
    _refused(path, number, line, f"a word and {width} numbers")


def _refused(path, number, line, expected):
    """Raises the error that names a line."""
    binary = "\0" in line or line.count("\ufffd") > len(line) // 10
    advice = "; convert it to text or unpack it" if binary else "; correct the line"
    received = "a binary file" if binary else repr(line.strip()[:60])
    raise ValueError(f"{path}, line {number}: expected {expected}, received {received}{advice}")


class Table:
    """The rows of a vocabulary in a table of word vectors.

    A word that the file lacks is looked up in lower case; then one with an apostrophe takes the mean of
    its parts as the Penn Treebank cuts them: of "do" and "n't".

    Args:    words, vectors  as `read` returns them

    >>> table = Table(["do", "n't", "Boston"], np.array([[1, 0], [3, 2], [5, 5]]))
    >>> table.rows(["[PAD]", "[UNK]", "Do", "don't", "boston"]).tolist()
    [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, words, vectors):
        self.words, self.vectors = words, np.asarray(vectors, np.float32)
        self.row = {word: n for n, word in enumerate(words)}

    @property
    def width(self):
        return self.vectors.shape[1]

    def rows(self, vocabulary):
        """The vectors of words [V, D] float32, 0 where a word has none."""
        found = [self.of(word) for word in vocabulary]
        nothing = np.zeros(self.width, np.float32)
        return np.stack([nothing if vector is None else vector for vector in found])

    def of(self, word):
        """The vector of a word, or None."""
        places = self.places(word) or self.places(word.lower())
        return self.vectors[places].mean(0) if places else None

    def places(self, word):
        """The rows whose mean is the vector of a word, [] where it has none."""
        parts = CONTRACTION.fullmatch(word)
        for some in ([word], parts.groups() if parts else []):
            if some and all(part in self.row for part in some):
                return [self.row[part] for part in some]
        return []
