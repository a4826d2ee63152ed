"""The settings that go with a corpus, chosen on its validation part. Any flag overrides one."""

SENTENCES = {
    "model": "nb_bilstm", "epochs": 6, "batch_size": 64, "learning_rate": 1e-3,
    "label_smoothing": 0.1, "weight_decay": 0.01, "average": 0.99, "patience": 3,
}

CLASSIFICATION = {
    "sentence_polarity": SENTENCES,
    "subjectivity": SENTENCES,
    "qc": {**SENTENCES, "model": "nb_bilstm_cnn", "epochs": 10, "learning_rate": 3e-3},
    "movie_reviews": {**SENTENCES, "window": 50, "batch_size": 16, "epochs": 4},
    # Without labels there is nothing to count, with many the tables of counts grow too large.
    "regression": {**SENTENCES, "model": "bilstm"},
    "many labels": {**SENTENCES, "model": "bilstm"},
    # Counts say nothing here: only the order of the words does.
    "sample": {**SENTENCES, "model": "bilstm", "epochs": 10, "learning_rate": 3e-3},
}


def recipe(table, corpus):
    """The settings for a corpus; for one that has none, those for sentences.

    >>> recipe(CLASSIFICATION, "reviews.csv")["model"]
    'nb_bilstm'
    """
    return table.get(corpus, SENTENCES)
