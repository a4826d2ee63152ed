"""Do texts written from a label look as if they had it? A classifier that never saw them says."""

import numpy as np

from tasks.naive_bayes import multinomial_naive_bayes
from tasks.reading.splits import Example


def label_check(head, corpus, count=1000, length=40, seed=0):
    """Sample texts at temperature 1 and classify them.

    The classifier is a naive Bayes over the pieces of a text, 2 to 4 characters long with its ends
    marked. It learns from the texts of the train split that were not written again, so it has seen none
    of those that it judges.

    Returns: {"written": texts a label, "new": share that is not in the corpus, "distinct": share of
             different ones, "as_labelled": share classified as its label, "real_as_labelled": the same
             of the test split}
    """
    written = {label: sampled(head, label, count, length, seed) for label in head.labels}
    distinct = {text for texts in written.values() for text in texts}
    known = {example.text for dataset in (corpus.train, corpus.validation, corpus.test)
             for example in dataset}
    train = [Example(pieces(text), label) for text, label in corpus.train if text not in distinct]
    judged = [(text, label) for label, texts in written.items() for text in texts]
    return {"written": count, "new": float(np.mean([text not in known for text, _ in judged])),
            "distinct": len(distinct) / len(judged),
            "as_labelled": _agreement(train, judged, head.labels),
            "real_as_labelled": _agreement(train, corpus.test, head.labels)}


def sampled(head, label, count, length, seed):
    """`count` texts from a label, by numbers that follow from the seed."""
    uniform = np.random.default_rng([seed, head.labels.index(label)]).random([count, length], np.float32)
    written = head.generate(np.full(count, ""), uniform, np.full(count, label), temperature=1.0)
    return [text.decode("utf-8", "replace") for text in written["text"].numpy()]


def pieces(text):
    """The pieces of a text as words, which a classifier of words can count.

    >>> pieces("Al")
    '_a _al _al_ al al_ l_'
    """
    marked = f"_{text.lower()}_".replace(" ", "_")
    return " ".join(sorted({marked[n:n + size] for size in (2, 3, 4)
                            for n in range(len(marked) - size + 1)}))


def _agreement(train, examples, labels):
    texts = [pieces(text) for text, _ in examples]
    predictions = multinomial_naive_bayes(train, texts, labels).argmax(1)
    return float(np.mean([labels[n] == label for n, (_, label) in zip(predictions, examples)]))
