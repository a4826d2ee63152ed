"""The settings that go with a corpus, chosen on validation splits. Any flag overrides one."""

import numpy as np

NAMED = {"sample"}      # corpora with a recipe of their own, where the others are of kinds of corpora

SENTENCES = {
    "model": "nb_linear_bilstm", "epochs": 10, "batch_size": 64, "learning_rate": 1e-3,
    "label_smoothing": 0.1, "weight_decay": 0.01, "average": 0.99, "patience": 3, "max_length": 1024,
}
CORRECTED = {**SENTENCES, "model": "linear_bilstm"}

# Word vectors tell more of a word than some thousand texts do: a small embedding beside them.
VECTORS = {
    **SENTENCES, "model": "linear_bilstm", "corrects": False, "ensemble": 3, "embedding": 16,
    "embedding_dropout": 0.3, "word_dropout": 0.3, "learning_rate": 3e-3,
}

# Those of a kind of corpus; epochs are for `TEXTS` texts, see `epochs`.
CLASSIFICATION = {
    # Log-count ratios, n-grams and a network that learns beside them err at different texts.
    "default": SENTENCES,
    "few texts": {**SENTENCES, "batch_size": 16},
    # Most of what a document says is said in its n-grams; the network reads pieces of it side by side.
    "long texts": {**SENTENCES, "window": 50, "batch_size": 16, "epochs": 2.5, "max_length": 4096},
    # Few texts a label: n-grams tell most of them apart, and the tables of ratios grow too large.
    "many labels": {**SENTENCES, "model": "linear_bilstm", "corrects": False, "epochs": 16,
                    "learning_rate": 3e-3},
    # A number cannot be learnt twice and added: the network learns what n-grams miss.
    "regression": CORRECTED,
    "several labels": CORRECTED,
    "vectors": VECTORS,
    "vectors, several labels": VECTORS,
    "vectors, few texts": {**VECTORS, "batch_size": 16},
    "vectors, long texts": {**VECTORS, "ensemble": 1, "window": 50, "batch_size": 16, "epochs": 6,
                            "max_length": 4096},
    "vectors, regression": {**VECTORS, "corrects": True},
    # Of some labels words and their pairs tell more, and what phrases match.
    "vectors, more than two labels": {**SENTENCES, "model": "nb_bilstm_cnn", "embedding": 64,
                                      "epochs": 12, "learning_rate": 3e-3, "patience": 4},
    # Counts say nothing here: only the order of the words does.
    "sample": {**SENTENCES, "model": "bilstm", "epochs": 10, "learning_rate": 3e-3},
}
# Of shards: what learns by steps alone, and sees everything a few times.
STREAMED = {"sentiment": {"model": "bilstm", "epochs": 3}, "tagging": {"epochs": 3},
            "translation": {"epochs": 3}}
TEXTS, FEWEST_EPOCHS, MOST_EPOCHS = 5000, 3, 30


def epochs(settings, texts):
    """A recipe's number of epochs for some number of texts: more of few, and fewer of many.

        E·√(5000 / N), between 3 and 30

    >>> [epochs({"epochs": 10}, texts) for texts in (400, 5000, 40000)]
    [30, 10, 4]
    """
    wanted = round(settings["epochs"] * (TEXTS / max(texts, 1)) ** 0.5)
    return int(np.clip(wanted, FEWEST_EPOCHS, MOST_EPOCHS))


SPANS = {
    "model": "wide_bilstm_char_crf", "units": 200, "recurrent_dropout": 0.2, "epochs": 18,
    "batch_size": 16, "learning_rate": 2e-3, "weight_decay": 0.0, "average": 0.999, "patience": 6,
    "model_scheme": "BIOES", "tokenizer": "word", "min_count": 1,
}

# Less is left to learn of a word, and nothing of one that training has once, which teaches the unknown.
BESIDE_VECTORS = {"embedding": 50, "min_count": 2, "rare_dropout": 0.0}

# A network soon learns names by heart.
FEW_SPANS = {**SPANS, "units": 128, "rare_dropout": 0.3, "average": 0.99, "epochs": 12}
FEW_SENTENCES = 4000        # fewer are few
OF_REQUESTS = {"features": 30000, "feature_rank": 16, "patience": 0}
TAGGING = {
    "default": {**SPANS, "rare_dropout": 0.5},
    "few spans": FEW_SPANS,
    "plain tags": {**SPANS, "epochs": 10},
    # Requests have few words: fewer buckets keep the file small beside the n-grams of intents.
    "intents": {**SPANS, **OF_REQUESTS, "rare_dropout": 0.5, "epochs": 15},
    "few intents": {**FEW_SPANS, **OF_REQUESTS},
    # One character is a token: it has no characters to look at.
    "characters": {**SPANS, "model": "wide_bilstm_crf", "units": 128, "tokenizer": "character",
                   "epochs": 12},
    # The grammar has no more to tell than a small network learns.
    "sample": {**SPANS, "units": 64, "embedding": 64, "epochs": 8, "batch_size": 32,
               "learning_rate": 5e-3, "average": 0.99},
}

RUNNING = {
    "model": "char_rnn", "level": "character", "epochs": 30, "batch_size": 32, "window": 128,
    "varied": True, "learning_rate": 3e-3, "weight_decay": 0.0, "average": 0.999, "patience": 0,
}

GENERATION = {
    "default": RUNNING,
    "sample": {**RUNNING, "units": 256, "weight_drop": 0.0, "output_dropout": 0.2, "epochs": 4,
               "batch_size": 16, "window": 64, "learning_rate": 5e-3, "average": 0.99},
    "shakespeare": {**RUNNING, "epochs": 12},
    "with labels": {**RUNNING, "model": "conditional", "batch_size": 64, "epochs": 40},
    # What an hour and a half on two cores allows: frequent words first, in clusters that cost little.
    "wikitext2": {**RUNNING, "model": "lstm_lm_tied", "level": "separated", "units": 400,
                  "embedding": 300, "cutoffs": [1000, 4000, 12000], "word_dropout": 0.0,
                  "embedding_dropout": 0.4, "layer_dropout": 0.4, "output_dropout": 0.4,
                  "weight_drop": 0.4, "epochs": 13, "window": 70, "batch_size": 20,
                  "learning_rate": 2e-3},
}

PAIRS = {
    "model": "lstm_luong", "units": 256, "vocabulary_size": 6000, "epochs": 10, "batch_size": 64,
    "learning_rate": 2e-3, "weight_decay": 0.0, "average": 0.999, "patience": 0,
}

TRANSLATION = {
    "default": PAIRS,
    # All words of the target are known, so that one that does not exist cannot be made of pieces.
    "sample": {**PAIRS, "units": 128, "embedding": 64, "layer_dropout": 0.1, "output_dropout": 0.1,
               "embedding_dropout": 0.1, "target_level": "word", "epochs": 40, "batch_size": 32,
               "learning_rate": 5e-3, "average": 0.99},
}

# What --tune_minutes compares with the recipe, the likeliest first, then, where there are word vectors,
# "…, vectors"; an option that is given stays.
CANDIDATES = {
    "sentiment": [
        {"model": "linear"},
        {"model": "linear_bilstm"},
        {"model": "linear_bilstm", "corrects": False, "epochs": 12, "learning_rate": 3e-3},
        {"model": "nb_bilstm"},
        {"model": "nb_bilstm_cnn", "epochs": 10, "learning_rate": 3e-3},
        {"model": "bilstm", "pooling": "max+attention", "embedding_dropout": 0.3, "output_dropout": 0.5,
         "epochs": 12, "learning_rate": 3e-3},
        {"ensemble": 3},
        {"epochs": 12, "learning_rate": 3e-3, "batch_size": 16, "patience": 0},
        {"learning_rate": 3e-3},
        {"units": 128},
        {"embedding_dropout": 0.2, "output_dropout": 0.3},
        {"filters": 100},
    ],
    "sentiment, vectors": [{"vectors": "none"}, {"vectors_as": "tuned"}, {"vectors_as": "projected"},
                           {"ensemble": 1}],
    "tagging": [
        {"learning_rate": 5e-3}, {"learning_rate": 1e-3}, {"batch_size": 8}, {"units": 100},
        {"affixes": 50, "shapes": True, "rare_dropout": 0.5}, {"model": "bilstm_charlstm_crf"},
        {"embedding_dropout": 0.3, "output_dropout": 0.3}, {"epochs": 30}, {"batch_size": 32},
    ],
    "tagging, vectors": [{"vectors": "none"}, {"vectors_as": "tuned"}, {"vectors_as": "projected"}],
    "generation": [
        {"learning_rate": 5e-3}, {"learning_rate": 1e-3}, {"units": 256}, {"output_dropout": 0.2},
        {"weight_drop": 0.0}, {"output_dropout": 0.5, "weight_drop": 0.5}, {"batch_size": 16},
        {"layers": 2}, {"units": 768},
    ],
    "translation": [
        {"learning_rate": 5e-3}, {"learning_rate": 1e-3}, {"units": 128},
        {"embedding_dropout": 0.1, "layer_dropout": 0.1, "output_dropout": 0.1}, {"model": "gru_luong"},
        {"embedding_dropout": 0.4, "layer_dropout": 0.4, "output_dropout": 0.4}, {"units": 512},
        {"batch_size": 32}, {"model": "lstm_luong_feeding"},
    ],
}


def recipe(table, corpus, default="default"):
    """The settings for a corpus; for one that has none, those of `default`.

    >>> recipe(CLASSIFICATION, "reviews.csv")["model"]
    'nb_linear_bilstm'
    """
    return table.get(corpus, table[default])
