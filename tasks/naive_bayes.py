"""Baselines of labels: the most frequent one, and naive Bayes, counted by NLTK, which also judges
generated texts."""

import collections
import re

import numpy as np

PAIRS = 1_000_000       # of a label and a word that NLTK's classifier holds, about 700 bytes each


def majority(train, texts, labels):
    """The labels' frequencies in training, whatever the text; its first choice is the majority.

    >>> majority([("x", "a"), ("y", "a"), ("z", "b"), ("w", "a")], ["?"], ["a", "b"]).tolist()
    [[0.75, 0.25]]
    """
    count = collections.Counter(label for _, given in train
                                for label in (given if isinstance(given, tuple) else (given,)))
    frequencies = np.array([count[label] for label in labels]) / len(train)
    return np.tile(frequencies, (len(texts), 1))


def naive_bayes(train, texts, labels):
    """P(label | the words present), by nltk.NaiveBayesClassifier.

        P(c | words) ∝ P(c) · Π P(word is in a text | c),   each P being (n + ½) / (N + 1)

    Words never seen in training are left out, and the rare ones of more than `PAIRS` pairs. Absent words
    do not count, so this leans towards classes of long texts; `multinomial_naive_bayes` does not.

    >>> train = [("a fine film", "good"), ("a dull film", "bad")]
    >>> naive_bayes(train, ["fine"], ["bad", "good"]).round(2).tolist()
    [[0.25, 0.75]]

    Source:  Bird, Klein and Loper 2009, Natural Language Processing with Python, chapter 6
    """
    from nltk.classify import NaiveBayesClassifier
    counts = collections.Counter(word for text, _ in train for word in sorted(words(text)))
    kept = {word for word, _ in counts.most_common(PAIRS // len({label for _, label in train}))}

    def present(text):
        return dict.fromkeys(words(text) & kept, True)

    classifier = NaiveBayesClassifier.train([(present(text), label) for text, label in train])
    predictions = [classifier.prob_classify(present(text)) for text in texts]
    return np.array([[one.prob(label) for label in labels] for one in predictions])


def multinomial_naive_bayes(train, texts, labels):
    """P(label | words), a text being drawn word by word; counted and smoothed by NLTK.

        P(c | words) ∝ P(c) · Π P(word | c),   P(word | c) = (n + 1) / (words of c + vocabulary)

    >>> train = [("a fine film", "good"), ("a dull film", "bad")]
    >>> multinomial_naive_bayes(train, ["fine"], ["bad", "good"]).round(3).tolist()
    [[0.333, 0.667]]

    Source:  McCallum and Nigam 1998; each word counted once a text, Wang and Manning 2012
    """
    from nltk.probability import ConditionalFreqDist, FreqDist, LaplaceProbDist, MLEProbDist
    counts = ConditionalFreqDist((label, word) for text, label in train for word in words(text))
    vocabulary = set().union(*counts.values())
    prior = MLEProbDist(FreqDist(label for _, label in train))
    likelihood = {label: LaplaceProbDist(counts[label], len(vocabulary)) for label in labels}
    return np.array([_normalised([
        prior.logprob(label) + sum(likelihood[label].logprob(word) for word in known)
        for label in labels]) for known in (words(text) & vocabulary for text in texts)])


def _normalised(log2_scores):
    odds = np.exp2(np.array(log2_scores) - max(log2_scores))
    return odds / odds.sum()


def words(text):
    """The set of words and signs present, in lower case.

    >>> sorted(words("Don't panic, don't!"))
    ['!', ',', "don't", 'panic']
    """
    return set(re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text.lower()))
