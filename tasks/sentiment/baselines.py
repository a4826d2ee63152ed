"""What a recurrent model has to beat: TF-IDF under a linear model, NLTK's naive Bayes, and guesses that
read nothing.

Each learns from examples and predicts as a model would: with probabilities [N, C] in the
order of `labels`, or with predictions [N] for regression. `BASELINES` learn from a corpus.
"""

import numpy as np

from tasks.naive_bayes import majority, multinomial_naive_bayes, naive_bayes
from tasks.sentiment import tfidf


def naive_bayes_multi_label(train, texts, labels):
    """One naive Bayes a label: does it apply or not? The label of each example is a tuple."""
    columns = [naive_bayes([(text, label in given) for text, given in train], texts, [True])
               for label in labels]
    return np.hstack(columns)


def mean(train, texts):
    """The mean target of the training split, whatever the text.

    >>> mean([("x", 1.0), ("y", 4.0)], ["?"]).tolist()
    [2.5]
    """
    return np.full(len(texts), np.mean([target for _, target in train]))


def of_training(baseline):
    """A baseline of examples as one of a corpus."""
    return lambda corpus, texts, labels: baseline(corpus.train, texts, labels)


def tfidf_svm(corpus, texts, labels):
    """Flags [N, C]: see `tasks.sentiment.tfidf`."""
    return tfidf.svm(corpus, texts, labels).predictions


BASELINES = {
    "single": {"majority": of_training(majority), "naive Bayes (NLTK)": of_training(naive_bayes),
               "multinomial naive Bayes": of_training(multinomial_naive_bayes),
               "TF-IDF, linear SVM": tfidf_svm},
    "multi": {"majority": of_training(majority),
              "naive Bayes (NLTK)": of_training(naive_bayes_multi_label),
              "TF-IDF, linear SVM": tfidf_svm},
    "regression": {"mean": lambda corpus, texts, labels: mean(corpus.train, texts),
                   "TF-IDF, ridge": lambda corpus, texts, labels: tfidf.ridge(corpus, texts).predictions},
}
