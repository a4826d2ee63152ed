"""The named configurations of the zoo, each with its source. A flag can override any field."""

import dataclasses

# A bidirectional LSTM that reads naive Bayes's ratios and corrects their sum: Wang & Manning 2012,
# Cheng et al. 2016 (wide and deep). For corpora of some thousand texts, where words alone tell much.
NB_BILSTM = {"cell": "lstm", "bidirectional": True, "pooling": "max+attention", "naive_bayes": True,
             "units": 64, "embedding": 64, "word_dropout": 0.3, "embedding_dropout": 0.5,
             "output_dropout": 0.5}
# An ensemble of three of these (Hansen & Salamon 1990), each with a wider embedding and the best match of
# learnt n-grams beside the pooled states: Kim 2014. Where a phrase decides.
NB_BILSTM_CNN = {**NB_BILSTM, "embedding": 128, "embedding_range": 0.25, "filters": 100, "ensemble": 3,
                 "word_dropout": 0.1}
CLASSIFIERS = {
    "nb_bilstm": NB_BILSTM,
    "nb_bilstm_cnn": NB_BILSTM_CNN,
    # Both beside a linear model of n-grams, which is added when they have learnt: they err elsewhere.
    "nb_linear_bilstm": {**NB_BILSTM, "ngrams": 1 << 16, "corrects": False},
    "nb_linear_bilstm_cnn": {**NB_BILSTM_CNN, "ngrams": 1 << 16, "corrects": False},
    # A support vector machine over the n-grams of words and characters: Wang & Manning 2012.
    "linear": {"layers": 0, "ngrams": 1 << 16},
    # A bidirectional LSTM that corrects it: Cheng et al. 2016.
    "linear_bilstm": {"cell": "lstm", "bidirectional": True, "pooling": "max+attention",
                      "ngrams": 1 << 16, "units": 64, "embedding": 64, "word_dropout": 0.3,
                      "embedding_dropout": 0.5, "output_dropout": 0.5},
    # Graves 2012; mean and max pooling, Conneau et al. 2017.
    "bilstm": {"cell": "lstm", "bidirectional": True, "pooling": "mean+max"},
    # Cho et al. 2014.
    "bigru": {"cell": "gru", "bidirectional": True, "pooling": "mean+max"},
    # Schuster & Paliwal 1997; Elman 1990.
    "birnn": {"cell": "simple", "bidirectional": True, "pooling": "mean+max"},
    # The last state alone, N→1: Sutskever et al. 2014 call it the thought vector.
    "lstm": {"cell": "lstm", "bidirectional": False, "pooling": "last"},
    "gru": {"cell": "gru", "bidirectional": False, "pooling": "last"},
    "rnn": {"cell": "simple", "bidirectional": False, "pooling": "last"},
    # Attention over the words: Yang et al. 2016.
    "attention": {"cell": "gru", "bidirectional": True, "pooling": "attention"},
}

# A BiLSTM over words and what a CNN makes of their characters, under a CRF: Ma & Hovy 2016.
CHAR_CRF = {"cell": "lstm", "bidirectional": True, "crf": True, "characters": "cnn",
            "embedding_dropout": 0.5, "output_dropout": 0.5, "word_dropout": 0.05}
# The linear chain over features of words around a token: Lafferty et al. 2001, Ratnaparkhi 1996.
FEATURES = {"crf": True, "features": 1 << 16, "feature_rank": 32, "feature_dropout": 0.2}
TAGGERS = {
    "crf": {**FEATURES, "layers": 0},
    # The same beside a network, whose scores are added to its own: Cheng et al. 2016.
    "wide_bilstm_char_crf": {**CHAR_CRF, **FEATURES, "feature_dropout": 0.4},
    "wide_bilstm_crf": {**CHAR_CRF, **FEATURES, "feature_dropout": 0.4, "characters": None},
    "bilstm_char_crf": CHAR_CRF,
    # The same with an LSTM over the characters: Lample et al. 2016.
    "bilstm_charlstm_crf": {**CHAR_CRF, "characters": "lstm"},
    # Its twin whose tags do not see each other.
    "bilstm_char": {**CHAR_CRF, "crf": False},
    # Huang et al. 2015, with their spelling features.
    "bilstm_crf": {"cell": "lstm", "bidirectional": True, "crf": True, "shapes": True},
    # Graves & Schmidhuber 2005; a softmax a token.
    "bilstm": {"cell": "lstm", "bidirectional": True},
    # Cho et al. 2014.
    "bigru": {"cell": "gru", "bidirectional": True},
    # Schuster & Paliwal 1997; Elman 1990.
    "birnn": {"cell": "simple", "bidirectional": True},
    # Read in one direction they predict before the sentence has ended.
    "lstm": {"cell": "lstm", "bidirectional": False},
    "rnn": {"cell": "simple", "bidirectional": False},
    # Recurrence only from the output to the hidden layer: Jordan 1986.
    "output_rnn": {"layers": 0, "feedback": True, "shapes": True},
}

# One layer that spells: Karpathy 2015, with the dropout of Zaremba et al. 2014 and DropConnect.
CHARACTERS = {"cell": "lstm", "units": 512, "embedding": 64, "embedding_dropout": 0.1,
              "output_dropout": 0.4, "weight_drop": 0.3}
GENERATORS = {
    "char_rnn": CHARACTERS,
    "char_gru": {**CHARACTERS, "cell": "gru"},
    # Elman 1990; Mikolov et al. 2010.
    "char_simple": {**CHARACTERS, "cell": "simple"},
    # Zaremba et al. 2014, small and medium.
    "lstm_lm_small": {"cell": "lstm", "units": 200, "layers": 2, "embedding": 200},
    "lstm_lm_medium": {"cell": "lstm", "units": 650, "layers": 2, "embedding": 650,
                       "embedding_dropout": 0.5, "layer_dropout": 0.5, "output_dropout": 0.5},
    # The same with one matrix for reading and predicting: Press & Wolf 2017.
    "lstm_lm_tied": {"cell": "lstm", "units": 650, "layers": 2, "embedding": 400, "tied": True,
                     "word_dropout": 0.1, "embedding_dropout": 0.4, "layer_dropout": 0.3,
                     "output_dropout": 0.4, "weight_drop": 0.4},
    # Merity et al. 2018.
    "awd_lstm": {"cell": "lstm", "units": 1150, "layers": 3, "embedding": 400, "tied": True,
                 "word_dropout": 0.1, "embedding_dropout": 0.65, "layer_dropout": 0.2,
                 "output_dropout": 0.4, "weight_drop": 0.5, "activation_penalty": 2.0,
                 "temporal_penalty": 1.0},
    # A text from a label, whose vector is read at every step: Cho et al. 2014, Karpathy & Li 2015.
    "conditional": {"cell": "lstm", "units": 128, "embedding": 32, "vector": "every",
                    "output_dropout": 0.2},
}

LUONG = {"attention": "general", "feeds": "nothing", "cell": "lstm", "units": 512, "embedding": 256,
         "tied": True, "embedding_dropout": 0.3, "layer_dropout": 0.3, "output_dropout": 0.3,
         "label_smoothing": 0.1}
VECTOR = {**LUONG, "attention": "none", "bidirectional": False}
TRANSLATORS = {
    # Luong et al. 2015, general attention over a source that is read both ways. What attention sees is
    # not fed back: all steps are trained at once. Tied: Press & Wolf 2017; smooth: Szegedy et al. 2016.
    "lstm_luong": LUONG,
    "gru_luong": {**LUONG, "cell": "gru"},
    # The other scores of Luong et al. 2015; what was seen is fed into the next step.
    "lstm_luong_dot": {**LUONG, "attention": "dot"},
    "lstm_luong_concat": {**LUONG, "attention": "concat"},
    "lstm_luong_feeding": {**LUONG, "feeds": "output"},
    # Bahdanau et al. 2015; the same that sees where it has looked, Tu et al. 2016.
    "gru_bahdanau": {**LUONG, "cell": "gru", "attention": "additive", "feeds": "context"},
    "gru_bahdanau_coverage": {**LUONG, "cell": "gru", "attention": "additive", "feeds": "context",
                              "coverage": True},
    # One vector for the whole source: Sutskever et al. 2014, and Cho et al. 2014, who read it at every
    # step. `context` and `vector` make the other combinations.
    "seq2seq": {**VECTOR, "context": "last", "vector": "first"},
    "seq2seq_every": {**VECTOR, "cell": "gru", "context": "transformed", "vector": "every"},
    # Deep and residual: Wu et al. 2016.
    "lstm_deep": {**LUONG, "layers": 3, "residual": True},
}


def configuration(table, name, overrides):
    """The fields of configuration `name` with those of `overrides` that are not None.

    Raises:  ValueError: an unknown name

    >>> configuration(CLASSIFIERS, "lstm", {"pooling": "max", "cell": None})["pooling"]
    'max'
    """
    if name not in table:
        raise ValueError(f"expected a model among {', '.join(table)}, received {name!r}")
    return {**table[name], **{key: value for key, value in overrides.items() if value is not None}}


def nearest(table, options):
    """The name of the configuration that is most like the options of a network: in which parts it has,
    then in their sizes. Its fields can be overridden by the options, whose None leaves one as it is.

    >>> from zoo.models.options import ClassifierOptions
    >>> nearest(CLASSIFIERS, ClassifierOptions(cell="gru", pooling="last", bidirectional=False, units=9))
    'gru'
    """
    def differences(name):
        ours, theirs = (dataclasses.astuple(one) for one in (type(options)(**table[name]), options))
        parts = sum(bool(a) != bool(b) for a, b in zip(ours, theirs))
        lost = sum(a is not None and b is None for a, b in zip(ours, theirs))
        return lost, parts, sum(a != b for a, b in zip(ours, theirs))
    return min(table, key=differences)
