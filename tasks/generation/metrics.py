"""How well a language model predicts a text. Perplexity is the number of choices it is torn between.

Log-probabilities are natural; every number is a Python float, ready for JSON. What a model deems
impossible costs infinitely much.
"""
import math

import numpy as np


def language(log_probability, tokens, characters, words=None, spelling=0.0):
    """The metrics of a text in one dictionary, from the log-probability of all of it.

    Args:  log_probability  Σ ln P of all tokens, each predicted once, in nats
           tokens           how many; the perplexity is one of these tokens
           characters       of the text that the tokens stand for
           words            of the same text, each end of a line being one; with them the perplexity of
                            sub-words can be compared with that of words
           spelling         −ln P of the spelling of unknown tokens, which only bits per character charge

    >>> scores = language(-6 * math.log(2), tokens=3, characters=12, words=2)
    >>> [round(value, 9) for value in scores.values()]
    [1.386294361, 4.0, 0.5, 8.0]
    """
    nats = -float(log_probability)
    scores = {"nats_per_token": nats / _some(tokens, "tokens"),
              "perplexity": perplexity_of(nats / tokens, math.e),
              "bits_per_character": bits_per_character(log_probability - spelling, characters)}
    if words is not None:
        scores["word_perplexity"] = perplexity_of(nats / _some(words, "words"), math.e)
    return scores


def perplexity(probabilities, base=2.0):
    """b^(−1/N · Σ_i log_b q(x_i)) from the probability that a model gave to each of N tokens.

    The geometric mean of 1/q, whatever the base.

    >>> perplexity([0.5, 0.125])
    4.0
    """
    probabilities = _probabilities(probabilities)
    return perplexity_of(cross_entropy(np.full(len(probabilities), 1 / len(probabilities)),
                                       probabilities, base), base)


def perplexity_of(cross_entropy, base=2.0):
    """b^H from a cross entropy to that base: bits for 2, nats for e.

    >>> perplexity_of(3.0), round(perplexity_of(math.log(8), math.e), 9)
    (8.0, 8.0)
    """
    try:
        return float(base) ** float(cross_entropy)
    except OverflowError:
        return math.inf


def cross_entropy(p, q, base=2.0):
    """H(p, q) = −Σ_x p(x) · log_b q(x), where p are the shares of the tokens in a text; 0·log 0 = 0.

    H(p, p) is the entropy of p, and its perplexity that of the distribution.

    >>> cross_entropy([0.5, 0.5, 0.0], [0.5, 0.25, 0.25])
    1.5
    """
    p, q = _probabilities(p), _probabilities(q)
    if p.shape != q.shape:
        raise ValueError(f"expected as many probabilities on both sides, received {len(p)} and {len(q)}")
    if not base > 1:
        raise ValueError(f"expected a base above 1, received {base}")
    with np.errstate(divide="ignore"):
        return float(-(p[p > 0] * np.log(q[p > 0])).sum() / math.log(base))


def bits_per_character(log_probability, characters):
    """−Σ ln P / (ln 2 · characters), comparable between models with any kind of tokens.

    >>> round(bits_per_character(math.log(0.25), 4), 9)
    0.5
    """
    return -float(log_probability) / _some(characters, "characters") / math.log(2)


def _some(count, of):
    if not count > 0:
        raise ValueError(f"expected some {of} to measure, received {count}")
    return count


def _probabilities(values):
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.all((values >= 0) & (values <= 1)):
        raise ValueError("expected probabilities [N] from 0 to 1, at least one, received "
                         f"{list(values.shape)} with {np.array2string(values, threshold=4)}")
    return values
