"""Language models: the next symbol of a text (N→N), or a whole text from a label (1→N)."""

import dataclasses

import keras
import tensorflow as tf

from zoo.decoding.beam_search import beam_search
from zoo.decoding.options import LENGTH, LONGEST, WIDEST, SamplingOptions
from zoo.decoding.sampling import generate
from zoo.layers.adaptive_softmax import AdaptiveSoftmax
from zoo.layers.decoder import Decoder
from zoo.layers.embedding import Embedding, WordEmbedding
from zoo.layers.softmax import Softmax
from zoo.models.blocks import CELLS, Backbone
from zoo.models.head import IDS, TEXTS, Head, Signature, batch, numbered, texts_of
from zoo.models.network import Network
from zoo.models.options import GeneratorOptions
from zoo.models.transfer import Named
from zoo.text.subwords import GENERATED, Subwords


@keras.saving.register_keras_serializable("zoo")
class Generator(Network):
    """Symbols so far to the probabilities of the next: an embedding, recurrent layers, one linear layer.

        x_t = E[w_t]     h_t, s_t = f(x_t, s_{t-1})     p(w_{t+1} | w_1 … w_t) = softmax(h_t·V + b)

    With `tied` weights V is Eᵀ, and the last layer as wide as the embedding. With `labels` a text follows
    from one: the row c of an embedding of labels is, as `zoo.layers.decoder` has it, where the states
    start (`vector` "first") or a part of every input ("every").

    While it is trained, two terms beside the loss keep the activations small and slow:

        α · mean(m ⊙ h)²  +  β · mean(h_t − h_{t-1})²          m the dropout mask of h

    Args:    vocabulary_size  rows of E; id 0 is padding, never predicted
             labels           names of what a text may follow from
             options          see `zoo.models.options.GeneratorOptions`; α and β are its
                              `activation_penalty` and `temporal_penalty`
    Call:    {"ids" [B, T], with labels "label" [B]} int32, states (a list, each [B, H]; by default those
             where a text starts), padding_mask ([B, T] bool: which ids are no padding; by default all)
             → h [B, T, H], states after the last id
    Raises:  ValueError: a wrong value of an option, cutoffs that do not rise
    Source:  Elman 1990; Mikolov et al. 2010; Zaremba et al. 2014

    >>> network = Generator(10, units=4, embedding=3)
    >>> h, states = network({"ids": tf.constant([[2, 3, 4]])})
    >>> tuple(network.logits(h).shape), [tuple(state.shape) for state in states]
    ((1, 3, 10), [(1, 4), (1, 4)])
    """

    options_class, arguments = GeneratorOptions, ("vocabulary_size", "labels")

    def __init__(self, vocabulary_size, labels=(), **options):
        super().__init__(**options)
        options, width = self.options, self.options.embedding
        self.vocabulary_size, self.labels = vocabulary_size, tuple(labels)
        self.embedding = WordEmbedding(vocabulary_size, width, options.word_dropout,
                                       options.embedding_dropout)
        self.label_embedding = Embedding(len(labels), width) if labels else None
        self.decoder = self._decoder()
        self.output_dropout = keras.layers.SpatialDropout1D(options.output_dropout)
        self.softmax = (
            AdaptiveSoftmax(vocabulary_size, options.cutoffs, tied=options.tied) if options.cutoffs else
            Softmax(vocabulary_size, options.tied))
        self.build()

    def _decoder(self):
        options = self.options
        widths = [options.units] * (options.layers - 1) + [
            options.embedding if options.tied else options.units]
        return Decoder(
            [CELLS[options.cell](width, recurrent_dropout=options.recurrent_dropout,
                                 weight_drop=options.weight_drop, truncate=options.truncate,
                                 engine=options.engine)
             for width in widths],
            options.vector if self.labels else "first", options.layer_dropout)

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        width = self.options.embedding
        self.embedding.build((None, None))
        if self.label_embedding:
            self.label_embedding.build((None,))
        self.decoder.build((None, None, width), (None, width) if self.label_embedding else None)
        self.softmax.build((None, None, self.decoder.units))
        self.built = True

    def call(self, inputs, states=None, padding_mask=None, training=False):
        if states is None:
            states = self.start(inputs)
        states, vector = self._parted(states)
        h, after = self.decoder(self.embedding(inputs["ids"], training=training), vector,
                                initial_state=states, inputs_mask=padding_mask, training=training)
        dropped = self.output_dropout(h, training=training)
        if training:
            self._penalise(h, dropped)
        return dropped, self._joined(after, vector)

    def _penalise(self, h, dropped):
        alpha, beta = self.options.activation_penalty, self.options.temporal_penalty
        if alpha:
            self.add_loss(alpha * tf.reduce_mean(tf.square(dropped)))
        if beta:
            self.add_loss(beta * tf.reduce_mean(tf.square(h[:, 1:] - h[:, :-1])))

    # Where a text starts. With the label's vector at every step, it is carried as one more state.

    def start(self, inputs):
        """The states where the texts of {"ids" [B, …], "label" [B]} start, a list, each [B, H]."""
        if not self.label_embedding:
            return self.decoder.get_initial_state(tf.shape(inputs["ids"])[0])
        vector = self.label_embedding(inputs["label"])
        return self._joined(self.decoder.start(vector), vector)

    @property
    def state_size(self):
        """The widths of all states."""
        carried = self.label_embedding and self.decoder.vector == "every"
        return [*self.decoder.state_size, *[self.options.embedding] * bool(carried)]

    def _parted(self, states):
        layers = len(self.decoder.state_size)
        return states[:layers], (states[layers] if len(states) > layers else None)

    def _joined(self, states, vector):
        return [*states, *[vector] * (len(self.state_size) > len(states))]

    def step(self, ids, states):
        """One symbol of each text: ids [B] → logits of the next [B, V], states."""
        states, vector = self._parted(states)
        h, after = self.decoder.step(self.embedding(ids), states, vector)
        return self.logits(h), self._joined(after, vector)

    # What the last layer predicts.

    def logits(self, h):
        """z [..., V] float32 of h [..., H]; with `cutoffs` they are log p."""
        return self.softmax(h, *self._tied())

    def log_probability(self, h, targets):
        """log p of the targets [B, T], 0 where they are padding."""
        return self.softmax.log_probability(h, targets, *self._tied())

    def loss_of(self, targets, h):
        """−log p of the targets [B, T], summed; by ops that TFLite lacks."""
        return self.softmax.loss(h, targets, *self._tied())

    def _tied(self):
        return [self.embedding.embeddings] * self.options.tied

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        return self.decoder.layers[0].engine_in_use


SETTINGS = dataclasses.asdict(SamplingOptions())
SEARCH = {"width": 4, "length": LENGTH}
BEAM = {"width": WIDEST, "length": LONGEST, "rows": 256}       # the most that a search may cost
SCORES = 2**25                                          # numbers: as many of each symbol as there are
VECTOR = tf.TensorSpec([None], tf.int32)
UNIFORM = {"uniform": tf.TensorSpec([None, None], tf.float32)}      # a number for every symbol


class TextGenerator(Head):
    """Everything it takes to generate and to score texts.

        p(text) = Π p(w_t | w_0 … w_{t-1}),    w_0 = [START];    a text from a label ends in [END]

    The uniform numbers that decide are an input, so that the same numbers give the same text in every
    runtime; see `zoo.decoding.sampling`.

    Args:    network  a `zoo.models.language_model.Generator`;   text  a `zoo.text.subwords.Subwords`

    `predict` continues texts; with labels it takes labels and generates texts that follow from them.
    """

    name, text_class = "generator", Subwords

    def __init__(self, network, text):
        self.network, self.text, self.labels = network, text, list(network.labels)
        self.end = [text.end] if self.labels else []
        self.forbidden = [n for n in range(len(GENERATED)) if n not in self.end]

    def facts(self):
        """What it takes to read the predictions."""
        return {"labels": self.labels}

    def backbones(self):
        return [Backbone(self.network.embedding, self.text.vocabulary, self.network.decoder.layers)]

    def vocabularies(self):
        return {"symbols": self.text.vocabulary}

    def outputs(self):
        """The rows of the softmax, and the vectors of labels."""
        network = self.network
        found = [Named(*one) for one in network.softmax.rows(self.text.vocabulary)]
        if network.label_embedding:
            found.append(Named(network.label_embedding.embeddings, 0, self.labels))
        return found

    def predict(self, texts, batch_size=64):
        """Prompts, or labels, → a list with a dictionary each.

        Raises:  ValueError: a label that there is not
        """
        for label in texts_of(texts) if self.labels else []:
            if (label.decode() if isinstance(label, bytes) else label) not in self.labels:
                raise ValueError(f"expected a label among {', '.join(self.labels)}, received {label!r}")
        return super().predict(texts, batch_size)

    def examples(self):
        """A few labels that texts follow from, else texts."""
        return self.labels[:4] or super().examples()

    @property
    def input_name(self):
        """What `serving_default` takes: a text to continue, or a label to start from."""
        return "label" if self.labels else "text"

    # Reading: the states after a text.

    def begin(self, text, label=None):
        """strings [B] → the last id of each [B], the states before it."""
        ids = self.text.dense(batch(text))
        ids = tf.concat([tf.fill([tf.shape(ids)[0], 1], self.text.start), ids], 1)
        lengths = tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1)
        mask = tf.sequence_mask(lengths - 1, tf.shape(ids)[1])
        _, states = self.network({"ids": ids}, self.first_states(ids, label), padding_mask=mask)
        return tf.gather(ids, lengths - 1, batch_dims=1), states

    def first_states(self, ids, label=None):
        """Where texts start; `label` [B] are names.

        Raises:  tf.errors.InvalidArgumentError: an unknown label
        """
        inputs = {"ids": ids}
        if self.labels:
            same = tf.equal(tf.expand_dims(batch(label), 1), tf.constant([self.labels]))
            tf.debugging.Assert(tf.reduce_all(tf.reduce_any(same, 1)),
                                [f"label: expected one of {', '.join(self.labels)}, received", label])
            inputs["label"] = tf.argmax(same, 1, tf.int32)
        return self.network.start(inputs)

    # Generating.

    def generate_ids(self, ids, states, uniform, **settings):
        """What follows the last ids [B] and the states before them; see `zoo.decoding.sampling`."""
        return generate(self.network.step, ids, states, uniform, len(self.text), self.end, self.forbidden,
                        **settings)

    def predict_text(self, prompts):
        """Texts or labels [B] → `generate` by the same numbers at every call."""
        prompts = batch(prompts)
        text, label = (tf.fill(tf.shape(prompts), ""), prompts) if self.labels else (prompts, None)
        uniform = tf.random.stateless_uniform([tf.shape(prompts)[0], LENGTH], [0, 0])
        return self.generate(text, uniform, label, **SETTINGS)

    def generate(self, text, uniform, label=None, **settings):
        """Texts [B], labels [B] → {"text" [B]: what follows, "log_probability" [B] of it, in nats}."""
        found = self.generate_ids(*self.begin(text, label), uniform, **settings)
        return {"text": self.text.strings(found["ids"], inside=not self.labels),
                "log_probability": tf.reduce_sum(found["log_probability"], 1)}

    def search(self, text, label=None, width=4, length=LENGTH):
        """As `generate`, but the likeliest text that a beam finds; a running text up to its line's end.

        See `zoo.decoding.beam_search`, with α = 1: the mean log-probability of a symbol.
        """
        end = self.end or self.text(["\n"])[0, :1]
        found = beam_search(self.network.step, *self.begin(text, label), width, length, end, alpha=1.0,
                            n_best=1, forbidden=self.forbidden)
        return {"text": self.text.strings(found["ids"][:, 0], inside=not self.labels),
                "log_probability": found["log_probability"][:, 0]}

    @staticmethod
    def readable(row, facts):
        """A prediction for people."""
        return {key: value.decode("utf-8", "replace") if isinstance(value, bytes) else float(value)
                for key, value in row.items()}

    # Scoring.

    def score(self, ids, previous, states):
        """Ids [B, T] after the ids `previous` [B] → log p of the ids [B, T], states after.

        Padding, 0, scores 0 and leaves the states as they are.
        """
        before = tf.concat([tf.expand_dims(previous, 1), ids[:, :-1]], 1)
        h, after = self.network({"ids": before}, states, padding_mask=ids > 0)
        return self.network.log_probability(h, ids), after

    def score_text(self, text, label=None):
        """strings [B] → {"log_probability" [B], in nats, "symbols" [B]}; labelled ones with their end."""
        ids = self.text.dense(batch(text))
        lengths = tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1)
        if self.labels:
            ids = tf.pad(ids, [[0, 0], [0, 1]])
            ids += tf.one_hot(lengths, tf.shape(ids)[1], self.text.end, 0, dtype=tf.int32)
            lengths += 1
        start = tf.fill(tf.shape(lengths), self.text.start)
        log_probability, _ = self.score(ids, start, self.first_states(ids, label))
        return {"log_probability": tf.reduce_sum(log_probability, 1), "symbols": lengths}

    def embed(self, text, label=None):
        """What the last layer knows after strings [B]: {"representation" [B, H]}."""
        ids, states = self.begin(text, label)
        h, _ = self.network({"ids": tf.expand_dims(ids, 1)}, states)
        return {"representation": h[:, 0]}

    # Signatures. All tensors are batch first but the settings: scalars.

    def signature_table(self):
        return {**self._text_signatures(), **self._number_signatures()}

    def _text_signatures(self):
        texts = dict.fromkeys(["text", *["label"] * bool(self.labels)], TEXTS)
        return {
            "serving_default": Signature(lambda **prompts: self.predict_text(*prompts.values()),
                                         {self.input_name: TEXTS}),
            "generate": Signature(self.generate, {**texts, **UNIFORM}, self._prompt, SETTINGS),
            "search": Signature(self.search, texts, self._prompt, SEARCH, BEAM),
            "score": Signature(self.score_text, texts, self._prompt, limits=self._scored()),
            "embed": Signature(self.embed, texts, self._prompt)}

    def _scored(self):
        return {"size": SCORES // len(self.text)}

    def _number_signatures(self):
        """Score ids, start, one step, and generate.

        `init` takes the labels, or anything of the batch's size.
        """
        states = numbered(tf.TensorSpec([None, size], tf.float32) for size in self.network.state_size)
        stream = {"ids": VECTOR, **states}

        def before(inputs):
            return [inputs.pop(name) for name in states]

        def score(ids, previous, **inputs):
            log_probability, after = self.score(ids, previous, before(inputs))
            return {"log_probability": log_probability, **numbered(after)}

        def init(**inputs):
            return numbered(self.network.start(inputs))

        def step(ids, **inputs):
            logits, after = self.network.step(ids, before(inputs))
            return {"log_probability": tf.nn.log_softmax(logits), **numbered(after)}

        def generate(ids, **inputs):
            found = self.generate_ids(ids, before(inputs), **inputs)
            return {name: found[name] for name in ("ids", "lengths")}

        return {
            "ids": Signature(score, {"ids": IDS, "previous": VECTOR, **states}, lambda strings: {
                **self._stream(strings), "ids": tf.fill([len(strings), 3], len(GENERATED))},
                limits=self._scored()),
            "init": Signature(init, {"label" if self.labels else "ids": VECTOR}, self._stream),
            "step": Signature(step, stream, self._stream),
            "generate_ids": Signature(generate, {**stream, **UNIFORM}, self._stream, SETTINGS)}

    def _prompt(self, strings):
        """Strings as labels, or as texts to continue; and the numbers that decide."""
        text = tf.fill(tf.shape(strings), "") if self.labels else strings
        uniform = tf.random.stateless_uniform([len(strings), 20], [0, 1])
        return {"text": text, "label": strings, "uniform": uniform, "temperature": tf.constant(1.0),
                "width": tf.constant(3), "length": tf.constant(8)}

    def _stream(self, strings):
        """The same after it was read: the last ids, and the states before them."""
        prompt = self._prompt(strings)
        last, states = self.begin(prompt["text"], prompt["label"])
        return {**prompt, "ids": last, "previous": last, "label": tf.zeros_like(last), **numbered(states)}
