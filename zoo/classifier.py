"""Sequence classification (N→1): one answer for a text of any length."""

import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from zoo import pooling as pool
from zoo.bidirectional import Bidirectional
from zoo.gru import GRU
from zoo.lstm import LSTM
from zoo.naive_bayes import LogCountRatios
from zoo.simple_rnn import SimpleRNN
from zoo.stack import Stack
from zoo.text import Text

CELLS = {"simple": SimpleRNN, "gru": GRU, "lstm": LSTM}
POOLINGS = ("last", "mean", "max", "attention")
UNKNOWN = 1


@keras.saving.register_keras_serializable("zoo")
class Classifier(keras.Model):
    """Word ids to logits: embedding, recurrent layers, pooling, one linear layer.

        x_t = E[w_t]        h = recurrent(x)        y = pool(h)        logits = y·V + c

    With `naive_bayes` the network also reads the log-count ratios r of words and pairs of words, and
    corrects their sum (see `zoo.naive_bayes`):

        x_t = [E[w_t]; r(w_t); r(w_{t-1} w_t)]        logits = y·V + c + (a·Σ r(w) + b·Σ r(w w')) / √T

    With `filters` the pooled vector also holds the best match of learnt n-grams of words (see
    `zoo.pooling.ConvolutionPooling`). With `members` several such networks, each from its own start, read
    the text and share the ratios; the answer is the mean of their logits.

    Args:    vocabulary_size     rows of the embedding; id 0 is padding, 1 unknown
             outputs             width of the logits
             cell                "simple", "gru" or "lstm"
             units, layers       width of a layer (of one direction), how many
             bidirectional       read both ways
             pooling             "last", or "mean", "max", "attention" or several, as in "mean+max"
             embedding           width of the embedding
             embedding_range     a new embedding is uniform in ± this
             filters             learnt n-grams of each width, 2, 3 and 4; 0 for none
             word_dropout        rate at which a word is read as unknown while training
             embedding_dropout   rate at which a coordinate is dropped from all words of a text
             output_dropout      rate before the linear layer
             naive_bayes         read and correct log-count ratios
             window              None, or the length of the pieces of a long text that are read side by
                                 side; the pooling is over all of them
             engine              see `zoo.engines`
             members             how many networks answer together
             ratios              the table that members share, else a new one
    Call:    ids [B, T] int32 → logits [B, outputs]; in training also (ids, ratios [B, T, 2, outputs])
             → [members, B, outputs] while training several, so that each learns by its own loss
    Raises:  ValueError: an unknown cell or pooling
    Source:  Graves 2012 (bidirectional LSTM); Conneau et al. 2017 (max pooling); Yang et al. 2016
             (attention); Iyyer et al. 2015 (word dropout); Gal & Ghahramani 2016 (one mask a text);
             Kim 2014 (n-grams); Hansen & Salamon 1990 (several networks)

    >>> network = Classifier(vocabulary_size=10, outputs=2, cell="gru", units=4, embedding=3)
    >>> tuple(network(tf.constant([[2, 3, 0], [4, 5, 6]])).shape)
    (2, 2)
    """

    def __init__(self, vocabulary_size, outputs, cell="lstm", units=64, layers=1,
                 bidirectional=True, pooling="mean+max", embedding=64, word_dropout=0.0,
                 embedding_dropout=0.0, output_dropout=0.0, naive_bayes=False, window=None,
                 engine="auto", embedding_range=0.05, filters=0, members=1, ratios=None, **kwargs):
        super().__init__(**kwargs)
        self.options = {
            "vocabulary_size": vocabulary_size, "outputs": outputs, "cell": cell, "units": units,
            "layers": layers, "bidirectional": bidirectional, "pooling": pooling,
            "embedding": embedding, "word_dropout": word_dropout,
            "embedding_dropout": embedding_dropout, "output_dropout": output_dropout,
            "naive_bayes": naive_bayes, "window": window, "engine": engine,
            "embedding_range": embedding_range, "filters": filters, "members": members}
        self.poolings = check_poolings(pooling, window)
        self.word_dropout, self.window = word_dropout, window
        self.ratios = ratios or (LogCountRatios(vocabulary_size, outputs) if naive_bayes else None)
        self.seed_generator = keras.random.SeedGenerator()
        start = keras.initializers.RandomUniform(-embedding_range, embedding_range)
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding, start)
        self.embedding_dropout = keras.layers.SpatialDropout1D(embedding_dropout)
        self.recurrent = recurrent(cell, units, layers, bidirectional, engine,
                                   return_sequences=self.poolings != ["last"])
        self.attention = pool.AttentionPooling() if "attention" in self.poolings else None
        self.ngrams = pool.ConvolutionPooling(filters) if filters else None
        self.output_dropout = keras.layers.Dropout(output_dropout)
        # A correction of naive Bayes starts from none.
        self.linear = keras.layers.Dense(
            outputs, kernel_initializer="zeros" if naive_bayes else "glorot_uniform")
        self.others = [Classifier(**{**self.options, "members": 1}, ratios=self.ratios,
                                  dtype=self.dtype_policy) for _ in range(members - 1)]
        self.build()

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        width = self.options["embedding"]
        self.embedding.build((None, None))
        if self.ratios:
            if not self.ratios.built:   # Members share them.
                self.ratios.build((None, None))
            width += 2 * self.ratios.outputs
        self.recurrent.build((None, None, width))
        states = self.recurrent.compute_output_shape((None, None, width))[-1]
        pooled = len(self.poolings) * states
        if self.attention:
            self.attention.build((None, None, states))
        if self.ngrams:
            self.ngrams.build((None, None, width))
            pooled += self.ngrams.compute_output_shape((None, None, width))[-1]
        self.linear.build((None, pooled))
        self.built = True

    def call(self, inputs, training=False):
        ids, ratios = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        if self.ratios and ratios is None:
            ratios = self.ratios(ids)
        each = [member.correct(ids, ratios, training) for member in self.all_members()]
        logits = tf.stack(each) if training and self.others else tf.add_n(each) / len(each)
        return logits if ratios is None else logits + self.ratios.sum(ids, ratios)

    def all_members(self):
        """The networks that answer together, this one first."""
        return [self, *self.others]

    def correct(self, ids, ratios, training):
        """What this member alone says: [B, outputs], without the sum of the ratios."""
        y = self.output_dropout(self.read(ids, ratios, training), training=training)
        return self.linear(y)

    def represent(self, ids, ratios=None, training=False):
        """The fixed-size representation of a text, of all members: ids [B, T] → [B, R]."""
        return tf.concat([member.read(ids, ratios, training) for member in self.all_members()], -1)

    def read(self, ids, ratios=None, training=False):
        """The representation by this member alone."""
        mask = tf.not_equal(ids, 0)
        x = self.embedding(self._drop_words(ids, mask) if training else ids)
        x = self.embedding_dropout(x, training=training)
        if self.ratios:
            ratios = self.ratios(ids) if ratios is None else ratios
            shape = tf.concat([tf.shape(ids), [2 * self.ratios.outputs]], 0)
            x = tf.concat([x, tf.cast(tf.reshape(ratios, shape), x.dtype)], -1)
        h = self._recur(x, mask, training)
        pooled = {"last": lambda h, mask: h, "mean": pool.mean, "max": pool.maximum,
                  "attention": self.attention}
        found = [self.ngrams(x, mask)] if self.ngrams else []
        return tf.concat([pooled[name](h, mask) for name in self.poolings] + found, -1)

    def _recur(self, x, mask, training):
        """The recurrent layers over the text, or over its windows side by side."""
        if self.window is None:
            return self.recurrent(x, mask=mask, training=training)
        batch, steps = tf.shape(x)[0], tf.shape(x)[1]
        window = tf.minimum(self.window, steps)
        padding = tf.math.floormod(-steps, window)
        x = tf.concat([x, tf.zeros(tf.stack([batch, padding, x.shape[-1]]), x.dtype)], 1)
        mask = tf.concat([mask, tf.zeros(tf.stack([batch, padding]), tf.bool)], 1)
        h = self.recurrent(tf.reshape(x, tf.stack([-1, window, x.shape[-1]])),
                           mask=tf.reshape(mask, tf.stack([-1, window])), training=training)
        return tf.reshape(h, tf.stack([batch, -1, h.shape[-1]]))[:, :steps]

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        layer = self.recurrent.layers[0]
        return getattr(layer, "forward_layer", layer).engine_in_use

    def _drop_words(self, ids, mask):
        if not self.word_dropout:
            return ids
        drawn = keras.random.uniform(tf.shape(ids), seed=self.seed_generator)
        return tf.where((drawn < self.word_dropout) & mask, UNKNOWN, ids)

    def get_config(self):
        return {**super().get_config(), **self.options}


def check_poolings(pooling, window=None):
    """["mean", "max"] of "mean+max"; "last" stands alone, since it needs no sequence."""
    if pooling == "last" and window is not None:
        raise ValueError("window: expected a pooling over the whole text, received pooling='last'")
    names = pooling.split("+")
    if not set(names) <= set(POOLINGS) or "last" in names[1:] or names[0] == "last" != pooling:
        raise ValueError(f"pooling: expected 'last', or some of {POOLINGS[1:]} joined by '+', "
                         f"received {pooling!r}")
    return names


def recurrent(cell, units, layers, bidirectional, engine, return_sequences):
    """A deep recurrent network of one kind of cell."""
    if cell not in CELLS:
        raise ValueError(f"cell: expected one of {list(CELLS)}, received {cell!r}")

    def layer(sequences):
        one = CELLS[cell](units, return_sequences=sequences, engine=engine)
        return Bidirectional(one) if bidirectional else one

    return Stack([layer(True) for _ in range(layers - 1)] + [layer(return_sequences)])


class TextClassifier:
    """Everything it takes to answer: network, text processing, labels, temperature.

        probabilities = softmax(logits / temperature)    kind "single": one label a text
                        σ(logits / temperature)          kind "multi": any number of labels
        values        = mean + deviation·logits          kind "regression"

    Args:    network      a `Classifier`
             text         a `Text`
             labels       names, in the order of the logits (for regression: of the numbers)
             kind         "single", "multi" or "regression"
             temperature  fitted on validation data, so that probabilities can be believed
             mean, deviation  of the numbers in training, so that the network's own are near 1
    Source:  Guo et al. 2017 (temperature)
    """

    KINDS = ("single", "multi", "regression")

    def __init__(self, network, text, labels, kind="single", temperature=1.0, mean=0.0,
                 deviation=1.0):
        if kind not in self.KINDS:
            raise ValueError(f"kind: expected one of {self.KINDS}, received {kind!r}")
        self.network, self.text, self.labels = network, text, list(labels)
        self.kind, self.temperature = kind, temperature
        self.mean, self.deviation = mean, deviation

    def answer(self, ids):
        """ids [B, T] → {"probabilities": [B, C]}, or {"values": [B, C]} for regression."""
        logits = self.network(ids, training=False)
        if self.kind == "regression":
            return {"values": self.mean + self.deviation * logits}
        squash = tf.nn.softmax if self.kind == "single" else tf.sigmoid
        return {"probabilities": squash(logits / self.temperature)}

    def answer_text(self, strings):
        """strings [B] → `answer`, and "label" [B]: the names; several joined by '|', or none."""
        answer = self.answer(self.text.dense(strings))
        if self.kind == "regression":
            return answer
        names, p = tf.constant(self.labels), answer["probabilities"]
        if self.kind == "single":
            return {"label": tf.gather(names, tf.argmax(p, -1)), **answer}
        chosen = tf.where(p > 0.5, tf.expand_dims(names, 0), "")
        joined = tf.strings.reduce_join(chosen, -1, separator="|")
        return {"label": tf.strings.regex_replace(
            tf.strings.regex_replace(joined, r"\|+", "|"), r"^\||\|$", ""), **answer}

    def predict(self, texts, batch_size=64):
        """texts → one dictionary a text: {"label", "probabilities"} or {"values"}."""
        answer = tf.function(self.answer_text, input_signature=[tf.TensorSpec([None], tf.string)])
        return in_slices(answer, texts, self.labels, batch_size)

    def start_from(self, other):
        """Take over another head's embedding, token by token, and its recurrent layers.

        The rows of a kernel that read log-count ratios stay new: they belong to the labels.

        Raises:  ValueError: layers of other shapes
        """
        ours, theirs = (read_words(head.network) for head in (self, other))
        shapes = [[part.shape for _, part in weights] for weights in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"init_from: expected recurrent layers of shapes {shapes[0]}, received "
                             f"{shapes[1]}; train with the same cell, units, layers, embedding and "
                             "members")
        for (weight, _), (_, known) in zip(ours, theirs):
            weight.assign(np.concatenate([known, np.array(weight)[len(known):]]))
        row = {token: n for n, token in enumerate(other.text.vocabulary)}
        found = [(n, row[token]) for n, token in enumerate(self.text.vocabulary) if token in row]
        mine, known = np.transpose(found)
        for our, their in zip(self.network.all_members(), other.network.all_members()):
            table = np.array(our.embedding.embeddings)
            table[mine] = np.array(their.embedding.embeddings)[known]
            our.embedding.embeddings.assign(table)

    # What `export` asks of a head.

    @property
    def variables(self):
        return self.network.variables

    @property
    def trackables(self):
        return {"text": self.text}

    def signatures(self):
        """The serving signatures: strings or ids in, everything batch first."""
        strings = [tf.TensorSpec([None], tf.string, "text")]

        @tf.function(input_signature=strings, autograph=False)
        def serving_default(text):
            return self.answer_text(text)

        @tf.function(input_signature=strings, autograph=False)
        def embed(text):
            return {"representation": self.network.represent(self.text.dense(text))}

        return {"serving_default": serving_default, "embed": embed, **self.lite_signatures()}

    def lite_signatures(self):
        """The signature of the TFLite files: ids in."""
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, "ids")],
                     autograph=False)
        def ids(ids):
            return self.answer(ids)

        return {"ids": ids}

    def assets(self):
        return {"labels.txt": "\n".join(self.labels) + "\n", "vocabulary.txt": self.text.lines()}

    def save(self, folder):
        """Write model.keras, the text processing, and model.json."""
        folder = pathlib.Path(folder)
        self.network.save(folder / "model.keras")
        self.text.save(folder)
        facts = {"head": "classifier", "labels": self.labels, "kind": self.kind,
                 "temperature": self.temperature, "mean": self.mean,
                 "deviation": self.deviation}
        (folder / "model.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder):
        """What `save` wrote there."""
        folder = pathlib.Path(folder)
        facts = json.loads((folder / "model.json").read_text())
        facts.pop("head")
        network = keras.saving.load_model(folder / "model.keras", compile=False)
        return cls(network, Text.load(folder), **facts)


def read_words(network):
    """[(weight, its part that reads embeddings or states)] of the recurrent layers, of all members."""
    layers = [member.recurrent for member in network.all_members()]
    first = {id(w) for layer in layers for w in layer.layers[0].weights if w.name == "kernel"}
    return [(w, np.array(w)[:network.options["embedding"]] if id(w) in first else np.array(w))
            for layer in layers for w in layer.weights]


def in_slices(answer, texts, labels, size=64):
    """answer(strings [B]) of all texts, in order, a slice of similar lengths at a time.

    Memory stays bounded by the longest slice; texts that are not UTF-8 are passed on as they are.
    """
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    order = sorted(range(len(texts)), key=lambda n: len(encoded[n]))
    answered = [None] * len(texts)
    for start in range(0, len(order), size):
        chosen = order[start:start + size]
        for n, row in zip(chosen, rows(answer(tf.constant([encoded[n] for n in chosen])))):
            answered[n] = named(row, labels)
    return answered


def rows(answer):
    """{"label": [B], "probabilities": [B, C]} → a dictionary a row."""
    columns = {name: np.asarray(value) for name, value in answer.items()}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def named(row, labels):
    """A row for people: strings decoded, numbers by their labels."""
    return {key: value.decode() if isinstance(value, bytes) else
            dict(zip(labels, map(float, value))) for key, value in row.items()}
