"""The network of translation: one pass, one step, what training adds, and whom attention sees."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import diagonal, slow_but
from zoo.layers.softmax import Softmax
from zoo.models.translator import Translator

SOURCE = np.array([[5, 2, 7, 7, 3], [6, 4, 2, 0, 0]], np.int32)
TARGET = np.array([[2, 9, 4, 6], [2, 8, 10, 3]], np.int32)


def random_network(**options):
    """Weights that are random and distinct."""
    network = Translator(8, 11, **{"units": 6, "embedding": 4, **options})
    random = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.5))
    return network


def given():
    return {"source": tf.constant(SOURCE), "target": tf.constant(TARGET)}


NO = {"attention": "none"}
FAST = [
    {"tied": False, "layers": 2, "residual": True}, {"attention": "dot", "bidirectional": False},
    {"attention": "additive", "feeds": "context", "cell": "gru"},
    {"attention": "additive", "coverage": True, "feeds": "output"},
    {**NO, "vector": "first", "context": "last"}, {**NO, "vector": "every", "context": "pooled"},
    {**NO, "vector": "every", "context": "transformed", "layers": 2, "cell": "simple"},
    {**NO, "vector": "copied", "tied": False, "context": "pooled", "cell": "gru", "truncate": 2}]
KINDS = pytest.mark.parametrize("options", slow_but(FAST, [
    *FAST, {}, {"attention": "concat", "cell": "gru"}, {"feeds": "output"},
    {**NO, "vector": "every", "context": "last"}, {**NO, "vector": "first", "context": "transformed"},
    {**NO, "vector": "first", "context": "pooled", "tied": False},
    {**NO, "vector": "copied", "tied": False, "bidirectional": False}]),
    ids=lambda options: "-".join(map(str, options.values())) or "default")


@KINDS
def test_steps_give_what_one_pass_gives(options):
    network = random_network(**options)
    o = network(given())
    source, states = network.encode(tf.constant(SOURCE))
    assert [state.shape[1] for state in states] == [size or 5 for size in network.state_sizes]
    assert {name: list(tensor.shape[2:]) for name, tensor in source.items() if name != "source"} == {
        name: shape[1:] for name, shape in network.source_shapes.items()}
    logits = []
    for ids in TARGET.T:
        z, states, *weights = network.step(tf.constant(ids), states, source)
        logits.append(z)
        for one in weights:
            np.testing.assert_allclose(tf.reduce_sum(one, 1), 1, atol=1e-5)
            assert not one[1, 3:].numpy().any()
    assert len(weights) == network.attends
    np.testing.assert_allclose(network.logits(o), np.stack(logits, 1), atol=1e-5)


@KINDS
def test_padding_changes_nothing(options):
    network = random_network(**options)
    together = network(given())
    alone = network({"source": tf.constant(SOURCE[1:, :3]), "target": tf.constant(TARGET[1:])})
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)


@KINDS
def test_the_source_decides_from_the_first_word_on(options):
    network = random_network(**options)
    other = SOURCE.copy()
    other[:, 0] = 1
    o = network({"source": tf.constant(other), "target": tf.constant(TARGET)})
    assert np.abs(o - network(given()))[:, 0].max() > 1e-3


@KINDS
def test_every_weight_has_a_gradient(options):
    network = random_network(**options)
    with tf.GradientTape() as tape:
        loss = network.loss_of(tf.constant(TARGET), network(given(), training=True))
    gradients = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
    for weight, gradient in zip(network.trainable_weights, gradients, strict=True):
        assert gradient is not None and np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_tied_weights_predict_with_the_embedding():
    network = random_network(tied=True)
    o = network(given())
    expected = np.asarray(o) @ np.asarray(network.target_embedding.embeddings).T
    np.testing.assert_allclose(network.logits(o), expected + np.asarray(network.softmax.bias), atol=1e-5)
    assert len([weight for weight in network.weights if weight.shape == (11, 4)]) == 1


def smoothed(logits, targets, epsilon):
    """−Σ q·log p of its definition, in float64."""
    z = np.asarray(logits, np.float64)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    q = np.eye(z.shape[-1])[targets] * (1 - epsilon) + epsilon / z.shape[-1]
    return -(q * log_p).sum(-1)[targets > 0].sum()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_the_loss_is_the_smoothed_cross_entropy_of_what_is_no_padding(tied, epsilon):
    network = random_network(tied=tied, label_smoothing=epsilon)
    targets = np.array([[9, 4, 6, 3], [8, 3, 0, 0]], np.int32)
    o = network(given())
    expected = smoothed(network.logits(o), targets, epsilon)
    np.testing.assert_allclose(network.loss_of(tf.constant(targets), o), expected, rtol=1e-5)
    if not epsilon:
        log_p = network.log_probability(o, targets)
        assert (np.asarray(log_p)[targets == 0] == 0).all()
        np.testing.assert_allclose(-np.sum(log_p), expected, rtol=1e-5)


def test_the_smoothed_loss_has_the_gradient_of_its_definition():
    softmax, targets = Softmax(7), tf.constant([[1, 6, 2], [3, 0, 0]])
    h = tf.constant(np.random.default_rng(1).normal(size=[2, 3, 4]), tf.float32)
    softmax.build(h.shape)
    weights = [weight.value for weight in softmax.trainable_weights]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(h)
        loss = softmax.loss(h, targets, smoothing=0.2)
        q = tf.one_hot(targets, 7) * 0.8 + 0.2 / 7
        terms = tf.nn.softmax_cross_entropy_with_logits(q, softmax(h))
        plain = tf.reduce_sum(terms * tf.cast(targets > 0, tf.float32))
    for one, other in zip(tape.gradient(loss, [h, *weights]), tape.gradient(plain, [h, *weights])):
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, atol=1e-5)


@pytest.mark.parametrize("option, kind", diagonal([
    "word_dropout", "embedding_dropout", "layer_dropout", "output_dropout", "recurrent_dropout",
    "weight_drop"], [{}, {**NO, "layers": 2}]))
def test_every_dropout_acts_in_training_alone(option, kind):
    network = random_network(**{option: 0.5}, **kind)
    plain = random_network(**kind)(given())
    np.testing.assert_array_equal(network(given()), plain)
    assert np.abs(network(given(), training=True) - plain).max() > 1e-3


def test_dropped_coordinates_are_dropped_from_the_whole_sequence():
    network = random_network(embedding_dropout=0.5)
    x = np.asarray(network.embedding(tf.constant([[3, 4, 5, 6]]), training=True))[0]
    dropped = (x == 0).all(0)
    np.testing.assert_array_equal(x == 0, np.broadcast_to(dropped, x.shape))
    table = np.asarray(network.embedding.embeddings)[3:7]
    np.testing.assert_allclose(x[:, ~dropped], 2 * table[:, ~dropped], rtol=1e-6)


def test_scheduled_sampling_reads_what_the_network_expected():
    network = random_network(sampling=0.999999)
    expected = np.asarray(tf.argmax(network.logits(network(given())), -1))
    own = {**given(), "target": tf.constant(np.c_[TARGET[:, 0], expected[:, :-1]].astype(np.int32))}
    np.testing.assert_allclose(network(given(), training=True), network(own), atol=1e-6)
    half = random_network(sampling=0.5)
    read = half.read(tf.constant(np.tile(SOURCE, (100, 1))))
    ids = half._sampled(tf.constant(np.tile(TARGET, (100, 1))), read).numpy().reshape(100, 2, 4)
    differ = expected[:, :-1] != TARGET[:, 1:]
    share = (ids != TARGET)[:, :, 1:][:, differ].mean()
    assert (ids[:, :, 0] == TARGET[:, 0]).all() and 0.4 < share < 0.6


def test_padding_is_never_read_as_a_word_of_one_s_own():
    network = random_network(sampling=0.999999)
    written = np.array([[2, 9, 0, 0], [2, 8, 10, 0]], np.int32)
    ids = network._sampled(tf.constant(written), network.read(tf.constant(SOURCE)))
    assert not ids.numpy()[written == 0].any()


def test_residuals_are_added_in_the_encoder_and_in_the_decoder():
    network = random_network(layers=2, residual=True)
    plain = random_network(layers=2)
    values, other = (one.read(tf.constant(SOURCE))[0] for one in (network, plain))
    there = (SOURCE > 0)[..., None]
    below = plain.recurrent.layers[0](plain.embedding(SOURCE), mask=tf.constant(SOURCE > 0))[0]
    np.testing.assert_allclose(values * there, (other + below) * there, atol=1e-5)
    assert network.decoder.decoder.residual and not plain.decoder.decoder.residual


def test_attention_looks_where_the_key_is():
    network = random_network(attention="dot", bidirectional=False, cell="simple", embedding=6, units=6)
    source, states = network.encode(tf.constant([[2, 3, 4]]))
    source["values"] = source["keys"] = tf.constant([[[9.0] * 6, [-9.0] * 6, [0.0] * 6]])
    _, after, weights = network.step(tf.constant([2]), states, source)
    query = float(tf.reduce_sum(after[0]))
    expected = tf.nn.softmax([9 * query, -9 * query, 0.0])
    np.testing.assert_allclose(weights[0], expected, atol=1e-5)


def test_a_saved_network_is_the_same(tmp_path):
    for options in ({"feeds": "output", "layers": 2}, {**NO, "vector": "every", "context": "pooled"}):
        network = random_network(**options)
        network.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(again(given()), network(given()))


@pytest.mark.parametrize("cell", ("gru", "lstm"))
def test_the_decoder_starts_from_the_states_that_the_encoder_ends_with(cell):
    network = random_network(**NO, vector="copied", cell=cell, layers=2, tied=False, bidirectional=False)
    ids = tf.constant(SOURCE)
    _, *final = network.recurrent(network.embedding(ids), mask=ids > 0)
    _, first = network.encode(ids)
    for given, wanted in zip(first, final, strict=True):
        np.testing.assert_array_equal(given, wanted)
    assert not [weight for weight in network.weights if "first_states" in weight.path]


@pytest.mark.parametrize("options, message", [
    ({"cell": "qrnn"}, "cell: expected one of .*, received 'qrnn'"),
    ({"layers": 0, "attention": "none"}, "layers: expected a whole number of at least 1, received 0"),
    ({"attention": "local"}, "attention: expected one of .*, received 'local'"),
    ({"units": 7}, "units: expected an even number .*, received 7"),
    ({"coverage": True}, "coverage: expected attention='additive' .*, received 'general'"),
    ({"vector": "copied"}, "vector: expected attention='none' with 'copied', received 'general'"),
    ({**NO, "vector": "copied", "tied": False}, r"vector: .*widths \[512, 512\] .*received \[256, 256"),
    ({**NO, "vector": "copied", "bidirectional": False}, r"vector: .*\[256, 256\] .*received \[512, 512"),
    ({"truncate": 0}, "truncate: expected a whole number of at least 1, received 0"),
    ({"truncate": 3, "feeds": "output"}, "truncate: expected feeds='nothing' .*received feeds='output'"),
    ({"truncate": 3, "attention": "additive", "coverage": True}, "truncate: .*received .*coverage=True")])
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Translator(8, 11, **options)
