"""Translation: encoder, attention and decoder, and the head around them."""

import dataclasses

import keras
import tensorflow as tf

from zoo import engines
from zoo.decoding.beam_search import beam_search, spread
from zoo.decoding.options import WIDEST, BeamOptions
from zoo.layers.attention import Attention, Memory
from zoo.layers.attention_decoder import AttentionDecoder
from zoo.layers.bidirectional import Bidirectional
from zoo.layers.context import Context
from zoo.layers.decoder import Decoder
from zoo.layers.embedding import WordEmbedding
from zoo.layers.softmax import Softmax
from zoo.layers.stack import Stack
from zoo.models.blocks import CELLS, Backbone, cells_of
from zoo.models.head import IDS, TEXTS, Head, Signature, batch, numbered
from zoo.models.network import Network
from zoo.models.options import TranslatorOptions
from zoo.models.transfer import Named
from zoo.text.subwords import GENERATED
from zoo.text.text_pair import TextPair
from zoo.text.vocabulary import RESERVED


@keras.saving.register_keras_serializable("zoo")
class Translator(Network):
    """One sequence to the probabilities of another: an encoder, a vector or attention, a decoder.

        h_1 … h_S = encoder(E[x_1] … E[x_S])        c = context(h, final states)
        p(y_t | y_1 … y_{t-1}, x) = softmax(o_t·K + b)

    Without attention o_t is the decoder's h_t, and all that it knows of x is c: what its first states are
    made of (`vector` "first"), these states themselves ("copied") or a part of every input ("every").
    With attention they are made of c, and o_t = tanh([s_t; c_t]·W) has seen h_1 … h_S at every step: see
    `zoo.layers.attention_decoder`.

    Args:    source_size, target_size  rows of the two embeddings; id 0 is padding, never predicted
             options                   see `zoo.models.options.TranslatorOptions`; attention that feeds
                                       back nothing is trained on the engines, else in a slower loop
    Call:    {"source" [B, S], "target" [B, T]: the words before each step} int32, padding at the
             end → o [B, T, O], O the width of the embedding if it is tied, else `units`
    Raises:  ValueError: a wrong value of an option, coverage without additive attention, an odd number
             of units to read both ways, states to copy that are not as wide as the decoder's

    >>> network = Translator(10, 12, units=4, embedding=3)
    >>> o = network({"source": tf.constant([[2, 3, 4, 5]]), "target": tf.constant([[2, 4, 6]])})
    >>> source, states = network.encode(tf.constant([[2, 3, 4, 5]]))
    >>> logits, states, weights = network.step(tf.constant([2]), states, source)
    >>> tuple(o.shape), tuple(logits.shape), tuple(weights.shape)
    ((1, 3, 3), (1, 12), (1, 4))
    """

    options_class, arguments = TranslatorOptions, ("source_size", "target_size")

    def __init__(self, source_size, target_size, **options):
        super().__init__(**options)
        options = self.options
        self.source_size, self.target_size = source_size, target_size
        self.attends = options.attention != "none"
        self.embedding, self.target_embedding = (
            WordEmbedding(size, options.embedding, options.word_dropout, options.embedding_dropout)
            for size in (source_size, target_size))
        self.recurrent = Stack([self._encoder_layer() for _ in range(options.layers)],
                               options.layer_dropout, options.residual)
        self.context = Context(options.context, None if options.context == "last" else options.units)
        self.decoder = self._attention_decoder() if self.attends else self._vector_decoder()
        self.values_dropout = keras.layers.SpatialDropout1D(options.layer_dropout)
        self.output_dropout = keras.layers.SpatialDropout1D(options.output_dropout)
        self.softmax = Softmax(target_size, options.tied)
        self.seed_generator = keras.random.SeedGenerator()
        self.build()

    def _cell(self, units, **more):
        options = self.options
        return CELLS[options.cell](units, recurrent_dropout=options.recurrent_dropout,
                                   weight_drop=options.weight_drop, truncate=options.truncate,
                                   engine=options.engine, **more)

    def _encoder_layer(self):
        units, both = self.options.units, self.options.bidirectional
        layer = self._cell(units // 2 if both else units, return_sequences=True, return_state=True)
        return Bidirectional(layer) if both else layer

    def _attention_decoder(self):
        options = self.options
        return AttentionDecoder(
            [self._cell(options.units) for _ in range(options.layers)],
            Attention(options.attention, coverage=options.coverage), options.feeds,
            options.embedding if options.tied else None, options.layer_dropout,
            options.residual)

    def _vector_decoder(self):
        options = self.options
        last = options.embedding if options.tied else options.units
        widths = [options.units] * (options.layers - 1) + [last]
        return Decoder([self._cell(width) for width in widths], options.vector,
                       options.layer_dropout, options.residual)

    def build(self, shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        words = (None, None, self.options.embedding)
        values = (None, None, self.options.units)
        for embedding in (self.embedding, self.target_embedding):
            embedding.build((None, None))
        self.recurrent.build(words)
        states = [(None, size) for size in self.recurrent.state_size]
        self.context.build(values, states)
        vector = (None, sum(self.recurrent.state_size)) if self.context.form == "last" else (
            None, self.options.units)
        self._check_copied()
        self.decoder.build(words, *[values] * self.attends, vector)
        self.softmax.build((None, None, self.decoder.units))
        self.built = True

    def _check_copied(self):
        """States that are copied from the encoder's must be as wide as the decoder's, one by one."""
        if self.options.vector != "copied" or self.context.form != "last":
            return
        given, wanted = self.recurrent.state_size, self.decoder.state_size
        if given != wanted:
            raise ValueError(f"vector: expected an encoder with states of the widths {wanted} to copy, "
                             f"received {given}; use bidirectional=False and tied=False, or 'first'")

    def call(self, inputs, training=False):
        read = self.read(inputs["source"], training)
        target = inputs["target"]
        if training and self.options.sampling:
            target = self._sampled(target, read)
        return self.output_dropout(self._decoded(target, read, training), training=training)

    def read(self, ids, training=False):
        """ids [B, S] → values h [B, S, H], vector c [B, C], which ids are no padding [B, S]."""
        mask = ids > 0
        h, *states = self.recurrent(self.embedding(ids, training=training), mask=mask, training=training)
        c = self.context(h, states, sequence_mask=mask)
        return self.values_dropout(h, training=training), c, mask

    def _decoded(self, ids, read, training):
        """All steps at once."""
        (values, c, mask), x = read, self.target_embedding(ids, training=training)
        if self.attends:
            o, *_ = self.decoder(x, values, c, values_mask=mask, training=training)
        else:
            o, _ = self.decoder(x, c, training=training)
        return o

    def _sampled(self, ids, read):
        """The target, in a share of its positions as the network predicts it."""
        expected = tf.argmax(self.logits(self._decoded(ids, read, False)), -1, ids.dtype)
        own = tf.concat([ids[:, :1], expected[:, :-1]], 1)
        drawn = keras.random.uniform(tf.shape(ids), seed=self.seed_generator)
        return tf.where((drawn < self.options.sampling) & (ids > 0), own, ids)

    # One word after the other. The source is a dictionary of tensors, batch first, which stay the same.

    def encode(self, ids):
        """ids [B, S] → the source as `step` wants it, the states before the first word."""
        values, c, mask = self.read(ids)
        if self.attends:
            memory = self.decoder.attention.memory(values, mask)
            source = {"source": ids, "keys": memory.keys, "values": memory.values}
            return source, self.decoder.start(memory, c)
        return {"vector": c} if self.decoder.vector == "every" else {}, self.decoder.start(c)

    def step(self, ids, states, source):
        """One word of each text: ids [B] → logits of the next [B, V], states; weights [B, S]."""
        x = self.target_embedding(ids)
        if self.attends:
            memory = Memory(source["keys"], source["values"], source["source"] > 0)
            o, states, weights = self.decoder.step(x, states, memory)
            return self.logits(o), states, tf.cast(weights, tf.float32)
        o, states = self.decoder.step(x, states, source.get("vector"))
        return self.logits(o), states

    @property
    def source_shapes(self):
        """{name: shape after the batch} of a source but its ids; None is its length."""
        options = self.options
        if not self.attends:
            every = self.decoder.vector == "every"
            return {"vector": [sum(self.recurrent.state_size) if self.context.form == "last"
                               else options.units]} if every else {}
        return {"keys": [None, self.decoder.attention.key_width], "values": [None, options.units]}

    @property
    def state_sizes(self):
        """The widths of all states; None is the source's length."""
        if not self.attends:
            return list(self.decoder.state_size)
        fed = [self.decoder.units] * (self.options.feeds == "output")
        return [*self.decoder.decoder.state_size, *fed, *[None] * self.options.coverage]

    # What the last layer predicts.

    def logits(self, o):
        """z [..., V] float32 of o [..., H]."""
        return self.softmax(o, *self._tied())

    def log_probability(self, o, targets):
        """log p of the targets [B, T], 0 where they are padding."""
        return self.softmax.log_probability(o, targets, *self._tied())

    def loss_of(self, targets, o):
        """−log p of the targets [B, T], smoothed and summed."""
        return self.softmax.loss(
            o, targets, *self._tied(), smoothing=self.options.label_smoothing)

    def _tied(self):
        return [self.target_embedding.embeddings] * self.options.tied

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        return cells_of(self.recurrent)[0].engine_in_use


# What a request may cost. Attention to S symbols by K hypotheses of B texts takes 8·B·K·S² bytes, and the
# scores of S symbols 4·S·V: each stays below about 200 MB.
LONGEST, SIZE, SCORES = 1024, 4096, 2**25
MORE = 10               # symbols that a translation may have beyond `longest` times those of the source
DEFAULTS = dataclasses.asdict(BeamOptions())
BEAM = {"width": WIDEST, "size": DEFAULTS["width"] * SIZE, "rows": 320}


class TextTranslator(Head):
    """Everything it takes to translate texts.

        translation = argmax_y log p(y | x)/L^α,    y ends in [END]

    With attention, an unknown word of the translation is the source's word that has the largest weight;
    without, a translation has none.

    Args:    network  a `zoo.models.translator.Translator`;   text  a `zoo.text.text_pair.TextPair`
             longest  a translation of S symbols has at most longest·S + MORE
    """

    name, text_class, settings = "translator", TextPair, ("longest",)

    def __init__(self, network, text, longest=2):
        self.network, self.text, self.longest = network, text, longest
        allowed = [text.target.end, *[RESERVED.index("[UNK]")] * network.attends]
        self.forbidden = [n for n in range(len(GENERATED)) if n not in allowed]

    def assets(self):
        """{file name: text}: all that the exported files need to be used and read."""
        return {"model.json": self.description(), **self.text.files()}

    def backbones(self):
        """One a language."""
        network, text = self.network, self.text
        decoder = network.decoder.decoder if network.attends else network.decoder
        return [Backbone(network.embedding, text.source.vocabulary, network.recurrent.layers),
                Backbone(network.target_embedding, text.target.vocabulary, decoder.layers)]

    def vocabularies(self):
        return {f"symbols of the {side}": text.vocabulary for side, text in self.text.sides.items()}

    def outputs(self):
        """The rows of the softmax."""
        return [Named(*one) for one in self.network.softmax.rows(self.text.target.vocabulary)]

    # Reading.

    def ids(self, text):
        """strings [B] → ids [B, S]."""
        return self.text.source.dense(batch(text))

    def embed(self, text):
        """What the encoder makes of strings [B]: {"representation" [B, C]}."""
        return {"representation": self.network.read(self.ids(text))[1]}

    # Decoding.

    def search(self, ids, width=BeamOptions.width, alpha=BeamOptions.alpha, **settings):
        """Ids [B, S] → the n best translations of each, as ids; see `zoo.decoding.beam_search`."""
        source, states = self.network.encode(ids)
        start, size = self._start(ids), tf.shape(ids)[1] if self.network.attends else None
        most = self.longest * tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1) + MORE

        def step(ids, states, source=source):
            if not self.network.attends:  # attention knows whose hypotheses it looks for
                source = {name: spread(tensor, width) for name, tensor in source.items()}
            return self.network.step(ids, states, source)

        return beam_search(
            step, start, states, width, most, [self.text.target.end], alpha, forbidden=self.forbidden,
            source_length=size, source=None if engines.exports_to_tflite() else source, **settings)

    def _start(self, ids):
        """What is read first: [B]."""
        return tf.fill(tf.shape(ids)[:1], self.text.target.start)

    def n_best(self, text, width=BeamOptions.width, alpha=BeamOptions.alpha, banned=None, required=None,
               **settings):
        """Strings [B] → their n best translations.

        Args:    width, alpha      of the beam search, scalars
                 banned, required  None, or phrases [N], strings, that no translation contains, or all
                 settings          n_best of `zoo.decoding.beam_search`
        Returns: {"translations" [B, n], "scores" [B, n], with attention "tokens" [B, n, T],
                 "source_tokens" [B, S], "alignments" [B, n, T, S]}; "" where fewer are found
        """
        ids = self.ids(text)
        phrases = {"banned": banned, "required": required}
        phrases = {name: self.text.target.dense(batch(strings))
                   for name, strings in phrases.items() if strings is not None}
        found = self.search(ids, width, alpha, **phrases, **settings)
        pieces, shown = self.pieces(found, text), {}
        if self.network.attends:
            words = self._words(text)[:, :tf.shape(ids)[1]]
            shown = {"tokens": pieces, "source_tokens": self.text.source.pieces(ids, words),
                     "alignments": found["alignments"]}
        return {"translations": self.text.target.joined(pieces), "scores": found["scores"], **shown}

    def pieces(self, found, text):
        """What each symbol that was found adds to the translations: [B, n, T] tf.string."""
        target, unknown = self.text.target, None
        if self.network.attends:
            looked_at = tf.argmax(found["alignments"], -1, tf.int32)
            word = tf.strings.strip(tf.gather(self._words(text), looked_at, batch_dims=1))
            unknown = word if target.tokenizer == "character" else tf.strings.join([" ", word])
        return target.pieces(found["ids"], unknown)

    def _words(self, text):
        """The source's words, and one that is empty: [B, S + 1]."""
        words = self.text.source.words(batch(text)).to_tensor("")
        return tf.pad(words, [[0, 0], [0, 1]], constant_values="")

    def predict_text(self, text):
        """Strings [B] → {"translation" [B], "score" [B]}: the best that the search finds."""
        found = self.n_best(text, n_best=1)
        return {"translation": found["translations"][:, 0], "score": found["scores"][:, 0]}

    @staticmethod
    def readable(row, facts):
        """A prediction for people."""
        translation = row["translation"].decode("utf-8", "replace")
        return {"translation": translation, "score": float(row["score"])}

    def score(self, ids, target):
        """log p of translations: ids [B, S], target [B, T] with its end → [B, T], 0 at padding."""
        read = tf.concat([tf.expand_dims(self._start(target), 1), target[:, :-1]], 1)
        return self.network.log_probability(self.network({"source": ids, "target": read}), target)

    # Signatures. All tensors are batch first but `width` and `alpha`: scalars.

    def signature_table(self):
        one = {"text": LONGEST, "size": SIZE}
        return {"serving_default": Signature(self.predict_text, {"text": TEXTS}, limits=one),
                "n_best": Signature(self.n_best, {"text": TEXTS}, settings=DEFAULTS,
                                    limits={"text": LONGEST, **BEAM}),
                "embed": Signature(self.embed, {"text": TEXTS}), **self._number_signatures()}

    def _number_signatures(self):
        """`ids` scores translations, `init` is the encoder; one step; greedy and beam."""
        network = self.network
        sources = {"source": IDS} if network.attends else {}
        sources |= {name: tf.TensorSpec([None, *shape], tf.float32)
                    for name, shape in network.source_shapes.items()}
        states = numbered(tf.TensorSpec([None, size], tf.float32) for size in network.state_sizes)

        def init(ids):
            source, first = network.encode(ids)
            return {**source, **numbered(first)}

        def step(ids, **inputs):
            logits, after, *weights = network.step(
                ids, [inputs[name] for name in states], {name: inputs[name] for name in sources})
            return {"log_probability": tf.nn.log_softmax(logits), **numbered(after),
                    **dict(zip(["weights"], weights))}

        def beam(ids, width=1, alpha=0.0):
            found = self.search(ids, width, alpha)
            return {name: found[name] for name in ("ids", "lengths", "scores", "alignments")
                    if name in found}

        def example(strings):
            ids = self.ids(strings)
            return {"ids": ids, "target": tf.fill(tf.shape(ids), self.text.target.end)}

        scored = {"size": min(SIZE, SCORES // len(self.text.target))}
        return {"ids": Signature(lambda ids, target: {"log_probability": self.score(ids, target)},
                                 {"ids": IDS, "target": IDS}, example, limits=scored),
                "init": Signature(init, {"ids": IDS}, example),
                "step": Signature(
                    step, {"ids": tf.TensorSpec([None], tf.int32), **sources, **states},
                    lambda strings: {"ids": self._start(strings), **init(self.ids(strings))}),
                "greedy": Signature(beam, {"ids": IDS}, example, limits={"ids": LONGEST, "size": SIZE}),
                "beam": Signature(beam, {"ids": IDS}, example, DEFAULTS, {"ids": LONGEST, **BEAM})}
