"""What a user would pick instead, each with its settings chosen on the validation split.

A rival is called with a corpus and with examples, and returns what it predicts for these: a label, a list
of labels, a number, or a list of tags each.

Source:  fastText, Joulin et al. 2017; CRFsuite, Okazaki 2007; features of words, Ratinov & Roth 2009
"""

import itertools
import os
import tempfile
import typing

import numpy as np

from benchmarks.differences import score
from tasks.sentiment import tfidf
from tasks.tagging.dataset import in_scheme
from tasks.tagging.metrics import quality

FASTTEXT = {"lr": 0.5, "dim": 100, "bucket": 500_000, "thread": 1, "verbose": 0}
EPOCHS, WORDS = (10, 50), (1, 2)        # of fastText; words of an n-gram
CRF = {"c1": 0.05, "max_iterations": 80, "feature.possible_transitions": True}
PENALTIES = 0.01, 0.1                   # c2 of CRFsuite
AFFIXES, NEIGHBOURS, SHAPE = (1, 2, 3, 4), (-2, -1, 1, 2), 8


class Found(typing.NamedTuple):
    """The predictions of a rival, and the settings that were chosen, in words."""

    predicted: list
    settings: str


def linear_svc(corpus, examples):
    """scikit-learn's LinearSVC over TF-IDF: see `tasks.sentiment.tfidf`."""
    flags, strength = tfidf.svm(corpus, texts_of(examples), corpus.labels)
    names = [[corpus.labels[n] for n in np.flatnonzero(row)] for row in flags]
    return Found(names if corpus.multi_label else [name for name, in names], f"C {strength}")


def ridge(corpus, examples):
    """scikit-learn's Ridge over TF-IDF."""
    numbers, strength = tfidf.ridge(corpus, texts_of(examples))
    return Found(numbers.tolist(), f"C {strength}")


def texts_of(examples):
    return [example.text for example in examples]


def fasttext(corpus, examples):
    """fastText; the number of epochs and the words of an n-gram are chosen."""
    import fasttext as library
    train, *others = (tfidf.cut(texts_of(some)) for some in (corpus.train, corpus.validation, examples))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "train.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"__label__{corpus.labels.index(example.label)} {text}\n"
                            for example, text in zip(corpus.train, train))

        def predictions(epochs, words):
            model = library.train_supervised(path, epoch=epochs, wordNgrams=words, **FASTTEXT)
            return [likeliest(model, texts, corpus.labels) for texts in others]

        grid = {f"{epochs} epochs, {words}-grams": (epochs, words)
                for epochs, words in itertools.product(EPOCHS, WORDS)}
        return best(grid, predictions, "accuracy", [example.label for example in corpus.validation])


def likeliest(model, texts, labels):
    """fastText's first label for each text; a text without words has the first of all labels."""
    found, _ = model.predict(texts)     # of one text it fails with NumPy 2
    return [labels[int(row[0].removeprefix("__label__")) if len(row) else 0] for row in found]


def best(grid, predictions, metric, labels):
    """The `Found` of {settings in words: arguments} whose predictions for validation score best."""
    found, highest = None, -np.inf
    for settings, arguments in grid.items():
        validation, wanted = predictions(*arguments)
        reached = score(metric, labels, validation)
        if reached > highest:
            found, highest = Found(wanted, settings), reached
    return found


def crfsuite(corpus, examples):
    """CRFsuite over `features`; its penalty c2 is chosen. Spans are marked as BIO."""
    import pycrfsuite
    tags = [in_scheme(sentence.tags, corpus.scheme and "BIO") for sentence in corpus.train]
    train, *others = ([[features(sentence.tokens, n) for n in range(len(sentence.tokens))]
                       for sentence in some] for some in (corpus.train, corpus.validation, examples))

    def predictions(penalty):
        trainer = pycrfsuite.Trainer(verbose=False)
        for x, y in zip(train, tags):
            trainer.append(x, y)
        trainer.set_params({**CRF, "c2": penalty})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            trainer.train(path)
            tagger = pycrfsuite.Tagger()
            tagger.open(path)
            return [[tagger.tag(x) for x in some] for some in others]

    labels = [in_scheme(sentence.tags, corpus.scheme and "BIO") for sentence in corpus.validation]
    return best({f"c2 {penalty}": (penalty,) for penalty in PENALTIES}, predictions,
                quality(corpus.scheme), labels)


def features(tokens, n):
    """The usual features of token n: itself, its affixes and shape, and its neighbours.

    >>> [name for name in features(["In", "Oslo"], 1) if name.startswith(("word", "-1", "shape"))]
    ['word=oslo', 'shape=Xxxx', '-1=in', '-1.shape=Xx', '-1.end=in']
    """
    token = tokens[n]
    found = [f"word={token.lower()}", f"as it is={token}", f"shape={shape(token)}"]
    found += [f"begin{size}={token[:size].lower()}" for size in AFFIXES]
    found += [f"end{size}={token[-size:].lower()}" for size in AFFIXES]
    for step in NEIGHBOURS:
        if 0 <= n + step < len(tokens):
            other = tokens[n + step]
            found += [f"{step}={other.lower()}", f"{step}.shape={shape(other)}",
                      f"{step}.end={other[-3:].lower()}"]
        else:
            found.append(f"{step} outside")
    pairs = [("before", n - 1, n), ("after", n, n + 1)]
    return found + [f"{name}={tokens[a].lower()} {tokens[b].lower()}" for name, a, b in pairs
                    if 0 <= a and b < len(tokens)]


def shape(token):
    """What the first characters of a token are.

    >>> shape("B-52s")
    'X-ddx'
    """
    return "".join("X" if letter.isupper() else "x" if letter.islower() else "d" if letter.isdigit()
                   else letter for letter in token[:SHAPE])


RIVALS = {"accuracy": {"LinearSVC": linear_svc, "fastText": fasttext},
          "micro_f1": {"one-vs-rest LinearSVC": linear_svc},
          "r_squared": {"ridge": ridge},
          "span_f1": {"CRFsuite": crfsuite}, "token_accuracy": {"CRFsuite": crfsuite}}
