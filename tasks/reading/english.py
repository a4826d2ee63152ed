"""Whether texts are English: by the share of their words that the package's vectors know."""

import functools
import gzip
import re

from zoo import trained

WORD = re.compile(r"(?<![\w'’])[^\W\d_]{2,}")   # two letters and more, but what follows an apostrophe
SHARE = 0.7         # at least; corpora of English have 0.8 to 0.95, of 78 other languages below 0.5
MOST = 1000         # texts that are looked at


def is_english(texts):
    """Whether most words of some texts are among 30,000 frequent English ones.

    >>> is_english(["I'm not bad at all!"]), is_english(["Gar nicht schlecht!"]), is_english(["…"])
    (True, False, False)
    """
    some = texts[::max(1, -(-len(texts) // MOST))]
    found = [word for text in some for word in WORD.findall(text.lower())]
    return sum(word in words() for word in found) >= SHARE * max(1, len(found))


@functools.cache
def words():
    """Those that have vectors."""
    with gzip.open(trained.word_vectors(trained.WORDS), "rt", encoding="utf-8") as file:
        return frozenset(line.partition(" ")[0] for line in file)
