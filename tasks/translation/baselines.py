"""What a recurrent translator has to beat: word for word by IBM model 1, and the source itself.

Each learns from pairs of sentences and translates sentences.
"""
import dataclasses
import re

import numpy as np

IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
TOKEN = re.compile(rf"[{IDEOGRAPH}]|[^\W{IDEOGRAPH}]+(?:['’][^\W{IDEOGRAPH}]+)*|[^\w\s]")
SIGNS = "、。，！？：；"                  # that close, where ideographs are written
NULL = ""                             # the empty word, of which the words without an origin are made


@dataclasses.dataclass
class Lexicon:
    """The words of both sides; of every two that meet, [P], their places there and P(target | source)."""
    sources: list
    targets: list
    source: np.ndarray
    target: np.ndarray
    probability: np.ndarray

    def chance(self, source, target):
        """P(t | s) of two words; 0 where they never meet."""
        here = (self.source == self.sources.index(source)) & (self.target == self.targets.index(target))
        return float(self.probability[here].sum())


def copied(train, texts):
    """The sources as they are.

    >>> copied([], ["OK"])
    ['OK']
    """
    return list(texts)


def word_for_word(train, texts):
    """Every word is replaced by its most probable translation, at its place.

        argmax_t P(t | s), by `ibm_model_1`;  of equally probable words the first in the alphabet

    A word that training lacks stays as it is.

    >>> train = [("das Haus", "the house"), ("das Buch", "the book"), ("ein Buch", "a book")]
    >>> word_for_word(train, ["ein Haus!", "Buch"])
    ['a house!', 'book']

    Source:  Brown et al. 1993
    """
    words = best(ibm_model_1(train))
    return [joined([words.get(word, word) for word in tokens(text)]) for text in texts]


def best(lexicon):
    """{source word: its most probable translation}."""
    order = np.lexsort((lexicon.target, -lexicon.probability, lexicon.source))
    sources, first = np.unique(lexicon.source[order], return_index=True)
    return {lexicon.sources[s]: lexicon.targets[t]
            for s, t in zip(sources, lexicon.target[order][first]) if lexicon.sources[s] != NULL}


def ibm_model_1(train, iterations=5, most=20_000_000):
    """P(t | s): which words t a word s is translated into; expectation maximisation, from equal chances.

        P(t_j comes from s_i) = P(t_j | s_i) / Σ_i' P(t_j | s_i')        i = 0 is the empty word
        P(t | s) ∝ the sum of these over all t_j = t and s_i = s

    It knows no order, and every t_j comes from one s_i, or from nothing.

    Args:    train       pairs of sentences
             iterations  of the algorithm
             most        meetings of two words, as each of a source meets each of its target; about
                         80 bytes each. What training has beyond them is not read
    Returns: a `Lexicon` of the words that meet
    Source:  Brown et al. 1993, model 1

    >>> lexicon = ibm_model_1([("das Haus", "the house"), ("das Buch", "the book")], iterations=30)
    >>> round(lexicon.chance("Haus", "house"), 2), lexicon.chance("Haus", "book")
    (1.0, 0.0)
    """
    sources, targets = ([tokens(pair[side]) for pair in train] for side in (0, 1))
    sources = [[NULL, *words] for words in sources]
    meetings = np.cumsum([len(a) * len(b) for a, b in zip(sources, targets)])
    sources, targets = (side[:max(1, (meetings <= most).sum())] for side in (sources, targets))
    names = [sorted({word for words in side for word in words}) for side in (sources, targets)]
    keys, position = _meetings(*map(_numbered, (sources, targets), names))
    keys, meeting = np.unique(keys, return_inverse=True)
    source, target = keys >> 32, keys & 0xFFFFFFFF
    table = np.ones(len(keys))
    for _ in range(iterations):
        chance = table[meeting]
        share = chance / np.bincount(position, chance)[position]
        counts = np.bincount(meeting, share)
        table = counts / np.bincount(source, counts)[source]
    return Lexicon(*names, source, target, table)


def _numbered(sentences, names):
    number = {name: n for n, name in enumerate(names)}
    return [np.array([number[word] for word in words], np.int64) for words in sentences]


def _meetings(sources, targets):
    """For each meeting of two words in one pair: source · 2^32 + target, and which target word it is."""
    keys = [((source << 32) + target[:, None]).ravel() for source, target in zip(sources, targets)]
    position = np.repeat(np.arange(sum(map(len, targets))),
                         np.repeat([len(source) for source in sources], [len(t) for t in targets]))
    return np.concatenate(keys), position


def tokens(text):
    """Words, signs and ideographs.

    >>> tokens("Don't, 我爱!")
    ["Don't", ',', '我', '爱', '!']
    """
    return TOKEN.findall(text)


def joined(words):
    """Words as one writes them: no space before a closing sign, nor between ideographs.

    >>> joined(["Well", ",", "yes", "!"]), joined(["我", "爱", "你", "。"])
    ('Well, yes!', '我爱你。')
    """
    text = re.sub(rf" (?=[.,:;!?%)\]…’{SIGNS}])|(?<=[(\[¿¡]) ", "", " ".join(words))
    return re.sub(rf"(?<=[{IDEOGRAPH}{SIGNS}]) (?=[{IDEOGRAPH}])", "", text)
