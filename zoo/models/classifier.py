"""Sequence classification (N→1): one prediction for a text of any length."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from zoo.layers.embedding import Embedding, WordVectors
from zoo.layers.naive_bayes import LogCountRatios
from zoo.layers.ngrams import NGrams, buckets_for
from zoo.layers.pooling import ConvolutionPooling, pooling, width_of
from zoo.models.blocks import Backbone, cells_of, drop_words, recurrent
from zoo.models.head import IDS, TEXTS, Head, Signature, batch
from zoo.models.network import Network
from zoo.models.options import ClassifierOptions, poolings_of
from zoo.models.transfer import Named
from zoo.text.tokenizer import Text
from zoo.text.vocabulary import UNKNOWN


@keras.saving.register_keras_serializable("zoo")
class Classifier(Network):
    """Word ids to logits: embedding, recurrent layers, pooling, one linear layer.

        x_t = E[w_t]        h = recurrent(x)        y = pool(h)        logits = y·V + c

    With word vectors that others have trained it also reads those of more words than it learns rows of E
    for, to which the others are unknown (see `zoo.layers.embedding.WordVectors`):

        x_t = [E[w_t]; V[w_t]]

    With `naive_bayes` the network also reads the log-count ratios r of words and pairs of words, and
    corrects their sum (see `zoo.layers.naive_bayes`):

        x_t = [E[w_t]; r(w_t); r(w_{t-1} w_t)]        logits = y·V + c + (a·Σ r(w) + b·Σ r(w w')) / √T

    With `filters` the pooled vector also holds the best match of learnt n-grams of words (see
    `zoo.layers.pooling.ConvolutionPooling`). With `ngrams` it corrects z, what a linear model says of the
    n-grams of words and characters (see `zoo.layers.ngrams`); without layers that is all, but for c:

        logits = y·V + c + z

    If it `corrects` nothing, y·V + c learns by itself, and z is added when both have been learnt.
    An `ensemble` is several such networks, each from its own start, that share the ratios and z; its
    logits are the mean of theirs.

    Args:    vocabulary_size   number of words; id 0 is padding, 1 unknown
             outputs           width of the logits
             vector_width      of given word vectors; 0 for none
             learnt            rows of E: the first words; by default all
             ratios, wide, vectors   those of another network, to share; by default new ones
             options           see `zoo.models.options.ClassifierOptions`
    Call:    {"ids" [B, T], "code_points" [B, T, C]} int32, those that it `reads`, or ids alone → logits
             [B, outputs]; in training also "ratios" [B, T, 2, outputs] and, in place of the code points,
             z as "wide" [B, outputs]; → [ensemble, B, outputs] while training several, so that each
             learns by its own loss
    Raises:  ValueError: a wrong value of an option

    >>> network = Classifier(vocabulary_size=10, outputs=2, cell="gru", units=4, embedding=3)
    >>> tuple(network(tf.constant([[2, 3, 0], [4, 5, 6]])).shape)
    (2, 2)
    """

    options_class = ClassifierOptions
    arguments = "vocabulary_size", "outputs", "vector_width", "learnt"

    def __init__(self, vocabulary_size, outputs, vector_width=0, learnt=None, ratios=None, wide=None,
                 vectors=None, **options):
        super().__init__(**options)
        options = self.options
        self.vocabulary_size, self.outputs = vocabulary_size, outputs
        self.vector_width, self.learnt = vector_width, learnt or vocabulary_size
        self.vectors = vectors or (
            WordVectors(vocabulary_size, vector_width, options.vectors_as) if vector_width else None)
        self.ratios = ratios or (
            LogCountRatios(self.learnt, outputs) if options.naive_bayes else None)
        self.wide = wide or (
            NGrams(outputs, buckets_for(outputs, options.ngrams)) if options.ngrams else None)
        self.seed_generator = keras.random.SeedGenerator()
        self.recurrent, self.others = None, []
        if options.layers:
            self._make_layers()
        self.build()

    def _make_layers(self):
        """All but what is counted and fitted."""
        options, outputs = self.options, self.outputs
        start = keras.initializers.RandomUniform(-options.embedding_range, options.embedding_range)
        self.embedding = Embedding(self.learnt, options.embedding, start)
        self.embedding_dropout = keras.layers.SpatialDropout1D(options.embedding_dropout)
        self.recurrent = recurrent(options, return_sequences=options.pooling != "last")
        self.poolings = {name: pooling(name) for name in poolings_of(options.pooling)}
        self.attention = self.poolings.get("attention")  # In files its weights have this name.
        self.ngrams = ConvolutionPooling(options.filters) if options.filters else None
        self.output_dropout = keras.layers.Dropout(options.output_dropout)
        # A correction starts from none.
        corrected = options.naive_bayes or options.ngrams and options.corrects
        self.linear = keras.layers.Dense(
            outputs, kernel_initializer="zeros" if corrected else "glorot_uniform")
        one = {**dataclasses.asdict(options), "ensemble": 1}
        self.others = [Classifier(self.vocabulary_size, outputs, self.vector_width, self.learnt,
                                  self.ratios, self.wide, self.vectors, dtype=self.dtype_policy, **one)
                       for _ in range(options.ensemble - 1)]

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        self.built = True
        if self.wide and not self.wide.built:
            self.wide.build()
        if not self.recurrent:
            self.bias = self.add_weight(name="bias", shape=(self.outputs,), initializer="zeros")
            return
        self.embedding.build((None, None))
        if self.vectors and not self.vectors.built:     # An ensemble shares them.
            self.vectors.build((None,), (None, self.options.embedding))
        width = self.word_width
        if self.ratios:
            if not self.ratios.built:
                self.ratios.build((None, None))
            width += 2 * self.ratios.outputs
        self.recurrent.build((None, None, width))
        states = self.recurrent.compute_output_shape((None, None, width))[-1]
        for one in self.poolings.values():
            if isinstance(one, keras.layers.Layer):
                one.build((None, None, states))
        pooled = sum(width_of(one, states) for one in self.poolings.values())
        if self.ngrams:
            self.ngrams.build((None, None, width))
            pooled += width_of(self.ngrams, width)
        self.linear.build((None, pooled))

    @property
    def word_width(self):
        """Width of what is read of a word, but for its ratios."""
        width = self.options.embedding
        return self.vectors.compute_output_shape((None,), (None, width))[-1] if self.vectors else width

    @property
    def reads(self):
        """The names of the inputs."""
        return ["ids"] * bool(self.recurrent) + ["code_points"] * bool(self.wide)

    def call(self, inputs, training=False):
        inputs = inputs if isinstance(inputs, dict) else {"ids": inputs}
        logits = self.corrections(inputs, training) if self.recurrent else self.bias
        if self.wide and (self.options.corrects or not (training and self.recurrent)):
            wide = inputs["wide"] if "wide" in inputs else self.wide(inputs["code_points"])
            logits += tf.ensure_shape(tf.cast(wide, tf.float32), [None, self.outputs])
        return logits

    def corrections(self, inputs, training):
        """The logits but for the n-grams."""
        ids, ratios = inputs["ids"], inputs.get("ratios")
        if self.ratios and ratios is None:
            ratios = self.ratios(self.known(ids))
        each = [network.correct(ids, ratios, training) for network in self.networks()]
        logits = tf.stack(each) if training and self.others else tf.add_n(each) / len(each)
        if ratios is None:
            return logits
        return logits + tf.cast(self.ratios.sum(self.known(ids), ratios), tf.float32)

    def known(self, ids):
        """Words that have a vector but were not learnt as unknown: [B, T] → [B, T]."""
        return tf.where(ids < self.learnt, ids, UNKNOWN) if self.vectors else ids

    def networks(self):
        """The networks whose logits are averaged, this one first; none where only n-grams are read."""
        return [self, *self.others] if self.recurrent else []

    def correct(self, ids, ratios, training):
        """The logits of this network alone: [B, outputs], without the sum of the ratios."""
        y = self.output_dropout(self.read(ids, ratios, training), training=training)
        return tf.cast(self.linear(y), tf.float32)

    def represent(self, ids, ratios=None, training=False):
        """The fixed-size representation of a text by the whole ensemble: ids [B, T] → [B, R]."""
        return tf.concat([network.read(ids, ratios, training) for network in self.networks()], -1)

    def read(self, ids, ratios=None, training=False):
        """The representation by this network alone."""
        mask = tf.not_equal(ids, 0)
        words = drop_words(ids, self.options.word_dropout, self.seed_generator) if training else ids
        x = self.embedding(self.known(words))
        if self.vectors:
            x = self.vectors(words, x)
        x = self.embedding_dropout(x, training=training)
        if self.ratios:
            ratios = self.ratios(self.known(ids)) if ratios is None else ratios
            shape = tf.concat([tf.shape(ids), [2 * self.ratios.outputs]], 0)
            x = tf.concat([x, tf.cast(tf.reshape(ratios, shape), x.dtype)], -1)
        h = self._recur(x, mask, training)
        pooled = [pool(h, mask) for pool in self.poolings.values()]
        return tf.concat([*pooled, *([self.ngrams(x, mask)] if self.ngrams else [])], -1)

    def _recur(self, x, mask, training):
        """The recurrent layers over the text, or over its windows side by side."""
        if self.options.window is None:
            return self.recurrent(x, mask=mask, training=training)
        batch, steps = tf.shape(x)[0], tf.shape(x)[1]
        window = tf.minimum(self.options.window, steps)
        padding = tf.math.floormod(-steps, window)
        x = tf.concat([x, tf.zeros(tf.stack([batch, padding, x.shape[-1]]), x.dtype)], 1)
        mask = tf.concat([mask, tf.zeros(tf.stack([batch, padding]), tf.bool)], 1)
        h = self.recurrent(tf.reshape(x, tf.stack([-1, window, x.shape[-1]])),
                           mask=tf.reshape(mask, tf.stack([-1, window])), training=training)
        return tf.reshape(h, tf.stack([batch, -1, h.shape[-1]]))[:, :steps]

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        return cells_of(self.recurrent)[0].engine_in_use if self.recurrent else "none"


class TextClassifier(Head):
    """Everything that a classification takes: network, text processing, labels, temperature.

        probabilities = softmax(logits / temperature)    kind "single": one label a text
                        σ(logits / temperature)          kind "multi": any number of labels
        values        = mean + deviation·logits          kind "regression"

    Args:    network      a `Classifier`
             text         a `Text`
             labels       names, in the order of the logits (for regression: of the numbers)
             kind         "single", "multi" or "regression"
             temperature  fitted on validation data, so that probabilities can be believed
             mean, deviation  of the numbers in training, so that the network's own are near 1
             thresholds   of kind "multi", one a label: the probability above which a text has it
    Source:  Guo et al. 2017 (temperature)
    """

    KINDS = ("single", "multi", "regression")
    name, text_class = "classifier", Text
    settings = "labels", "kind", "temperature", "mean", "deviation", "thresholds"

    def __init__(self, network, text, labels, kind="single", temperature=1.0, mean=0.0,
                 deviation=1.0, thresholds=None):
        if kind not in self.KINDS:
            raise ValueError(f"kind: expected one of {self.KINDS}, received {kind!r}")
        self.network, self.text, self.labels = network, text, list(labels)
        self.kind, self.temperature = kind, temperature
        self.mean, self.deviation = mean, deviation
        self.thresholds = thresholds or ([0.5] * len(self.labels) if kind == "multi" else None)

    def read(self, strings):
        """What the network reads of strings [B]."""
        given = {"ids": self.text.dense, "code_points": self.text.code_points}
        return {name: given[name](strings) for name in self.network.reads}

    def predict_ids(self, inputs):
        """{"ids" [B, T], …} → {"probabilities": [B, C]}, or {"values": [B, C]} for regression."""
        logits = self.network(inputs, training=False)
        if self.kind == "regression":
            return {"values": self.mean + self.deviation * logits}
        squash = tf.nn.softmax if self.kind == "single" else tf.sigmoid
        return {"probabilities": squash(logits / self.temperature)}

    def predict_text(self, text):
        """strings [B] → `predict_ids`, "labels" [B, C], the names in its order, and "label" [B].

        The label is the name of the greatest probability; of several labels those above their
        thresholds, joined by '|', or none. A regression has none.
        """
        names, found = tf.constant(self.labels), self.predict_ids(self.read(batch(text)))
        found["labels"] = tf.tile(names[tf.newaxis], [tf.shape(batch(text))[0], 1])
        if self.kind == "regression":
            return found
        p = found["probabilities"]
        if self.kind == "single":
            return {"label": tf.gather(names, tf.argmax(p, -1)), **found}
        chosen = tf.where(p > self.thresholds, tf.expand_dims(names, 0), "")
        joined = tf.strings.reduce_join(chosen, -1, separator="|")
        return {"label": tf.strings.regex_replace(
            tf.strings.regex_replace(joined, r"\|+", "|"), r"^\||\|$", ""), **found}

    def predict_proba(self, texts):
        """Texts → probabilities [N, C], in the order of `labels`.

        Raises:  ValueError: a model of numbers, which has none
        """
        if self.kind == "regression":
            raise ValueError("predict_proba: expected a classifier, received a model of numbers; use "
                             "predict")
        return np.array([[row["probabilities"][label] for label in self.labels]
                         for row in self.predict(texts)]).reshape(-1, len(self.labels))

    def backbones(self):
        """One for each network of the ensemble. Raises ValueError where only n-grams are read."""
        if not self.network.recurrent:
            raise ValueError("init_from: expected models with an embedding and layers, received one of "
                             "n-grams alone; use another --model")
        return [Backbone(network.embedding, self.learnt, network.recurrent.layers)
                for network in self.network.networks()]

    @property
    def learnt(self):
        """The words that have rows of their own beside given vectors."""
        return self.text.vocabulary[:self.network.learnt]

    def vocabularies(self):
        return {"words": self.learnt}

    def outputs(self):
        """The columns of the linear layers and of the ratios, and what reads the ratios."""
        labels, ratios, wide, found = self.labels, self.network.ratios, self.network.wide, []
        for network in self.network.networks():
            found += [Named(network.linear.kernel, 1, labels), Named(network.linear.bias, 0, labels)]
        if ratios:
            found += [Named(ratios.words, 0, self.learnt), Named(ratios.words, 1, labels),
                      Named(ratios.pairs, 1, labels)]
            reads = [*range(self.network.word_width),
                     *((kind, label) for kind in ("word", "pair") for label in labels)]
            found += [Named(kernel, 0, reads) for one in self.backbones() for kernel in one.kernels]
            found += [Named(one.kernel, 1, reads) for network in self.network.networks()
                      if network.ngrams for one in network.ngrams.convolutions]
        if self.network.vectors:
            found.append(Named(self.network.vectors.table.embeddings, 0, self.text.vocabulary))
        if self.network.wide:
            wide = self.network.wide
            found += [Named(wide.kernel, 1, labels), Named(wide.bias, 0, labels)]
        return found

    def take_fitted(self, other):
        self.temperature, self.mean, self.deviation = other.temperature, other.mean, other.deviation
        if self.thresholds:
            known = dict(zip(other.labels, other.thresholds))
            self.thresholds = [known.get(label, one) for label, one in zip(self.labels, self.thresholds)]

    @staticmethod
    def readable(row, facts):
        """A prediction for people: strings decoded, numbers by their labels; `facts` of model.json."""
        found = {key: value.decode() if isinstance(value, bytes) else
                 dict(zip(facts["labels"], map(float, value))) for key, value in row.items()
                 if key != "labels"}
        if facts["kind"] == "multi":
            least = facts.get("thresholds") or [0.5] * len(facts["labels"])
            found["chosen"] = [label for label, p, threshold in zip(
                facts["labels"], row["probabilities"], least) if p > threshold]
        return found

    @property
    def specs(self):
        """{name: TensorSpec} of what the network reads."""
        specs = {"ids": IDS, "code_points": tf.TensorSpec([None, None, None], tf.int32)}
        return {name: specs[name] for name in self.network.reads}

    def signature_table(self):
        """Strings or ids in, everything batch first."""
        table = {
            "serving_default": Signature(self.predict_text, {"text": TEXTS}),
            "embed": Signature(self.embed, {"text": TEXTS}),
            "ids": Signature(lambda **inputs: self.predict_ids(inputs), self.specs, self.read)}
        if not self.network.recurrent:
            del table["embed"]
        return table

    def embed(self, text):
        """The fixed-size representation of strings [B]: {"representation" [B, R]}."""
        return {"representation": self.network.represent(self.text.dense(batch(text)))}
