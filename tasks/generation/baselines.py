"""N-grams on the same symbols: what a language model has to beat."""

import numpy as np

from tasks.generation.dataset import FEW
from tasks.generation.ngrams import KneserNey

ORDERS = {"few": (5, 6, 7), "many": (3,)}     # of n-grams, for small alphabets and large vocabularies


def kneser_ney(train, validation, test):
    """{name: {split: log p of its every symbol}} by the order that is best on validation."""
    read = labelled if hasattr(train, "labels") else running
    orders = ORDERS["few" if train.vocabulary_size <= FEW else "many"]
    predictions = {order: read(order, train, validation) for order in orders}
    best = max(orders, key=lambda order: predictions[order].mean())
    found = {"validation": predictions[best], "test": read(best, train, test)}
    return {f"Kneser-Ney {best}-grams": found}


def running(order, train, held_out):
    """log p of a running text: [N]."""
    return KneserNey(order, train.vocabulary_size).fit(train.ids).log_probability(held_out.ids)


def labelled(order, train, held_out):
    """log p of texts with labels, a model a label, text by text: [N]. A label that training lacks has the
    model of all texts."""
    known, predictions = set(train.labels), [None] * len(held_out.ids)
    for label in np.unique(held_out.labels):
        model = KneserNey(order, train.vocabulary_size).fit(np.concatenate(
            [[train.end], *(ids for ids, one in zip(train.ids, train.labels)
                            if one == label or label not in known)]))
        for n in np.flatnonzero(held_out.labels == label):
            predictions[n] = model.log_probability(held_out.ids[n], history=[train.end])
    return np.concatenate(predictions)
