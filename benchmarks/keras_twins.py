"""The standard models as Keras has them, for `benchmarks.exports` and `benchmarks.tasks`.

For exports: LSTM and GRU layers and the standard network of each task, untrained, all of Keras's layers,
with the weights of ours. What Keras has no equal of says so.

For training: the same networks with Keras's recurrent layers and attention. What Keras has no layer for
(a CRF, pooling by attention, naive Bayes's ratios, words made of characters, tied weights) is the same on
both sides, and so are all rates but DropConnect's, which Keras lacks.
"""

import dataclasses
from unittest import mock

import numpy as np

import zoo
import keras
import tensorflow as tf

from zoo.layers.embedding import WordEmbedding
from zoo.layers.softmax import Softmax
from zoo.models import classifier, tagger
from zoo.models.classifier import Classifier, TextClassifier
from zoo.models.configurations import CLASSIFIERS, GENERATORS, TAGGERS, TRANSLATORS
from zoo.models.head import Signature
from zoo.models.language_model import SETTINGS, Generator, TextGenerator
from zoo.models.tagger import Tagger, TextTagger
from zoo.models.translator import TextTranslator, Translator
from zoo.text.subwords import GENERATED, Subwords
from zoo.text.text_pair import TextPair
from zoo.text.token_features import Tokens
from zoo.text.tokenizer import Text
from zoo.text.vocabulary import RESERVED

UNITS = 128
WORDS, CHARACTERS, LABELS = 5000, 100, 10
FORMATS = {"SavedModel": "tf_saved_model", "TFLite": "litert"}
CELLS = {"simple": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


# What both kinds are made of.

def both_ways(units, **options):
    return keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True, **options))


class Luong(keras.Model):
    """An LSTM that reads both ways, one that writes, and Luong's general attention between them."""

    def __init__(self, units, width):
        super().__init__()
        self.encoder = both_ways(units // 2, return_state=True)
        self.first = keras.layers.Dense(2 * units, "tanh")
        self.decoder = keras.layers.LSTM(units, return_sequences=True)
        self.keys = keras.layers.Dense(units, use_bias=False)
        self.attention = keras.layers.Attention()
        self.combination = keras.layers.Dense(width, "tanh", use_bias=False)

    def write(self, x, h, states, mask=None):
        """o [B, T, width] of the words before x [B, T, E], h [B, S, H], the encoder's last states."""
        first = keras.ops.split(self.first(keras.ops.concatenate(states, -1)), 2, -1)
        s = self.decoder(x, initial_state=first)
        c = self.attention([s, h, self.keys(h)], mask=mask)
        return self.combination(keras.ops.concatenate([s, c], -1))


# Exports: the layers.

@dataclasses.dataclass
class Case:
    """One question to a head of ours, and to the Keras model that is equal, if there is one.

    signature, inputs   of ours;  T  its length, for the table;  formats  what is compared
    twin, asked         the Keras model, with the same weights; what it is asked, in its inputs' order
    picked              its outputs, a list → what ours is to be equal to, {output name: array}
    missing             why there is no twin
    """
    name: str
    head: object
    signature: str
    inputs: dict
    T: int
    formats: tuple = tuple(FORMATS)
    twin: keras.Model | None = None
    asked: list = ()
    picked: object = None
    missing: str = ""


class Layer:
    """A recurrent layer as `export` takes it."""

    trackables = {}

    def __init__(self, layer):
        self.layer, self.variables = layer, layer.weights

    def lite_signatures(self):
        x = tf.TensorSpec([None, None, UNITS], tf.float32)
        return {"layer": Signature(lambda x: {"y": self.layer(x)}, {"x": x}).graph()}

    signatures = lite_signatures

    def example_inputs(self, strings):
        return {"layer": {"x": numbers(5)}}

    def assets(self):
        return {}


def numbers(T):
    return np.random.default_rng(T).normal(size=(1, T, UNITS)).astype("float32")


def layer_cases():
    for cell in ("LSTM", "GRU"):
        ours, theirs = (getattr(maker, cell)(UNITS, return_sequences=True)
                        for maker in (zoo, keras.layers))
        inputs = keras.Input((None, UNITS))
        twin = keras.Model(inputs, theirs(inputs))
        ours.build((None, None, UNITS))
        ours.set_weights(theirs.get_weights())
        head = Layer(ours)
        for T, kind in ((64, "TFLite"), (512, "TFLite"), (100, "SavedModel")):
            yield Case(cell, head, "layer", {"x": numbers(T)}, T, (kind,), twin, [numbers(T)],
                       lambda outputs: {"y": outputs[0]})


# Exports: the heads, the standard network of each task and its twin.

def named(name, count, reserved=RESERVED):
    return [*reserved, *(f"{name}{n}" for n in range(count - len(reserved)))]


def ids(T, size, first=len(GENERATED)):
    return np.random.default_rng(T).integers(first, size, (1, T)).astype(np.int32)


def copied(theirs, ours):
    """Give each layer of Keras the weights of ours."""
    for one, other in zip(theirs, ours, strict=True):
        weights = [weight for weight in other.weights if "seed" not in weight.path]
        one.set_weights([np.array(weight) for weight in weights])


def reader(network):
    """Keras's embedding and layers of a network that reads words both ways: inputs, h, and those two."""
    inputs, options = keras.Input((None,), dtype="int32"), network.options
    embedding = keras.layers.Embedding(WORDS, options.embedding, mask_zero=True)
    both = both_ways(options.units)
    return inputs, both(embedding(inputs)), [embedding, both]


def classifier_cases(T=32):
    network = Classifier(WORDS, 2, **CLASSIFIERS["bilstm"])
    (read, x, layers), linear = reader(network), keras.layers.Dense(2)
    pooled = [keras.layers.GlobalAveragePooling1D()(x), keras.layers.GlobalMaxPooling1D()(x)]
    twin = keras.Model(read, keras.ops.softmax(linear(keras.ops.concatenate(pooled, -1))))
    copied([*layers, linear], [network.embedding, network.recurrent, network.linear])
    head = TextClassifier(network, Text(named("w", WORDS)), ["no", "yes"])
    given = ids(T, WORDS)
    return [Case("classification, bilstm", head, "ids", {"ids": given}, T, twin=twin, asked=[given],
                 picked=lambda outputs: {"probabilities": outputs[0]})]


def tagger_cases(T=32):
    text, labels = Tokens(named("w", WORDS), named("c", CHARACTERS)), named("t", LABELS, ())
    heads = {name: TextTagger(Tagger(WORDS, labels, alphabet_size=CHARACTERS, **TAGGERS[name]), text)
             for name in ("bilstm", "bilstm_char_crf")}
    network, given = heads["bilstm"].network, ids(T, WORDS)
    (read, x, layers), linear = reader(network), keras.layers.Dense(LABELS)
    twin = keras.Model(read, keras.ops.softmax(linear(x)))
    copied([*layers, linear], [network.embedding, network.recurrent, network.linear])
    letters = ids(T * 8, CHARACTERS).reshape(1, T, 8)
    return [Case("tagging, bilstm", heads["bilstm"], "ids", {"ids": given}, T, twin=twin, asked=[given],
                 picked=lambda outputs: {"marginals": outputs[0]}),
            Case("tagging, bilstm_char_crf", heads["bilstm_char_crf"], "ids",
                 {"ids": given, "characters": letters}, T, missing="Keras has no CRF")]


def generator_twin(network):
    """A Keras model of ids and states → log p of all symbols, the states after."""
    units = network.options.units
    embedding = keras.layers.Embedding(CHARACTERS, network.options.embedding)
    lstm = keras.layers.LSTM(units, return_sequences=True, return_state=True)
    linear = keras.layers.Dense(CHARACTERS)
    read, *states = (keras.Input(shape, dtype=dtype) for shape, dtype in (
        ((None,), "int32"), ((units,), "float32"), ((units,), "float32")))
    y, *after = lstm(embedding(read), initial_state=states)
    twin = keras.Model([read, *states], [keras.ops.log_softmax(linear(y)), *after])
    copied([embedding, lstm], [network.embedding, network.decoder.layers[0]])
    linear.set_weights([np.transpose(network.softmax.kernel), np.array(network.softmax.bias)])
    return twin


def generator_cases(T=100):
    network = Generator(CHARACTERS, **GENERATORS["char_rnn"])
    twin = generator_twin(network)
    head = TextGenerator(network, Subwords(named("c", CHARACTERS, GENERATED), "character"))
    zeros = {f"state_{n}": np.zeros([1, network.options.units], np.float32) for n in range(2)}
    given, one = ids(T, CHARACTERS), ids(1, CHARACTERS)
    before = np.concatenate([one, given[:, :-1]], 1)

    def scores(outputs):
        found = next(output for output in outputs if output.ndim == 3)
        return {"log_probability": np.take_along_axis(found, given[..., None], 2)[..., 0]}

    def step(outputs):
        return {"log_probability": next(output for output in outputs if output.ndim == 3)[:, 0]}
    uniform = np.random.default_rng(0).random((1, T), np.float32)
    settings = {name: np.array(value, np.int32 if isinstance(value, int) else np.float32)
                for name, value in SETTINGS.items()}
    return [Case("generation, char_rnn: a text's score", head, "ids",
                 {"ids": given, "previous": one[0], **zeros}, T, twin=twin,
                 asked=[before, *zeros.values()], picked=scores),
            Case("generation, char_rnn: a step", head, "step", {"ids": one[0], **zeros}, 1, twin=twin,
                 asked=[one, *zeros.values()], picked=step),
            Case("generation, char_rnn: sampling", head, "generate_ids",
                 {"ids": one[0], "uniform": uniform, **zeros, **settings}, T,
                 missing="Keras has no loop that writes")]


def translator_twin(network):
    """A Keras model of a source and what was written → log p of all symbols."""
    width, ours = network.options.embedding, network.decoder
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "target"))
    embedding = keras.layers.Embedding(WORDS, width, mask_zero=True)
    reversible = keras.layers.ReversibleEmbedding(WORDS, width)
    luong = Luong(network.options.units, width)
    h, *last = luong.encoder(embedding(source))
    o = luong.write(reversible(target), h, last)
    twin = keras.Model([source, target], keras.ops.log_softmax(reversible(o, reverse=True)))
    copied([embedding, luong.encoder, luong.first, luong.decoder,
            luong.keys, luong.combination, reversible],
           [network.embedding, network.recurrent, ours.decoder.first_states, ours.decoder.layers[0],
            ours.attention, ours.combination, network.target_embedding])
    return twin


def translator_cases(T=32):
    network = Translator(WORDS, WORDS, **TRANSLATORS["lstm_luong"])
    twin = translator_twin(network)
    texts = [Subwords(named("w", WORDS, GENERATED), "word") for _ in range(2)]
    head = TextTranslator(network, TextPair(*texts))
    given, said = ids(T, WORDS), ids(T + 1, WORDS)[:, 1:]
    start = np.array([[texts[1].start]], np.int32)

    def scores(outputs):
        return {"log_probability": np.take_along_axis(outputs[0], said[..., None], 2)[..., 0]}
    name = "translation, lstm_luong"
    return [Case(f"{name}: a translation's score", head, "ids", {"ids": given, "target": said}, T,
                 twin=twin, asked=[given, np.concatenate([start, said[:, :-1]], 1)], picked=scores),
            Case(f"{name}: greedy", head, "greedy", {"ids": given}, T,
                 missing="Keras has no decoding")]


def head_cases():
    for cases in (classifier_cases, tagger_cases, generator_cases, translator_cases):
        yield from cases()


# Training.

def recurrent(options, return_sequences, dropout=0.0, recurrent_dropout=0.0):
    """`zoo.models.blocks.recurrent` of one layer, Keras's."""
    if options.layers != 1:
        raise ValueError(f"layers: expected 1, received {options.layers}")
    layer = CELLS[options.cell](options.units, return_sequences=return_sequences,
                                recurrent_dropout=recurrent_dropout)
    return keras.layers.Bidirectional(layer) if options.bidirectional else layer


def patched(module, network):
    """A new network of the same class and options whose recurrent layers are Keras's."""
    with mock.patch.object(module, "recurrent", recurrent):
        return type(network).from_config(network.get_config())


class TrainedGenerator(keras.Model):
    """A language model of one layer whose state goes on from batch to batch."""

    def __init__(self, network, batch_size):
        super().__init__()
        options = network.options
        width = options.embedding if options.tied else options.units
        self.embedding = WordEmbedding(network.vocabulary_size, options.embedding,
                                       options.word_dropout, options.embedding_dropout)
        self.recurrent = CELLS[options.cell](width, return_sequences=True, stateful=True)
        self.output_dropout = keras.layers.SpatialDropout1D(options.output_dropout)
        self.softmax = Softmax(network.vocabulary_size, options.tied)
        self.recurrent.build((batch_size, None, options.embedding))
        self.softmax.build((None, None, width))

    def call(self, inputs, training=False):
        h = self.recurrent(self.embedding(inputs["ids"], training=training), training=training)
        return self.output_dropout(h, training=training)

    def loss_of(self, targets, h):
        return self.softmax.loss(h, targets, *[self.embedding.embeddings] * self.softmax.tied)


class TrainedTranslator(Luong):
    """The translator with tied weights."""

    def __init__(self, network):
        options, width = network.options, network.options.embedding
        super().__init__(options.units, width)
        self.label_smoothing = options.label_smoothing
        self.read, self.written = (
            WordEmbedding(getattr(network, size), width, embedding_dropout=options.embedding_dropout)
            for size in ("source_size", "target_size"))
        self.values_dropout = keras.layers.SpatialDropout1D(options.layer_dropout)
        self.output_dropout = keras.layers.SpatialDropout1D(options.output_dropout)
        self.softmax = Softmax(network.target_size, tied=True)
        self.softmax.build((None, None, width))

    def call(self, inputs, training=False):
        there = inputs["source"] > 0
        h, *states = self.encoder(self.read(inputs["source"], training=training), mask=there)
        h = self.values_dropout(h, training=training)
        o = self.write(self.written(inputs["target"], training=training), h, states, [None, there])
        return self.output_dropout(o, training=training)

    def loss_of(self, targets, o):
        return self.softmax.loss(o, targets, self.written.embeddings,
                                 smoothing=self.label_smoothing)


def twin(name, network, batch_size):
    """The network of task `name` as Keras has it."""
    return {"sentiment": lambda: patched(classifier, network),
            "tagging": lambda: patched(tagger, network),
            "generation": lambda: TrainedGenerator(network, batch_size),
            "translation": lambda: TrainedTranslator(network)}[name]()


class Fitted(keras.Model):
    """A network under `fit`, its loss summed over a batch and divided by what the batch counts."""

    def __init__(self, network, loss_function):
        super().__init__()
        self.network, self.loss_function = network, loss_function

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        targets, count = y
        return self.loss_function(targets, y_pred) / count[0]
