"""Which vectors of the package are for some texts: by their words, or by the script of their letters."""

import functools
import gzip
import re

from zoo import trained

LETTER, CHINESE = re.compile(r"[^\W\d_]"), re.compile("[\u4e00-\u9fff]")
WORD = re.compile(r"(?<![\w'’])[^\W\d_]{2,}")   # two letters and more, but what follows an apostrophe
SHARE = 0.7         # at least; of words corpora of English have 0.8 to 0.95, of 78 languages below 0.5
MOST = 1000         # texts that are looked at


def vectors_of(texts, characters=False):
    """The name of the vectors that come with the package for the words of some texts, or for their
    characters; None where there are none.

    >>> vectors_of(["不错"], characters=True), vectors_of(["Gar nicht schlecht!"])
    ('characters-zh', None)
    """
    some = texts[::max(1, -(-len(texts) // MOST))]
    name, fits = (trained.CHINESE, is_chinese) if characters else (trained.ENGLISH, is_english)
    return name if fits(some) else None


def is_english(texts):
    """Whether most words of some texts are among 30,000 frequent English ones.

    >>> is_english(["I'm not bad at all!"]), is_english(["Gar nicht schlecht!"]), is_english(["…"])
    (True, False, False)
    """
    return mostly(words().__contains__, [word for text in texts for word in WORD.findall(text.lower())])


def is_chinese(texts):
    """Whether most letters of some texts are Chinese characters; kana are letters too.

    >>> is_chinese(["我爱看书 :)"]), is_chinese(["お茶を飲みます。"]), is_chinese(["…"])
    (True, False, False)
    """
    return mostly(CHINESE.match, [letter for text in texts for letter in LETTER.findall(text)])


def mostly(fits, found):
    """Whether at least seven of ten of what was found fit, and anything was."""
    return sum(bool(fits(one)) for one in found) >= SHARE * max(1, len(found))


@functools.cache
def words():
    """Those of English that have vectors."""
    with gzip.open(trained.word_vectors(trained.ENGLISH), "rt", encoding="utf-8") as file:
        return frozenset(line.partition(" ")[0] for line in file)
