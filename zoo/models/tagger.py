"""Sequence labelling (N→N): one tag for every token, and perhaps one label, the intent, for the whole."""

import keras
import tensorflow as tf

from zoo import names
from zoo.layers.affixes import Affixes
from zoo.layers.characters import ENCODERS
from zoo.layers.crf import CRF
from zoo.layers.embedding import Embedding, WordVectors
from zoo.layers.intent import Intent
from zoo.layers.output_recurrent import OutputRecurrentRNN
from zoo.layers.window_features import WindowFeatures
from zoo.models.blocks import cells_of, drop_words, recurrent
from zoo.models.head import TEXTS, Head, Signature, batch, numbered
from zoo.models.network import Network
from zoo.models.options import TaggerOptions
from zoo.models.transfer import Named
from zoo.ops.masks import cleared
from zoo.text.spans import spans
from zoo.text.token_features import SHAPES, Tokens, located
from zoo.text.tokenizer import normalise
from zoo.text.vocabulary import UNKNOWN

SHAPE_WIDTH = 8


@keras.saving.register_keras_serializable("zoo")
class Tagger(Network):
    """Words and their characters to logits: embeddings, recurrent layers, one linear layer.

        x_t = [E[w_t]; characters(w_t); affixes(w_t); S[shape(w_t)]]   h = recurrent(x)   z_t = h_t·V + c

    The tags are the likeliest of each softmax(z_t); with `crf` they are the likeliest sequence, to whose
    score each tag adds what it scores after the one before it (see `zoo.layers.crf`); with `feedback` the
    linear layer gives way to one that reads its last output (see `zoo.layers.output_recurrent`). With
    `features` z_t also has what those of the token and of its neighbours score (see
    `zoo.layers.window_features`); without layers that is all. With word vectors that others have trained
    x_t also has those of more words than it learns rows of E for, to which the others are unknown (see
    `zoo.layers.embedding.WordVectors`). Word dropout drops rows of E alone.

    With `intents` the same states give one label of the whole sentence, whose probabilities add to z_t
    (see `zoo.layers.intent`).

    Args:    vocabulary_size  number of words; id 0 is padding, 1 unknown
             labels           names of the L tags
             scheme           None, or one of `zoo.text.spans`, to which the CRF keeps
             alphabet_size    rows of the character embedding
             rare             the id from which on words are rare, those that training has once
             vector_width     of given word vectors; 0 for none
             learnt           rows of E: the first words; by default all
             intents          names of the K labels of sentences; none where there are none
             options          see `zoo.models.options.TaggerOptions`
    Call:    {"ids" [B, T], "characters" [B, T, C], "shapes" [B, T], "code_points" [B, T, C],
             "tags" [B, T]} int32 → z [B, T, L]; all but ids only where the options ask for them; ids
             alone will do where nothing else is read; with intents → {"tags": z, "intent": [B, K]}
    Raises:  ValueError: a wrong value of an option, options that exclude each other

    >>> network = Tagger(10, ["O", "B-X", "I-X"], "BIO", crf=True, units=4, embedding=3)
    >>> z = network(tf.constant([[2, 3, 0], [4, 5, 6]]))
    >>> tuple(z.shape), tuple(network.decode(z, z[..., 0] > -99)["tags"].shape)
    ((2, 3, 3), (2, 3))
    """

    options_class = TaggerOptions
    arguments = ("vocabulary_size", "labels", "scheme", "alphabet_size", "rare", "vector_width",
                 "learnt", "intents")

    def __init__(self, vocabulary_size, labels, scheme=None, alphabet_size=0, rare=0, vector_width=0,
                 learnt=None, intents=(), **options):
        super().__init__(**options)
        options = self.options
        self.vocabulary_size, self.labels, self.scheme = vocabulary_size, tuple(labels), scheme
        self.alphabet_size, self.rare, self.intents = alphabet_size, rare, tuple(intents)
        self.vector_width, self.learnt = vector_width, learnt or vocabulary_size
        self.seed_generator = keras.random.SeedGenerator()
        self.features = WindowFeatures(len(labels), options.features, options.feature_rank,
                                       options.feature_dropout) if options.features else None
        self.embedding = self.vectors = self.characters = self.affixes = self.shapes = None
        self.recurrent = self.linear = self.feedback = None
        if options.layers or options.feedback:
            self._make_layers()
        self.crf = CRF(list(labels), scheme) if options.crf else None
        self.intent = intents and Intent(len(intents), len(labels), options.ngrams,
                                         options.output_dropout)
        self.build()

    def _make_layers(self):
        """All but the scores of features."""
        options = self.options
        self.embedding = Embedding(self.learnt, options.embedding)
        self.vectors = self.vector_width and WordVectors(
            self.vocabulary_size, self.vector_width, options.vectors_as)
        self.characters = self._character_encoder()
        self.affixes = Affixes(options.affixes) if options.affixes else None
        self.shapes = Embedding(len(SHAPES) + 2, SHAPE_WIDTH) if options.shapes else None
        self.embedding_dropout = keras.layers.SpatialDropout1D(options.embedding_dropout)
        self.recurrent = options.layers and recurrent(
            options, return_sequences=True, dropout=options.output_dropout,
            recurrent_dropout=options.recurrent_dropout)
        self.output_dropout = keras.layers.SpatialDropout1D(options.output_dropout)
        self.linear = None if options.feedback else keras.layers.Dense(len(self.labels))
        self.feedback = OutputRecurrentRNN(options.units, len(self.labels)) if options.feedback else None

    def _character_encoder(self):
        options = self.options
        return options.characters and ENCODERS[options.characters](
            self.alphabet_size, embedding=options.character_embedding, units=options.character_units,
            **({"engine": options.engine} if options.characters == "lstm" else {}))

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        for layer in (self.embedding, self.characters, self.affixes, self.shapes, self.features):
            if layer:
                layer.build((None, None))
        options = self.options
        embedded = (None, None, options.embedding)
        if self.vectors:
            self.vectors.build((None, None), embedded)
            embedded = self.vectors.compute_output_shape((None, None), embedded)
        width = embedded[-1] + options.affixes + options.shapes * SHAPE_WIDTH
        if self.characters:
            width += options.character_units
        if self.recurrent:
            self.recurrent.build((None, None, width))
            width = self.recurrent.compute_output_shape((None, None, width))[-1]
        last = self.feedback or self.linear
        if last:
            last.build((None, None, width))
        if self.intent:
            self.intent.build((None, None, width) if last else None)
        self.built = True

    @property
    def reads(self):
        """The names of the inputs, beside tags in training."""
        spelling = self.characters or self.affixes
        return ["ids", *["characters"] * bool(spelling), *["shapes"] * bool(self.shapes or self.features),
                *["code_points"] * bool(self.features or self.intent and self.intent.wide)]

    def call(self, inputs, training=False):
        inputs = inputs if isinstance(inputs, dict) else {"ids": inputs}
        h = self.represent(inputs, training) if self.embedding else None
        z = self.emissions(h, inputs, training)
        if not self.intent:
            return z
        mask = tf.not_equal(inputs["ids"], 0)
        intent = self.intent(h, mask, inputs.get("code_points"), training=training)
        return {"tags": z + self.intent.of_tags(intent), "intent": intent}

    def emissions(self, h, inputs, training=False):
        """The logits of the tags by the states h and by features: [B, T, L]."""
        z = self.features and self.features(inputs["code_points"], inputs["shapes"], training=training)
        if h is None:
            return z
        h = self.output_dropout(h, training=training)
        if self.linear:
            return self.linear(h) + z if self.features else self.linear(h)
        sampling = self.options.sampling if training else 0.0
        return self.feedback(h, inputs.get("tags"), mask=tf.not_equal(inputs["ids"], 0),
                             training=training, sampling=sampling)

    def represent(self, inputs, training=False):
        """What the last layer reads of every token: [B, T, R]."""
        mask = tf.not_equal(inputs["ids"], 0)
        x = self.embedding_dropout(self.embed(inputs, training), training=training)
        return self.recurrent(x, mask=mask, training=training) if self.recurrent else x

    def embed(self, inputs, training=False):
        """x [B, T, D]."""
        ids = inputs["ids"]
        words = drop_words(ids, self.dropped(ids), self.seed_generator) if training else ids
        x = self.embedding(tf.where(words < self.learnt, words, UNKNOWN) if self.vectors else words)
        parts = [self.vectors(ids, x) if self.vectors else x]
        if self.characters:
            parts.append(self.characters(inputs["characters"], training=training))
        if self.affixes:
            parts.append(self.affixes(inputs["characters"]))
        if self.shapes:
            parts.append(self.shapes(inputs["shapes"]))
        return tf.concat(parts, -1)

    def dropped(self, ids):
        """The rate at which each word is read as unknown while training: one for all, or [B, T]."""
        options = self.options
        if not options.rare_dropout:
            return options.word_dropout
        return tf.where(ids < self.rare, options.word_dropout, options.rare_dropout)

    def loss_of(self, targets, outputs):
        """−log p(tags) − weight·log p(intent), summed over the sentences, by the outputs of a call.

        Args:    targets  tags [B, T], -1 where there is none; with intents {"tags", "intent" [B]}
        """
        if not self.intents:
            return self.loss_of_tags(targets, outputs)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets["intent"], outputs["intent"])
        return self.loss_of_tags(targets["tags"], outputs["tags"]) + tf.cast(
            self.options.intent_weight * tf.reduce_sum(losses), outputs["tags"].dtype)

    def loss_of_tags(self, tags, logits):
        """−log p(tags), summed over the sentences."""
        mask = tags >= 0
        if self.crf:
            return -tf.reduce_sum(self.crf.log_likelihood(logits, tf.maximum(tags, 0), mask))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.maximum(tags, 0), cleared(logits, mask))
        return tf.reduce_sum(tf.where(mask, losses, tf.zeros([], losses.dtype)))

    def decode(self, logits, mask):
        """{"tags" [B, T] int32, 0 where masked; "marginals" [B, T, L]: P(y_t = j), 0 where masked}."""
        if self.crf:
            return {"tags": self.crf(logits, mask=mask), "marginals": self.crf.marginals(logits, mask)}
        logits = tf.cast(logits, tf.float32)
        return {"tags": tf.where(mask, tf.argmax(logits, -1, tf.int32), 0),
                "marginals": tf.where(tf.expand_dims(mask, -1), tf.nn.softmax(logits), 0.0)}

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        one = cells_of(self.recurrent)[0] if self.recurrent else self.feedback
        return one.engine_in_use if one else "none"

    # A stream, one token after the other.

    @property
    def streams(self):
        """Whether tags are predicted before the sentence has ended."""
        both_ways = self.recurrent and self.options.bidirectional
        return not (self.crf or self.features or self.intent or both_ways)

    def get_initial_state(self, batch_size):
        """The states where a stream starts, each [B, H]."""
        layers = [layer for layer in (self.recurrent, self.feedback) if layer]
        return [state for layer in layers for state in layer.get_initial_state(batch_size)]

    def step(self, inputs, states):
        """One token of each stream: inputs as in a call with T = 1 → logits [B, L], new states."""
        x, new = self.embed(inputs)[:, 0], []
        if self.recurrent:
            count = len(self.recurrent.state_size)
            (x, new), states = self.recurrent.step(x, states[:count]), states[count:]
        if self.feedback is None:
            return self.linear(x), new
        logits, last = self.feedback.step(x, states)
        return logits, [*new, *last]


class TextTagger(Head):
    """Everything that tagging takes: network and text processing.

    Args:    network      a `Tagger`;   text  a `zoo.text.token_features.Tokens`
             temperature  of the intents' softmax, fitted on validation data: Guo et al. 2017

    `predict` gives lists: "tokens", "tags", "probability", where each token starts and ends (see
    `zoo.text.token_features.OFFSETS`), and with a scheme the "spans", with the same offsets; with intents
    also the "intent", its probability, "confidence", and those of all, "intents", {intent: p}.
    """

    name, text_class, settings = "tagger", Tokens, ("temperature",)

    def __init__(self, network, text, temperature=1.0):
        self.network, self.text, self.temperature = network, text, temperature
        self.labels, self.scheme = list(network.labels), network.scheme
        self.intents = list(network.intents)

    def facts(self):
        """What it takes to read the predictions."""
        intents = {"intents": self.intents, "temperature": self.temperature} if self.intents else {}
        return {"labels": self.labels, "scheme": self.scheme, **intents}

    def take_fitted(self, other):
        self.temperature = other.temperature

    def vocabularies(self):
        return {"words": self.text.vocabulary[:self.network.learnt],
                "characters": self.text.alphabet.tokens}

    def outputs(self):
        """The columns of the last layer, the CRF's scores, and the characters' embedding."""
        network, labels, found = self.network, self.labels, []
        if network.characters:
            found.append(Named(network.characters.embedding.embeddings, 0, self.text.alphabet.tokens))
        if network.feedback:
            reads = network.feedback.reader.kernel
            inputs = range(reads.shape[0] - len(labels))
            found.append(Named(reads, 0, [*inputs, *labels]))
        if network.crf:
            found += [Named(network.crf.transitions, axis, labels) for axis in (0, 1)]
            found += [Named(weight, 0, labels) for weight in (network.crf.start, network.crf.end)]
        if network.intent:
            found += [Named(*one) for one in network.intent.axes(self.intents, labels)]
        if network.vectors:
            found.append(Named(network.vectors.table.embeddings, 0, self.text.vocabulary))
        if network.features:
            scores = network.features.projection
            found.append(Named(network.features.table if scores is None else scores, 1, labels))
        last = network.feedback.writer if network.feedback else network.linear
        if last:
            found += [Named(last.kernel, 1, labels), Named(last.bias, 0, labels)]
        return found

    def backbones(self):
        """That of the embedding. Raises ValueError where only features are read."""
        if not self.network.embedding:
            raise ValueError("init_from: expected models with an embedding, received one of features "
                             "alone; use another --model")
        return [super().backbones()[0]._replace(words=self.vocabularies()["words"])]

    def predict_ids(self, inputs):
        """{"ids" [B, T], …} → "tags" [B, T] int32, "marginals" [B, T, L], see `Tagger.decode`; with
        intents also their probabilities, "intents" [B, K]."""
        outputs, mask = self.network(inputs), tf.not_equal(inputs["ids"], 0)
        if not self.intents:
            return self.network.decode(outputs, mask)
        intents = tf.nn.softmax(outputs["intent"] / self.temperature)
        return {**self.network.decode(outputs["tags"], mask), "intents": intents}

    def predict_tokens(self, tokens):
        """tokens [B, T], "" after the end → "tags" [B, T], "probability" [B, T], "lengths" [B]; with
        intents "intent" [B], its probability "confidence" [B], and those of all, "intents" [B, K].

        A tag's probability is that of it by itself: with a CRF its marginal, in all sequences of tags.
        """
        mask = tf.not_equal(tokens, "")
        found = self.predict_ids(self.read(tokens))
        probability = tf.gather(found["marginals"], found["tags"], batch_dims=2)
        tags = {"tags": tf.where(mask, tf.gather(self.labels, found["tags"]), ""),
                "probability": probability, "lengths": tf.reduce_sum(tf.cast(mask, tf.int32), 1)}
        p = found.get("intents")
        return tags if p is None else {**tags, "intent": tf.gather(self.intents, tf.argmax(p, -1)),
                                       "confidence": tf.reduce_max(p, -1), "intents": p}

    def predict_text(self, text):
        """strings [B] → `predict_tokens`, the "tokens" [B, T], and where each starts and ends."""
        tokens, offsets = self.text.split(batch(text))
        return {"tokens": normalise(tokens, lowercase=False), **offsets, **self.predict_tokens(tokens)}

    def read(self, tokens):
        """What the network reads of tokens [B, T]."""
        inputs = self.text(tokens)
        return {name: inputs[name] for name in self.network.reads}

    @staticmethod
    def readable(row, facts):
        """A prediction for people: lists as long as the sentence, strings decoded, and the spans."""
        columns = {key: value[:row["lengths"]].tolist() for key, value in row.items()
                   if key not in ("lengths", "intent", "confidence", "intents")}
        found = {key: [item.decode() if isinstance(item, bytes) else item for item in items]
                 for key, items in columns.items()}
        if facts["scheme"]:
            found["spans"] = located(spans(found["tags"]), found)
        if "intent" in row:
            found |= {"intent": row["intent"].decode(), "confidence": float(row["confidence"]),
                      "intents": dict(zip(facts["intents"], map(float, row["intents"])))}
        return found

    def embed(self, text):
        """What the last layer reads of every token of strings [B]: {"representation" [B, T, R]}."""
        return {"representation": self.network.represent(self.read(self.text.split(batch(text))[0]))}

    def signature_table(self):
        """Strings, tokens or ids in, everything batch first."""
        ids = {name: tf.TensorSpec([None, None, *[None] * (name in names.LETTERS)], tf.int32)
               for name in self.network.reads}
        table = {
            "serving_default": Signature(self.predict_text, {"text": TEXTS}),
            "tokens": Signature(self.predict_tokens, {"tokens": tf.TensorSpec([None, None], tf.string)},
                                lambda strings: {"tokens": self.text.split(strings)[0]}),
            "embed": Signature(self.embed, {"text": TEXTS}),
            "ids": Signature(lambda **inputs: self.predict_ids(inputs), ids,
                             lambda strings: self.read(self.text.split(strings)[0]))}
        if not self.network.embedding:
            del table["embed"]
        return {**table, **self._streaming()} if self.network.streams else table

    def _streaming(self):
        """A sentence token by token: `init` gives the first states, `step` takes and gives states.

        `init` takes anything of the batch's size; a step takes one token of each stream.
        """
        network = self.network
        states = numbered(tf.TensorSpec([None, state.shape[1]], state.dtype)
                          for state in network.get_initial_state(1))

        def init(token):
            return numbered(network.get_initial_state(tf.shape(token)[0]))

        def step(token, **before):
            inputs = self.read(tf.expand_dims(token, 1))
            logits, new = network.step(inputs, [before[name] for name in states])
            p = tf.nn.softmax(tf.cast(logits, tf.float32))
            return {"tag": tf.gather(self.labels, tf.argmax(p, -1)), "probability": tf.reduce_max(p, -1),
                    **numbered(new)}

        def first(strings):
            return {"token": self.text.split(strings)[0][:, 0]}

        return {"init": Signature(init, {"token": TEXTS}, first),
                "step": Signature(step, {"token": TEXTS, **states}, lambda strings: {
                    **first(strings), **numbered(network.get_initial_state(len(strings)))})}
