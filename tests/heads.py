"""Tiny heads for the export tests: all that `export` asks of a head, and no more.

    x = E[ids];  h_t = tanh(x_t + h_{t-1}·U) where ids_t ≠ 0, else h_{t-1};  softmax(h_T·V)

The weights are random, none is trained: export does not care what a model has learnt.
"""
import types

import keras
import numpy as np
import tensorflow as tf

from export import tflite

TEXT = tf.TensorSpec([None], tf.string, "text")
IDS = tf.TensorSpec([None, None], tf.int32, "ids")


class Words(tf.Module):
    """Strings [B] → ragged ids: a table read from an asset, 0 padding, 1 unknown."""

    def __init__(self, path):
        super().__init__()
        self.words = path.read_text().split()
        source = tf.lookup.TextFileInitializer(
            str(path), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
        self.table = tf.lookup.StaticHashTable(source, default_value=-1)

    def split(self, strings):
        return tf.strings.split(strings)

    def __call__(self, strings):
        tokens = self.split(strings)
        return tokens.with_flat_values(tf.cast(self.table.lookup(tokens.flat_values) + 2, tf.int32))


class WordpieceWords(Words):
    """The same, split by an op of tensorflow-text."""

    def split(self, strings):
        import tensorflow_text
        return tensorflow_text.WhitespaceTokenizer().tokenize(strings)


class Head:
    """A recurrent classifier with the five things export asks for.

    `change` is applied to the ids inside `serving_default`: tests pass something
    that must not be exported. `units` sets the size of the weights.
    """
    labels = ["bad", "good"]

    def __init__(self, folder, words=Words, units=8, change=None):
        path = folder / "vocabulary.txt"
        path.write_text("a\nbad\nfilm\ngood\nnot\n好\n")
        self.text, self.units = words(path), units
        self.change = change or (lambda ids: ids)
        random = np.random.default_rng(7)
        shapes = {"E": (8, units), "U": (units, units), "V": (units, 2)}
        # Scaled so that U does not make the recurrence chaotic: rounding would grow with T.
        self.weights = {name: keras.Variable(random.normal(0, shape[0] ** -.5, shape)
                                             .astype("float32"), name=name)
                        for name, shape in shapes.items()}

    @property
    def variables(self):
        return list(self.weights.values())

    @property
    def trackables(self):
        return {"text": self.text}

    def assets(self):
        return {"labels.txt": "\n".join(self.labels) + "\n",
                "vocabulary.txt": "\n".join(self.text.words) + "\n"}

    def limits(self):
        return {}

    def example_inputs(self, strings):
        return {"serving_default": {"text": strings}, "embed": {"text": strings},
                "ids": {"ids": self.ids(strings)}}

    def state(self, ids):
        """ids [B, T] → the last state h [B, H]."""
        E, U = (self.weights[name].value for name in "EU")
        x = tf.transpose(tf.gather(E, ids), [1, 0, 2])
        mask = tf.transpose(tf.expand_dims(ids != 0, 2), [1, 0, 2])

        def step(t, h):
            new = tf.tanh(tf.gather(x, t) + tf.matmul(h, U))
            return t + 1, tf.where(tf.gather(mask, t), new, h)
        h = tf.zeros(tf.stack([tf.shape(ids)[0], self.units]))
        shapes = tf.TensorShape([]), tf.TensorShape([None, self.units])
        steps = tf.shape(ids)[1]
        return tf.while_loop(lambda t, h: t < steps, step, (0, h), shape_invariants=shapes)[1]

    def answer(self, ids):
        return tf.nn.softmax(tf.matmul(self.state(ids), self.weights["V"].value))

    def ids(self, strings):
        return self.text(strings).to_tensor(0)

    def signatures(self):
        @tf.function(autograph=False, input_signature=[TEXT])
        def serving_default(text):
            probabilities = self.answer(self.change(self.ids(text)))
            best = tf.argmax(probabilities, axis=1)
            return {"label": tf.gather(tf.constant(self.labels), best),
                    "probabilities": probabilities}

        @tf.function(autograph=False, input_signature=[TEXT])
        def embed(text):
            return {"representation": self.state(self.ids(text))}
        return {"serving_default": serving_default, "embed": embed, **self.lite_signatures()}

    def lite_signatures(self):
        @tf.function(autograph=False, input_signature=[IDS])
        def ids(ids):
            return {"probabilities": self.answer(ids)}
        return {"ids": ids}


def classifier(cell, pooling, bidirectional=True, units=8, **options):
    """A real head, untrained: the text classifier of the zoo."""
    from zoo.models.classifier import Classifier, TextClassifier
    from zoo.text.tokenizer import Text
    text = Text.learn(["a good film, not bad", "a bad film"])
    network = Classifier(len(text), outputs=2, cell=cell, pooling=pooling, units=units,
                         bidirectional=bidirectional, embedding=6, **options)
    if network.wide:
        network.wide.kernel.assign(keras.random.normal(network.wide.kernel.shape, seed=1))
    return TextClassifier(network, text, ["bad", "good"], temperature=1.5)


def as_lite(folder, variables, **signatures):
    """A runner of these `tf.function`s, {signature: function}, from a TFLite file of builtin ops."""
    head = types.SimpleNamespace(variables=variables, lite_signatures=lambda: signatures)
    tflite._save(head, folder / "model")
    path = folder / "float32.tflite"
    path.write_bytes(tflite._flatbuffer(folder / "model", "float32"))
    assert not [name for name in tflite.op_names(path) if name.startswith("custom")]
    return tflite.Lite(path)


def tagger(name, intents=()):
    """Another real head, untrained, of one of the zoo's configurations."""
    from zoo.models.configurations import TAGGERS, configuration
    from zoo.models.tagger import Tagger, TextTagger
    from zoo.text.token_features import Tokens
    text = Tokens.learn([["a", "good", "film", ",", "not", "bad"], ["a", "Bad", "film"]])
    options = {"units": 6, "embedding": 5, "character_units": 6, "character_embedding": 4}
    network = Tagger(len(text.words), ["B-X", "I-X", "O"], "BIO", alphabet_size=len(text.alphabet),
                     intents=intents, **configuration(TAGGERS, name, options))
    random = np.random.default_rng(3)
    for weight in network.trainable_weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    if network.intent and network.intent.wide:
        network.intent.wide.kernel.assign(random.normal(0, 2, network.intent.wide.kernel.shape))
    return TextTagger(network, text, temperature=1.5)


def generator(labels=(), tokenizer="character", **options):
    """A language model, untrained."""
    from zoo.models.language_model import Generator
    from zoo.text.subwords import Subwords
    from zoo.models.language_model import TextGenerator
    text = Subwords.learn(["sing o muse\nthe wrath 我 of\n"], tokenizer)
    network = Generator(len(text), labels, units=12, embedding=6, layers=2, **options)
    random = np.random.default_rng(1)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.7))
    return TextGenerator(network, text)


def translator(**options):
    """A translator from characters to words, untrained."""
    from zoo.text.subwords import Subwords
    from zoo.text.text_pair import TextPair
    from zoo.models.translator import TextTranslator
    from zoo.models.translator import Translator
    text = TextPair(Subwords.learn(["我爱中国他不茶好"], "character"),
                    Subwords.learn(["I love China .", "he does not love tea"], "word"))
    network = Translator(len(text.source), len(text.target), units=8, embedding=6, **options)
    random = np.random.default_rng(2)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.8))
    return TextTranslator(network, text)
