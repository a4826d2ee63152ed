"""What a user would try first: scikit-learn's TF-IDF of words and characters under a linear model.

    x = [TF-IDF of words and pairs of words; TF-IDF of 2 to 5 characters of a word between two spaces]
    TF-IDF = (1 + log n)·idf, each kind divided by its length

Labels: support vector machines, each label against the rest. Numbers: ridge regression. Both are
regularised by C, of which the best on the validation split is taken. A support vector machine has no
probabilities: it predicts flags, of which `tasks.sentiment.metrics` measures what can be measured.

Source:  Joachims 1998; Rifkin & Klautau 2004 (a label against the rest)
"""

import typing
import warnings

import numpy as np
import tensorflow as tf
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from tasks.sentiment import metrics
from zoo.text.tokenizer import Text
from zoo.text.vocabulary import RESERVED

STRENGTHS = 0.1, 0.3, 1.0, 3.0      # C, tried in this order for as long as validation does not fall
TOLERANCE = 0.01                    # of the solver: it predicts as with 0.0001, in half the time
MOST = 16_000_000                   # characters of training that are read: about a minute
COST = 100_000_000                  # the same times the labels, of each of which a machine is learnt
WORDS = {"lowercase": False, "token_pattern": r"\S+"}
CHARACTERS = {"lowercase": False, "analyzer": "char_wb", "ngram_range": (2, 5)}


class Best(typing.NamedTuple):
    """The predictions of the model whose C is best on validation, and that C."""

    predictions: np.ndarray
    strength: float


def svm(corpus, texts, labels):
    """Which labels the texts have, flags [N, C]: one each, unless the corpus has several a text."""
    if corpus.multi_label:
        found = best(corpus, texts, support_vectors, lambda examples: flags(examples, labels),
                     lambda truth, found: metrics.multi_label(truth, found.reshape(truth.shape) > 0)[
                         "micro_f1"])
        return found._replace(predictions=found.predictions.reshape(-1, len(labels)))
    found, strength = best(corpus, texts, support_vectors, targets,
                           lambda truth, found: np.mean(truth == found))
    return Best(found[:, None] == np.array(labels), strength)


def ridge(corpus, texts):
    """The texts' numbers [N]."""
    return best(corpus, texts, lambda strength: Ridge(1 / strength), targets,
                lambda truth, found: metrics.regression(truth, found)["r_squared"])


def support_vectors(strength):
    return OneVsRestClassifier(LinearSVC(C=strength, tol=TOLERANCE, random_state=0))


def targets(examples):
    """The label, or the number, of each example: [N]."""
    return np.array([example.label for example in examples])


def flags(examples, labels):
    """Which of the labels each example has: [N, C] bool."""
    return np.array([[label in example.label for label in labels] for example in examples])


def best(corpus, texts, model, targets, score):
    """The `Best` of model(C), where score(targets, predictions) of validation is highest."""
    most = min(MOST, COST // max(1, len(corpus.labels)))
    train, validation = spaced(corpus.train, most), corpus.validation
    x, held_out, wanted = features(*([example.text for example in some] for some in (train, validation)),
                                   texts)
    highest, found = -np.inf, None
    for strength in STRENGTHS:
        with warnings.catch_warnings():     # of labels that all or none have, and of no convergence
            warnings.simplefilter("ignore")
            fitted = model(strength).fit(x, targets(train))
        quality = score(targets(validation), fitted.predict(held_out))
        if quality > highest:
            highest, found = quality, Best(fitted.predict(wanted), strength)
        elif quality < highest:
            break
    return found


def spaced(examples, most):
    """All examples, or every second, every third … so that they have about so many characters.

    >>> from tasks.reading.splits import Example
    >>> [example.text for example in spaced([Example(text, "a") for text in ("ab", "cd", "ef")], 4)]
    note: the baseline TF-IDF learns from 1 in 2 texts
    ['ab', 'ef']
    """
    step = -(-sum(len(example.text) for example in examples) // most)
    if step > 1:
        print(f"note: the baseline TF-IDF learns from 1 in {step} texts")
    return examples[::max(1, step)]


def features(train, *others):
    """TF-IDF [N, V] of the texts of training and of others: sparse matrices."""
    texts = [cut(some) for some in (train, *others)]
    kinds = [weighed(counts) for counts in (words_and_pairs(texts), characters(texts))]
    return [hstack(halves, "csr") for halves in zip(*kinds)]


def cut(texts, size=1024):
    """Texts with a space between two words, in lower case, as the project cuts them.

    >>> cut(["It's 好的!"])
    ["it's 好 的 !"]
    """
    text, some = Text(list(RESERVED)), (texts[n:n + size] for n in range(0, len(texts), size))
    joined = [tf.strings.reduce_join(text.tokens(part), 1, separator=" ").numpy() for part in some]
    return [one.decode() for part in joined for one in part]


def words_and_pairs(texts):
    """Counts [N, V] of those of training, a matrix for each list of texts, of which it is the first."""
    counter = CountVectorizer(ngram_range=(1, 2), **WORDS).fit(texts[0])
    return [counter.transform(some) for some in texts]


def characters(texts):
    """Counts of the n-grams that two texts of training have, as `words_and_pairs`.

    They are those of each word, times how often a text has it: a fraction of the time of reading all.
    """
    words = CountVectorizer(**WORDS).fit([text for some in texts for text in some])
    grams = CountVectorizer(**CHARACTERS).fit_transform(words.get_feature_names_out())
    counts = [(words.transform(some) @ grams).tocsc() for some in texts]
    has = counts[0].getnnz(0)
    return [one[:, has >= min(2, has.max())] for one in counts]


def weighed(counts):
    """Counts [N, V] → TF-IDF [N, V], with the idf of the first matrix."""
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts[0])
    return [tfidf.transform(one) for one in counts]
