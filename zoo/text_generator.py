"""Everything it takes to write and to score texts: network and text processing."""

import tensorflow as tf

from zoo.beam_search import beam_search
from zoo.heads import Head, Reader, batch, signature
from zoo.sampling import generate
from zoo.subwords import GENERATED, Subwords

LENGTH = 200            # symbols that are written where nobody says how many
SEARCH = {"width": 4, "length": LENGTH}
SETTINGS = {            # of `zoo.sampling`, where nobody says others
    "temperature": 0.8, "top_k": 0, "top_p": 1.0, "typical": 1.0, "repetition_penalty": 1.0}


class TextGenerator(Head):
    """Everything it takes to write and to score texts.

        p(text) = Π p(w_t | w_0 … w_{t-1}),    w_0 = [START];    a text from a label ends in [END]

    Choices are made by uniform numbers that are given, so that the same numbers give the same text in
    every runtime; see `zoo.sampling`.

    Args:    network  a `zoo.generator.Generator`;   text  a `zoo.subwords.Subwords`

    `predict` goes on with texts; with labels it takes labels and writes texts that follow from them.
    """

    name, text_class = "generator", Subwords

    def __init__(self, network, text):
        self.network, self.text, self.labels = network, text, network.options["labels"]
        self.end = [text.end] if self.labels else []
        self.never = [n for n in range(len(GENERATED)) if n not in self.end]

    def facts(self):
        """What a reader of the answers must know."""
        return {"labels": self.labels}

    def readers(self):
        return [Reader(self.network.embedding, self.text.vocabulary, self.network.decoder.layers)]

    @property
    def asks(self):
        """What `serving_default` takes: a text to go on with, or a label to start from."""
        return "label" if self.labels else "text"

    # Reading: the states after a text.

    def begin(self, text, label=None):
        """strings [B] → the last id of each [B], the states before it."""
        ids = self.text.dense(batch(text))
        ids = tf.concat([tf.fill([tf.shape(ids)[0], 1], self.text.start), ids], 1)
        lengths = tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1)
        there = tf.sequence_mask(lengths - 1, tf.shape(ids)[1])
        _, states = self.network({"ids": ids}, self.first_states(ids, label), there=there)
        return tf.gather(ids, lengths - 1, batch_dims=1), states

    def first_states(self, ids, label=None):
        """Where texts start; `label` [B] are names."""
        inputs = {"ids": ids}
        if self.labels:
            same = tf.equal(tf.expand_dims(batch(label), 1), tf.constant([self.labels]))
            inputs["label"] = tf.argmax(same, 1, tf.int32)
        return self.network.start(inputs)

    # Writing.

    def write(self, ids, states, uniform, **settings):
        """Go on from the last ids [B] and the states before them; see `zoo.sampling.generate`."""
        return generate(self.network.step, ids, states, uniform, len(self.text), self.end, self.never,
                        **settings)

    def answer_text(self, asked):
        """Texts or labels [B] → `go_on` by the same numbers at every call."""
        asked = batch(asked)
        text, label = (tf.fill(tf.shape(asked), ""), asked) if self.labels else (asked, None)
        uniform = tf.random.stateless_uniform([tf.shape(asked)[0], LENGTH], [0, 0])
        return self.go_on(text, uniform, label, **SETTINGS)

    def go_on(self, text, uniform, label=None, **settings):
        """Texts [B], labels [B] → {"text" [B]: what follows, "log_probability" [B] of it, in nats}."""
        written = self.write(*self.begin(text, label), uniform, **settings)
        return {"text": self.text.strings(written["ids"], inside=not self.labels),
                "log_probability": tf.reduce_sum(written["log_probability"], 1)}

    def search(self, text, label=None, width=4, length=LENGTH):
        """As `go_on`, but the likeliest text that a beam finds; a running text up to its line's end.

        See `zoo.beam_search`, with α = 1: the mean log-probability of a symbol.
        """
        end = self.end or self.text(["\n"])[0, :1]
        found = beam_search(self.network.step, *self.begin(text, label), width, length, end, alpha=1.0,
                            n_best=1, forbidden=self.never)
        return {"text": self.text.strings(found["ids"][:, 0], inside=not self.labels),
                "log_probability": found["log_probability"][:, 0]}

    @staticmethod
    def readable(row, facts):
        """An answer's row for people."""
        return {key: value.decode("utf-8", "replace") if isinstance(value, bytes) else float(value)
                for key, value in row.items()}

    # Scoring.

    def read(self, ids, previous, states):
        """Ids [B, T] after the ids `previous` [B] → h [B, T, H], log p of the ids [B, T], states after.

        Padding, 0, scores 0 and leaves the states as they are.
        """
        before = tf.concat([tf.expand_dims(previous, 1), ids[:, :-1]], 1)
        h, after = self.network({"ids": before}, states, there=ids > 0)
        return h, self.network.log_probability(h, ids), after

    def score(self, ids, previous, states):
        """What `read` gives but h, log p as {"log_probability" [B, T]}."""
        _, log_probability, after = self.read(ids, previous, states)
        return {"log_probability": log_probability}, after

    def score_text(self, text, label=None):
        """strings [B] → {"log_probability" [B], in nats, "symbols" [B]}; labelled ones with their end."""
        ids = self.text.dense(batch(text))
        lengths = tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1)
        if self.labels:
            ids = tf.pad(ids, [[0, 0], [0, 1]])
            ids += tf.one_hot(lengths, tf.shape(ids)[1], self.text.end, 0, dtype=tf.int32)
            lengths += 1
        start = tf.fill(tf.shape(lengths), self.text.start)
        scores, _ = self.score(ids, start, self.first_states(ids, label))
        return {"log_probability": tf.reduce_sum(scores["log_probability"], 1), "symbols": lengths}

    def embed(self, text, label=None):
        """What the last layer knows after strings [B]: {"representation" [B, H]}."""
        ids, states = self.begin(text, label)
        h, _ = self.network({"ids": tf.expand_dims(ids, 1)}, states)
        return {"representation": h[:, 0]}

    # Signatures.

    def signatures(self):
        """The serving signatures. All tensors are batch first but the settings of `generate`: scalars."""
        asked = tf.TensorSpec([None], tf.string, self.asks)
        texts = {name: tf.TensorSpec([None], tf.string, name) for name in self._texts()}
        return {"serving_default": signature(lambda **given: self.answer_text(given[self.asks]),
                                             **{self.asks: asked}),
                "generate": signature(self.go_on, SETTINGS, **texts, **self._choices()),
                "search": signature(self.search, SEARCH, **texts, **_scalars(SEARCH)),
                "score": signature(self.score_text, **texts),
                "embed": signature(self.embed, **texts), **self.lite_signatures()}

    def _texts(self):
        return ["text", *["label"] * bool(self.labels)]

    def _choices(self):
        """What decides what is written: a number for every symbol, and the settings."""
        return {"uniform": tf.TensorSpec([None, None], tf.float32, "uniform"), **_scalars(SETTINGS)}

    def lite_signatures(self):
        """The signatures of the TFLite files, numbers in: score ids, start, one step, and write.

        `init` takes the labels, or anything of the batch's size.
        """
        vector = tf.TensorSpec([None], tf.int32)
        states = {f"state_{n}": tf.TensorSpec([None, size], tf.float32, f"state_{n}")
                  for n, size in enumerate(self.network.state_size)}
        first = "label" if self.labels else "ids"

        def parted(given):
            return [given.pop(name) for name in states], given

        def ids(ids, previous, **given):
            answer, after = self.score(ids, previous, parted(given)[0])
            return {**answer, **dict(zip(states, after))}

        def init(**given):
            start = self.network.start({"ids": given[first], **given})
            return dict(zip(states, start))

        def step(ids, **given):
            logits, after = self.network.step(ids, parted(given)[0])
            return {"log_probability": tf.nn.log_softmax(logits), **dict(zip(states, after))}

        def generate(ids, **given):
            before, rest = parted(given)
            written = self.write(ids, before, **rest)
            return {name: written[name] for name in ("ids", "lengths")}

        return {
            "ids": signature(ids, ids=tf.TensorSpec([None, None], tf.int32, "ids"),
                             previous=named(vector, "previous"), **states),
            "init": signature(init, **{first: named(vector, first)}),
            "step": signature(step, ids=named(vector, "ids"), **states),
            "generate_ids": signature(generate, SETTINGS, ids=named(vector, "ids"), **states,
                                      **self._choices())}

    def questions(self, strings):
        """What to verify the signatures with."""
        label = {"label": strings} if self.labels else {}
        text = tf.fill(tf.shape(strings), "") if self.labels else strings
        uniform = tf.random.stateless_uniform([len(strings), 20], [0, 1])
        last, states = self.begin(text, label.get("label"))
        given = {f"state_{n}": state for n, state in enumerate(states)}
        settings = {name: tf.constant(value) for name, value in SETTINGS.items()}
        chosen = {"uniform": uniform, **settings, "temperature": tf.constant(1.0)}
        first = {"label": tf.zeros_like(last)} if self.labels else {"ids": last}
        return {"serving_default": {self.asks: strings}, "init": first, "embed": {"text": text, **label},
                "score": {"text": text, **label}, "generate": {"text": text, **label, **chosen},
                "search": {"text": text, **label, "width": tf.constant(3), "length": tf.constant(8)},
                "ids": {"ids": tf.fill([len(strings), 3], len(GENERATED)), "previous": last, **given},
                "step": {"ids": last, **given}, "generate_ids": {"ids": last, **given, **chosen}}


def named(spec, name):
    return tf.TensorSpec(spec.shape, spec.dtype, name)


def _scalars(settings):
    return {name: tf.TensorSpec([], tf.constant(value).dtype, name) for name, value in settings.items()}
