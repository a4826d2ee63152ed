"""Whether texts are English: by the share of their words that the package's vectors know."""

import functools
import gzip
import re

from zoo import trained

WORD = re.compile(r"[^\W\d_]+")
SHARE = 0.7         # at least; English corpora have 0.8 to 0.95, 78 other languages less than 0.5
MOST = 1000         # texts that are looked at


def is_english(texts):
    """Whether most words of some texts are among 30,000 frequent English ones.

    >>> is_english(["Not bad at all!"]), is_english(["Gar nicht schlecht!"]), is_english(["…"])
    (True, False, False)
    """
    found = [word for text in texts[::max(1, len(texts) // MOST)] for word in WORD.findall(text.lower())]
    return sum(word in words() for word in found) >= SHARE * max(1, len(found))


@functools.cache
def words():
    """Those that have vectors."""
    with gzip.open(trained.word_vectors(trained.WORDS), "rt", encoding="utf-8") as file:
        return frozenset(line.partition(" ")[0] for line in file)
