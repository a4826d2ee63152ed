"""What stands at masked steps, NaN and infinity too, reaches no output and no gradient."""
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import slow_but
from zoo import engines
from zoo.layers import pooling
from zoo.models.classifier import Classifier
from zoo.layers.naive_bayes import LogCountRatios
from zoo.layers.output_recurrent import OutputRecurrentRNN
from zoo.layers.softmax import Softmax
from zoo.models.tagger import Tagger

B, T, D = 3, 5, 4
MASK = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
IDS = np.where(MASK, [[2, 3, 4, 2, 5]], 0).astype("int32")
STEPS = tf.ones([B, 2, 6])


def recurrent(make):
    def reader():
        layer = make()
        return layer, lambda x: layer(x, mask=tf.constant(MASK))

    return reader


def pooled(make):
    def reader():
        layer = make()
        return layer, lambda x: layer(x, tf.constant(MASK))

    return reader


def with_options(cell, **options):
    return recurrent(lambda: cell(D, return_sequences=True, return_state=True, **options))


def decoder():
    layer = zoo.Decoder([zoo.GRU(D), zoo.GRU(D)], vector="every", residual=True)
    return layer, lambda x: layer(x, tf.ones([B, 2]), inputs_mask=tf.constant(MASK))


def attention(score, **options):
    def reader():
        layer = zoo.Attention(score, **options)
        query = STEPS[:, 0, :D] if options.get("coverage") else STEPS[..., :D]
        return layer, lambda x: layer(query, x, values_mask=tf.constant(MASK))

    return reader


def attention_decoder(feeds):
    def reader():
        layer = zoo.AttentionDecoder(zoo.LSTM(3), feeds=feeds)
        return layer, lambda x: layer(STEPS, x, values_mask=tf.constant(MASK))

    return reader


def context():
    layer = zoo.Context("pooled", units=3)
    return layer, lambda x: layer(x, [tf.ones([B, 2])], sequence_mask=tf.constant(MASK))


def crf(method):
    def reader():
        layer = zoo.CRF(list("abcd"))
        calls = {"tags": lambda x: tf.cast(layer(x, mask=MASK), tf.float32),
                 "marginals": lambda x: layer.marginals(x, MASK),
                 "log_likelihood": lambda x: layer.log_likelihood(x, np.where(MASK, 1, -100), MASK)}
        return layer, calls[method]

    return reader


def output_recurrent(hidden, targets=None, **options):
    def reader():
        layer = OutputRecurrentRNN(3, outputs=2, hidden=hidden, **options)
        return layer, lambda x: layer(x, targets, mask=MASK)

    return reader


def plain(function):
    return lambda: (keras.layers.Layer(), lambda x: function(x, tf.constant(MASK)))


def naive_bayes():
    layer = LogCountRatios(9, 2)
    layer.build((None, None))
    return layer, lambda x: layer.sum(tf.constant(IDS), tf.reshape(x, [B, T, 2, 2]))


def classifier():
    network = Classifier(9, 2, units=3, embedding=3, naive_bayes=True, filters=2,
                         pooling="mean+max+attention")
    network.linear.kernel.assign(tf.ones_like(network.linear.kernel))
    return network, lambda x: network({"ids": tf.constant(IDS), "ratios": tf.reshape(x, [B, T, 2, 2])})


def tagger_loss(crf):
    def reader():
        network = Tagger(9, list("abcd"), crf=crf, units=3, embedding=3)
        return network.crf or keras.layers.Layer(), lambda x: network.loss_of(np.where(MASK, 1, -1), x)

    return reader


def log_probability():
    softmax = Softmax(9)
    return softmax, lambda x: softmax.log_probability(x, tf.constant(IDS))


CELLS = {"simple": zoo.SimpleRNN, "gru": zoo.GRU, "lstm": zoo.LSTM}
OPTIONS = [("go_backwards", True), ("zero_output_for_mask", True), ("truncate", 1), ("zoneout", .1),
           ("layer_normalization", True)]
READERS = {
    **{f"{name} {engine}": with_options(cell, engine=engine) for name, cell in CELLS.items()
       for engine in ("loop", "native")},
    **{f"{name} {option}": with_options(CELLS[name], **{option: value})
       for name, (option, value) in itertools.product(CELLS, OPTIONS)},
    "last": recurrent(lambda: zoo.GRU(D)),
    "bidirectional": recurrent(lambda: zoo.Bidirectional(zoo.LSTM(D, return_sequences=True))),
    "stack": recurrent(
        lambda: zoo.Stack([zoo.GRU(D, return_sequences=True) for _ in "12"], residual=True)),
    "cudnn": recurrent(lambda: zoo.CudnnLSTM(2, 3)),
    "decoder": decoder, "context": context,
    **{score: attention(score) for score in ("additive", "dot", "general")},
    "coverage": attention("additive", coverage=True),
    **{f"attention decoder {feeds}": attention_decoder(feeds)
       for feeds in ("nothing", "output", "context")},
    "mean": plain(pooling.mean), "max": plain(pooling.maximum),
    "attention pooling": pooled(pooling.AttentionPooling),
    "convolution pooling": pooled(lambda: pooling.ConvolutionPooling(3)),
    **{f"crf {method}": crf(method) for method in ("tags", "marginals", "log_likelihood")},
    **{f"output recurrent {hidden}": output_recurrent(hidden) for hidden in (False, True)},
    **{f"teacher forcing {hidden}": output_recurrent(hidden, np.where(MASK, 1, -1))
       for hidden in (False, True)},
    "naive bayes": naive_bayes, "classifier": classifier, "log probability": log_probability,
    **{f"tagger's loss {crf}": tagger_loss(crf) for crf in (False, True)}}


# Each option once, with the cells in turn; the rest of the grid is slow.
UNUSUAL = {f"{name} {option}" for i, name in enumerate(CELLS) for j, (option, _) in enumerate(OPTIONS)
           if i != j % len(CELLS)}


def outputs_and_gradients(read, layer, x):
    """All outputs, and the gradients of a weighted sum of them in x and in the layer's weights."""
    with tf.GradientTape() as tape:
        tape.watch(x := tf.constant(x))
        outputs = tf.nest.flatten(read(x))
        random = np.random.default_rng(1)
        total = sum(tf.reduce_sum(y * random.normal(size=y.shape)) for y in outputs)
    return outputs, tape.gradient(total, [x, *layer.trainable_variables])


@pytest.mark.parametrize("name", slow_but([name for name in READERS if name not in UNUSUAL], READERS))
def test_numbers_at_masked_steps_reach_nothing(name):
    keras.utils.set_random_seed(0)
    if "native" in name and engines.ENGINES["native"].unmet(zoo.GRU(D)):
        pytest.skip(engines.ENGINES["native"].unmet(zoo.GRU(D)))
    layer, read = READERS[name]()
    x = np.random.default_rng(0).normal(size=[B, T, D]).astype("float32") * MASK[..., None]
    read(tf.constant(x))
    clean = outputs_and_gradients(read, layer, x)
    for number in (np.nan, np.inf, -np.inf):
        dirty = outputs_and_gradients(read, layer, np.where(MASK[..., None], x, np.float32(number)))
        assert_same(dirty, clean)


def assert_same(dirty, clean):
    (found, (dirty_dx, *dirty_gradients)), (outputs, (dx, *gradients)) = dirty, clean
    for one, other in zip([*outputs, *gradients], [*found, *dirty_gradients]):
        if one is None:
            assert other is None
        else:
            np.testing.assert_array_equal(tf.convert_to_tensor(other), tf.convert_to_tensor(one))
    if dx is not None:
        np.testing.assert_array_equal(dirty_dx, dx)
        assert not dirty_dx.numpy()[~MASK].any()


@pytest.mark.parametrize("cell", CELLS.values())
def test_an_error_of_an_output_that_a_mask_hides_reaches_nothing(cell):
    keras.utils.set_random_seed(0)
    layer = cell(D, return_sequences=True, zero_output_for_mask=True)
    x, upstream = tf.random.normal([B, T, D]), np.random.default_rng(0).normal(size=[B, T, D])

    def gradients(upstream):
        with tf.GradientTape() as tape:
            y = layer(x, mask=tf.constant(MASK))
        return tape.gradient(y, layer.trainable_variables, tf.constant(upstream, tf.float32))

    for clean, found in zip(gradients(upstream), gradients(np.where(MASK[..., None], upstream, np.nan))):
        np.testing.assert_array_equal(found, clean)
