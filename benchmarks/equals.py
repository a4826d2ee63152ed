"""The models whose exports `benchmarks.exports` compares: ours, and Keras's with the same weights.

LSTM and GRU layers, and the standard network of each task, untrained. What Keras has no equal of says so.
"""

import dataclasses

import numpy as np

import zoo
import keras
import tensorflow as tf

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


# The layers.

class Layer:
    """A recurrent layer as `export` takes it."""

    trackables = {}

    def __init__(self, layer):
        self.layer, self.variables = layer, layer.weights

    def lite_signatures(self):
        x = tf.TensorSpec([None, None, UNITS], tf.float32)
        return {"layer": Signature(lambda x: {"y": self.layer(x)}, {"x": x}).graph()}

    signatures = lite_signatures

    def questions(self, strings):
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


# The heads: the standard network of each task, and its twin.

def named(name, count, reserved=RESERVED):
    return [*reserved, *(f"{name}{n}" for n in range(count - len(reserved)))]


def ids(T, size, first=len(GENERATED)):
    return np.random.default_rng(T).integers(first, size, (1, T)).astype(np.int32)


def copied(pairs):
    """Give each layer of Keras the weights of ours."""
    for theirs, ours in pairs:
        weights = [weight for weight in ours.weights if "seed" not in weight.path]
        theirs.set_weights([np.array(weight) for weight in weights])


def classifier(T=32):
    network = Classifier(WORDS, 2, **CLASSIFIERS["bilstm"])
    options, read = network.options, keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(WORDS, options["embedding"], mask_zero=True)
    both = keras.layers.Bidirectional(keras.layers.LSTM(options["units"], return_sequences=True))
    linear, x = keras.layers.Dense(2), both(embedding(read))
    pooled = [keras.layers.GlobalAveragePooling1D()(x), keras.layers.GlobalMaxPooling1D()(x)]
    twin = keras.Model(read, keras.ops.softmax(linear(keras.ops.concatenate(pooled, -1))))
    copied([(embedding, network.embedding), (both, network.recurrent), (linear, network.linear)])
    head = TextClassifier(network, Text(named("w", WORDS)), ["no", "yes"])
    given = ids(T, WORDS)
    return [Case("classification, bilstm", head, "ids", {"ids": given}, T, twin=twin, asked=[given],
                 picked=lambda outputs: {"probabilities": outputs[0]})]


def tagger(T=32):
    text, labels = Tokens(named("w", WORDS), named("c", CHARACTERS)), named("t", LABELS, ())
    heads = {name: TextTagger(Tagger(WORDS, labels, alphabet_size=CHARACTERS, **TAGGERS[name]), text)
             for name in ("bilstm", "bilstm_char_crf")}
    network, given = heads["bilstm"].network, ids(T, WORDS)
    read = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(WORDS, network.options["embedding"], mask_zero=True)
    both = keras.layers.Bidirectional(keras.layers.LSTM(network.options["units"], return_sequences=True))
    linear = keras.layers.Dense(LABELS)
    twin = keras.Model(read, keras.ops.softmax(linear(both(embedding(read)))))
    copied([(embedding, network.embedding), (both, network.recurrent), (linear, network.linear)])
    letters = ids(T * 8, CHARACTERS).reshape(1, T, 8)
    return [Case("tagging, bilstm", heads["bilstm"], "ids", {"ids": given}, T, twin=twin, asked=[given],
                 picked=lambda outputs: {"marginals": outputs[0]}),
            Case("tagging, bilstm_char_crf", heads["bilstm_char_crf"], "ids",
                 {"ids": given, "characters": letters}, T, missing="Keras has no CRF")]


def generator(T=100):
    network = Generator(CHARACTERS, **GENERATORS["char_rnn"])
    units = network.options["units"]
    embedding = keras.layers.Embedding(CHARACTERS, network.options["embedding"])
    lstm = keras.layers.LSTM(units, return_sequences=True, return_state=True)
    linear = keras.layers.Dense(CHARACTERS)
    read, *states = (keras.Input(shape, dtype=dtype) for shape, dtype in (
        ((None,), "int32"), ((units,), "float32"), ((units,), "float32")))
    y, *after = lstm(embedding(read), initial_state=states)
    twin = keras.Model([read, *states], [keras.ops.log_softmax(linear(y)), *after])
    copied([(embedding, network.embedding), (lstm, network.decoder.layers[0])])
    linear.set_weights([np.transpose(network.softmax.kernel), np.array(network.softmax.bias)])
    head = TextGenerator(network, Subwords(named("c", CHARACTERS, GENERATED), "character"))
    zeros = {f"state_{n}": np.zeros([1, units], np.float32) for n in range(2)}
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


def translator(T=32):
    network = Translator(WORDS, WORDS, **TRANSLATORS["lstm_luong"])
    units, width = network.options["units"], network.options["embedding"]
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "target"))
    embedding = keras.layers.Embedding(WORDS, width, mask_zero=True)
    reversible = keras.layers.ReversibleEmbedding(WORDS, width)
    both = keras.layers.Bidirectional(
        keras.layers.LSTM(units // 2, return_sequences=True, return_state=True))
    first = keras.layers.Dense(2 * units, "tanh")
    decoder = keras.layers.LSTM(units, return_sequences=True)
    keys, combination = (keras.layers.Dense(size, activation, use_bias=False)
                         for size, activation in ((units, None), (width, "tanh")))
    h, *last = both(embedding(source))
    states = keras.ops.split(first(keras.ops.concatenate(last, -1)), 2, -1)
    s = decoder(reversible(target), initial_state=states)
    o = combination(keras.ops.concatenate([s, keras.layers.Attention()([s, h, keys(h)])], -1))
    twin = keras.Model([source, target], keras.ops.log_softmax(reversible(o, reverse=True)))
    copied([(embedding, network.embedding), (both, network.recurrent),
            (first, network.decoder.decoder.first_states), (decoder, network.decoder.decoder.layers[0]),
            (keys, network.decoder.attention), (combination, network.decoder.combination),
            (reversible, network.target_embedding)])
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
    for task in (classifier, tagger, generator, translator):
        yield from task()
