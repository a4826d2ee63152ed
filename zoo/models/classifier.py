"""Sequence classification (N→1): one answer for a text of any length."""

import keras
import numpy as np
import tensorflow as tf

from zoo.layers import pooling as pool
from zoo.layers.embedding import Embedding
from zoo.layers.naive_bayes import LogCountRatios
from zoo.layers.ngrams import NGrams
from zoo.models.blocks import Reader, cells_of, drop_words, recurrent
from zoo.models.head import IDS, TEXTS, Head, Signature, batch
from zoo.text.tokenizer import Text

POOLINGS = ("last", "mean", "max", "attention")
MOST_WEIGHTS = 1 << 20      # of the linear model of n-grams: with more labels it needs fewer buckets


@keras.saving.register_keras_serializable("zoo")
class Classifier(keras.Model):
    """Word ids to logits: embedding, recurrent layers, pooling, one linear layer.

        x_t = E[w_t]        h = recurrent(x)        y = pool(h)        logits = y·V + c

    With `naive_bayes` the network also reads the log-count ratios r of words and pairs of words, and
    corrects their sum (see `zoo.layers.naive_bayes`):

        x_t = [E[w_t]; r(w_t); r(w_{t-1} w_t)]        logits = y·V + c + (a·Σ r(w) + b·Σ r(w w')) / √T

    With `filters` the pooled vector also holds the best match of learnt n-grams of words (see
    `zoo.layers.pooling.ConvolutionPooling`). With `ngrams` it corrects z, what a linear model says of the
    n-grams of words and characters (see `zoo.layers.ngrams`); without layers that is all, but for c:

        logits = y·V + c + z

    Where it `corrects` nothing, y·V + c learns by itself, and z is added when both have been learnt.
    With `members` several such networks, each from its own start, read the text and share the ratios; the
    answer is the mean of their logits.

    Args:    vocabulary_size     rows of the embedding; id 0 is padding, 1 unknown
             outputs             width of the logits
             cell                "simple", "gru" or "lstm"
             units, layers       width of a layer (of one direction), how many; 0 with `ngrams` alone
             bidirectional       read both ways
             pooling             "last", or "mean", "max", "attention" or several, as in "mean+max"
             embedding           width of the embedding
             embedding_range     a new embedding is uniform in ± this
             filters             learnt n-grams of each width, 2, 3 and 4; 0 for none
             word_dropout        rate at which a word is read as unknown while training
             embedding_dropout   rate at which a coordinate is dropped from all words of a text
             output_dropout      rate before the linear layer
             naive_bayes         read and correct log-count ratios
             ngrams              most buckets of n-grams, whose linear model is corrected; 0 for none
             corrects            whether z is there while the network is trained
             window              None, or the length of the pieces of a long text that are read side by
                                 side; the pooling is over all of them
             engine              see `zoo.engines`
             members             how many networks answer together
             ratios, wide        the tables and the linear model that members share, else new ones
    Call:    {"ids" [B, T], "code_points" [B, T, C]} int32, those that it `reads`, or ids alone → logits
             [B, outputs]; in training also "ratios" [B, T, 2, outputs] and, in place of the code points,
             z as "wide" [B, outputs]; → [members, B, outputs] while training several, so that each
             learns by its own loss
    Raises:  ValueError: an unknown cell or pooling, neither layers nor n-grams
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
                 engine="auto", embedding_range=0.05, filters=0, members=1, ngrams=0, corrects=True,
                 ratios=None, wide=None, **kwargs):
        super().__init__(**kwargs)
        self.options = {
            "vocabulary_size": vocabulary_size, "outputs": outputs, "cell": cell, "units": units,
            "layers": layers, "bidirectional": bidirectional, "pooling": pooling,
            "embedding": embedding, "word_dropout": word_dropout,
            "embedding_dropout": embedding_dropout, "output_dropout": output_dropout,
            "naive_bayes": naive_bayes, "window": window, "engine": engine,
            "embedding_range": embedding_range, "filters": filters, "members": members,
            "ngrams": ngrams, "corrects": corrects}
        self.poolings = check_poolings(pooling, window)
        self.word_dropout, self.window = word_dropout, window
        self.ratios = ratios or (LogCountRatios(vocabulary_size, outputs) if naive_bayes else None)
        self.wide = wide or (NGrams(outputs, buckets_for(outputs, ngrams)) if ngrams else None)
        self.seed_generator = keras.random.SeedGenerator()
        self.recurrent, self.others = None, []
        if not layers:
            check_wide_alone(ngrams, naive_bayes, filters, members)
            self.build()
            return
        start = keras.initializers.RandomUniform(-embedding_range, embedding_range)
        self.embedding = Embedding(vocabulary_size, embedding, start)
        self.embedding_dropout = keras.layers.SpatialDropout1D(embedding_dropout)
        self.recurrent = recurrent(cell, units, layers, bidirectional, engine,
                                   return_sequences=self.poolings != ["last"])
        self.attention = pool.AttentionPooling() if "attention" in self.poolings else None
        self.ngrams = pool.ConvolutionPooling(filters) if filters else None
        self.output_dropout = keras.layers.Dropout(output_dropout)
        # A correction starts from none.
        corrected = naive_bayes or ngrams and corrects
        self.linear = keras.layers.Dense(
            outputs, kernel_initializer="zeros" if corrected else "glorot_uniform")
        self.others = [Classifier(**{**self.options, "members": 1}, ratios=self.ratios,
                                  wide=self.wide, dtype=self.dtype_policy) for _ in range(members - 1)]
        self.build()

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        if self.wide and not self.wide.built:
            self.wide.build()
        self.built = True
        if not self.recurrent:
            self.bias = self.add_weight(name="bias", shape=(self.options["outputs"],),
                                        initializer="zeros")
            return
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

    @property
    def reads(self):
        """The names of the inputs."""
        return ["ids"] * bool(self.recurrent) + ["code_points"] * bool(self.wide)

    def call(self, inputs, training=False):
        inputs = inputs if isinstance(inputs, dict) else {"ids": inputs}
        logits = self.corrections(inputs, training) if self.recurrent else self.bias
        if self.wide and (self.options["corrects"] or not (training and self.recurrent)):
            wide = inputs["wide"] if "wide" in inputs else self.wide(inputs["code_points"])
            logits += tf.cast(wide, tf.float32)
        return logits

    def corrections(self, inputs, training):
        """The logits but for the n-grams."""
        ids, ratios = inputs["ids"], inputs.get("ratios")
        if self.ratios and ratios is None:
            ratios = self.ratios(ids)
        each = [member.correct(ids, ratios, training) for member in self.all_members()]
        logits = tf.stack(each) if training and self.others else tf.add_n(each) / len(each)
        return logits if ratios is None else logits + tf.cast(self.ratios.sum(ids, ratios), tf.float32)

    def all_members(self):
        """The networks that answer together, this one first; none where only n-grams are counted."""
        return [self, *self.others] if self.recurrent else []

    def correct(self, ids, ratios, training):
        """What this member alone says: [B, outputs], without the sum of the ratios."""
        y = self.output_dropout(self.read(ids, ratios, training), training=training)
        return tf.cast(self.linear(y), tf.float32)

    def represent(self, ids, ratios=None, training=False):
        """The fixed-size representation of a text, of all members: ids [B, T] → [B, R]."""
        return tf.concat([member.read(ids, ratios, training) for member in self.all_members()], -1)

    def read(self, ids, ratios=None, training=False):
        """The representation by this member alone."""
        mask = tf.not_equal(ids, 0)
        words = drop_words(ids, self.word_dropout, self.seed_generator) if training else ids
        x = self.embedding(words)
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
        return cells_of(self.recurrent)[0].engine_in_use if self.recurrent else "none"

    def get_config(self):
        return {**super().get_config(), **self.options}


def buckets_for(outputs, most):
    """An even number of buckets, so that they have at most `MOST_WEIGHTS` weights, or `most`.

    >>> buckets_for(2, 65536), buckets_for(77, 65536)
    (65536, 13616)
    """
    return min(most, MOST_WEIGHTS // outputs // 2 * 2)


def check_wide_alone(ngrams, *others):
    """Raise ValueError for options that need a recurrent layer, or where nothing reads the text."""
    if not ngrams or any(option not in (0, 1, False) or option is True for option in others):
        raise ValueError("layers: expected at least 1, or ngrams and neither naive_bayes, filters nor "
                         "members, received 0")


def check_poolings(pooling, window=None):
    """["mean", "max"] of "mean+max"; "last" stands alone, since it needs no sequence."""
    if pooling == "last" and window is not None:
        raise ValueError("window: expected a pooling over the whole text, received pooling='last'")
    names = pooling.split("+")
    if not set(names) <= set(POOLINGS) or "last" in names[1:] or names[0] == "last" != pooling:
        raise ValueError(f"pooling: expected 'last', or some of {POOLINGS[1:]} joined by '+', "
                         f"received {pooling!r}")
    return names


class TextClassifier(Head):
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
    name, text_class = "classifier", Text
    settings = "labels", "kind", "temperature", "mean", "deviation"

    def __init__(self, network, text, labels, kind="single", temperature=1.0, mean=0.0,
                 deviation=1.0):
        if kind not in self.KINDS:
            raise ValueError(f"kind: expected one of {self.KINDS}, received {kind!r}")
        self.network, self.text, self.labels = network, text, list(labels)
        self.kind, self.temperature = kind, temperature
        self.mean, self.deviation = mean, deviation

    def read(self, strings):
        """What the network reads of strings [B]."""
        given = {"ids": self.text.dense, "code_points": self.text.code_points}
        return {name: given[name](strings) for name in self.network.reads}

    def answer(self, inputs):
        """{"ids" [B, T], …} → {"probabilities": [B, C]}, or {"values": [B, C]} for regression."""
        logits = self.network(inputs, training=False)
        if self.kind == "regression":
            return {"values": self.mean + self.deviation * logits}
        squash = tf.nn.softmax if self.kind == "single" else tf.sigmoid
        return {"probabilities": squash(logits / self.temperature)}

    def answer_text(self, text):
        """strings [B] → `answer`, and "label" [B]: the names; several joined by '|', or none."""
        answer = self.answer(self.read(batch(text)))
        if self.kind == "regression":
            return answer
        names, p = tf.constant(self.labels), answer["probabilities"]
        if self.kind == "single":
            return {"label": tf.gather(names, tf.argmax(p, -1)), **answer}
        chosen = tf.where(p > 0.5, tf.expand_dims(names, 0), "")
        joined = tf.strings.reduce_join(chosen, -1, separator="|")
        return {"label": tf.strings.regex_replace(
            tf.strings.regex_replace(joined, r"\|+", "|"), r"^\||\|$", ""), **answer}

    def predict_proba(self, texts):
        """Texts → probabilities [N, C], in the order of `labels`.

        Raises:  ValueError: a model of numbers, which has none
        """
        if self.kind == "regression":
            raise ValueError("predict_proba: expected a classifier, received a model of numbers; use "
                             "predict")
        return np.array([[row["probabilities"][label] for label in self.labels]
                         for row in self.predict(texts)]).reshape(-1, len(self.labels))

    def readers(self):
        """One a member. Raises ValueError where only n-grams are read."""
        if not self.network.recurrent:
            raise ValueError("init_from: expected models with an embedding and layers, received one of "
                             "n-grams alone; use another --model")
        return [Reader(member.embedding, self.text.vocabulary, member.recurrent.layers)
                for member in self.network.all_members()]

    @staticmethod
    def readable(row, facts):
        """An answer's row for people: strings decoded, numbers by their labels; `facts` of model.json."""
        return {key: value.decode() if isinstance(value, bytes) else
                dict(zip(facts["labels"], map(float, value))) for key, value in row.items()}

    @property
    def specs(self):
        """{name: TensorSpec} of what the network reads."""
        specs = {"ids": IDS, "code_points": tf.TensorSpec([None, None, None], tf.int32)}
        return {name: specs[name] for name in self.network.reads}

    def signature_table(self):
        """Strings or ids in, everything batch first."""
        table = {
            "serving_default": Signature(self.answer_text, {"text": TEXTS}),
            "embed": Signature(self.embed, {"text": TEXTS}),
            "ids": Signature(lambda **inputs: self.answer(inputs), self.specs, self.read)}
        if not self.network.recurrent:
            del table["embed"]
        return table

    def embed(self, text):
        """The fixed-size representation of strings [B]: {"representation" [B, R]}."""
        return {"representation": self.network.represent(self.text.dense(batch(text)))}
