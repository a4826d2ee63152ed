"""The network of language models: one pass, one step, what training adds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.models.language_model import Generator

IDS = np.array([[5, 2, 7, 7, 3, 4], [6, 6, 2, 3, 8, 5]], np.int32)


def random_network(labels=(), **options):
    """Weights that are random and distinct."""
    network = Generator(9, labels, units=5, embedding=4, **{"layers": 2, **options})
    random = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.5))
    return network


def given(labels):
    return {"ids": tf.constant(IDS), **({"label": tf.constant([1, 0])} if labels else {})}


KINDS = pytest.mark.parametrize("labels, options", [
    ((), {}), ((), {"tied": True}), ((), {"cell": "gru"}), ((), {"cell": "simple", "layers": 1}),
    ((), {"cutoffs": [4, 6]}), ("ab", {"vector": "first"}), ("ab", {"vector": "every"})])


@KINDS
def test_steps_give_what_one_pass_gives(labels, options):
    network = random_network(labels, **options)
    h, after = network(given(labels))
    states, logits = network.start(given(labels)), []
    for ids in IDS.T:
        z, states = network.step(tf.constant(ids), states)
        logits.append(z)
    np.testing.assert_allclose(network.logits(h), np.stack(logits, 1), atol=1e-5)
    for one, other in zip(after, states, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@KINDS
def test_a_text_in_two_windows_is_the_text_in_one(labels, options):
    network, inputs = random_network(labels, **options), given(labels)
    whole, _ = network(inputs)
    first, states = network({**inputs, "ids": inputs["ids"][:, :4]})
    second, _ = network({**inputs, "ids": inputs["ids"][:, 4:]}, states)
    np.testing.assert_allclose(tf.concat([first, second], 1), whole, atol=1e-5)


def test_the_label_decides_from_the_first_symbol_on():
    for vector in ("first", "every"):
        network = random_network("ab", vector=vector)
        same = {"ids": tf.constant(IDS[:1].repeat(2, 0)), "label": tf.constant([0, 1])}
        h, _ = network(same)
        assert np.abs(h[0] - h[1]).max(-1).min() > 1e-3


def test_tied_logits_are_products_with_the_embedding():
    network = random_network(tied=True)
    h, _ = network({"ids": tf.constant(IDS)})
    expected = np.asarray(h) @ np.asarray(network.embedding.embeddings).T
    np.testing.assert_allclose(network.logits(h), expected + network.softmax.bias.numpy(), atol=1e-5)
    assert not [weight for weight in network.weights if weight.shape == (4, 9)]


@pytest.mark.parametrize("tied", [False, True])
def test_with_cutoffs_a_rare_symbol_has_the_probability_of_its_cluster_times_its_own_there(tied):
    network = random_network(tied=tied, cutoffs=[3, 7])
    h = np.asarray(network({"ids": tf.constant(IDS)})[0])
    weight = {weight.name: np.asarray(weight) for weight in network.softmax.weights}
    if tied:
        table = np.asarray(network.embedding.embeddings)
        head, tail = np.concatenate([table[:3], weight["kernel_clusters"]]), h @ table[3:7].T
    else:
        head, tail = weight["kernel_0"], h @ weight["projection_1"] @ weight["kernel_1"].T
    clusters = keras.ops.softmax(h @ head.T + weight["bias_0"])
    inside = keras.ops.softmax(tail + weight["bias_1"])
    found = np.exp(network.logits(h))
    np.testing.assert_allclose(found[..., :3], clusters[..., :3], rtol=1e-4)
    np.testing.assert_allclose(found[..., 3:7], clusters[..., 3:4] * inside, rtol=1e-4)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_with_cutoffs_every_weight_learns():
    for tied in (False, True):
        network = random_network(tied=tied, cutoffs=[3, 7])
        with tf.GradientTape() as tape:
            h, _ = network({"ids": tf.constant(IDS)}, training=True)
            loss = network.loss_of(tf.constant(IDS), h)
        for gradient in tape.gradient(loss, network.trainable_weights):
            assert np.any(tf.convert_to_tensor(gradient))


@pytest.mark.parametrize("options", [{}, {"cutoffs": [3, 7]}, {"cutoffs": [4], "tied": True}], ids=str)
def test_the_loss_is_the_negative_log_probability_of_what_is_no_padding(options):
    network = random_network(**options)
    targets = np.array([[2, 3, 0, 0, 0, 0], [4, 8, 5, 1, 0, 0]], np.int32)
    h, _ = network({"ids": tf.constant(IDS)})
    z = np.asarray(network.logits(h), np.float64)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    expected = np.take_along_axis(log_p, targets[..., None], -1)[..., 0] * (targets > 0)
    np.testing.assert_allclose(network.log_probability(h, targets), expected, atol=1e-5)
    np.testing.assert_allclose(network.loss_of(targets, h), -expected.sum(), rtol=1e-6)


def test_padding_leaves_the_states_as_they_are():
    network = random_network()
    there = tf.constant([[True] * 6, [True] * 3 + [False] * 3])
    _, states = network({"ids": tf.constant(IDS)}, padding_mask=there)
    _, short = network({"ids": tf.constant(IDS[1:, :3])})
    for padded, alone in zip(states, short, strict=True):
        np.testing.assert_allclose(padded[1:], alone, atol=1e-6)


def test_the_penalties_are_the_mean_square_of_h_and_of_its_changes():
    network = random_network(activation_penalty=2.0, temporal_penalty=3.0)
    h, _ = network({"ids": tf.constant(IDS)}, training=True)
    expected = [2 * np.mean(np.square(h)), 3 * np.mean(np.square(np.diff(h, axis=1)))]
    np.testing.assert_allclose(sorted(network.losses), sorted(expected), rtol=1e-5)
    network({"ids": tf.constant(IDS)})
    assert not network.losses


def test_a_dropped_row_is_dropped_wherever_it_occurs():
    network = random_network(word_dropout=0.5)
    ids = tf.constant(np.arange(9, dtype=np.int32).repeat(4).reshape(2, 18))
    x = np.asarray(network.embedding(ids, training=True)).reshape(9, 4, -1)
    table = np.asarray(network.embedding.embeddings)
    dropped = (x == 0).all((1, 2))
    assert 0 < dropped.sum() < 9
    np.testing.assert_allclose(x[~dropped], 2 * table[~dropped][:, None].repeat(4, 1), rtol=1e-6)


@pytest.mark.parametrize("option", [
    "embedding_dropout", "layer_dropout", "output_dropout", "recurrent_dropout", "weight_drop"])
def test_every_dropout_acts_in_training_alone(option):
    network = random_network(**{option: 0.5})
    inputs = {"ids": tf.constant(IDS)}
    plain, _ = random_network()(inputs)
    np.testing.assert_array_equal(network(inputs)[0], plain)
    assert np.abs(network(inputs, training=True)[0] - plain).max() > 1e-3


def test_a_saved_network_is_the_same(tmp_path):
    network = random_network("ab", vector="every", tied=True)
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(given("ab"))[0], network(given("ab"))[0])


def test_a_saved_network_keeps_its_cutoffs(tmp_path):
    network = random_network(cutoffs=[3, 7])
    network.save(tmp_path / "model.keras")
    again, (h, _) = keras.saving.load_model(tmp_path / "model.keras"), network({"ids": tf.constant(IDS)})
    np.testing.assert_array_equal(again.logits(h), network.logits(h))


def test_cutoffs_beyond_the_vocabulary_are_refused():
    with pytest.raises(ValueError, match=r"cutoffs: .* between 1 and 8, received \[20\]"):
        Generator(9, cutoffs=[20])


def test_an_unknown_cell_and_no_layer_are_refused():
    with pytest.raises(ValueError, match="cell: expected one of .*, received 'qrnn'"):
        Generator(9, cell="qrnn")
    with pytest.raises(ValueError, match="layers: expected a whole number of at least 1, received 0"):
        Generator(9, layers=0)
