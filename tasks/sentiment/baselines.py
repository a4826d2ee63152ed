"""What a recurrent model has to beat: NLTK's naive Bayes, and guesses that read nothing.

Each learns from examples and predicts as a model would: with probabilities [N, C] in the
order of `labels`, or with predictions [N] for regression.
"""

import numpy as np

from tasks.naive_bayes import majority, multinomial_naive_bayes, naive_bayes


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


BASELINES = {
    "single": {"majority": majority, "naive Bayes (NLTK)": naive_bayes,
               "multinomial naive Bayes": multinomial_naive_bayes},
    "multi": {"majority": majority, "naive Bayes (NLTK)": naive_bayes_multi_label},
    "regression": {"mean": lambda train, texts, labels: mean(train, texts)},
}
