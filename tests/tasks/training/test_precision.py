"""Mixed precision: every head's network trains in it, and comes back in float32."""
import numpy as np
import pytest
import tensorflow as tf

from conftest import slow_but
from tasks.sentiment.dataset import SingleLabel
from tasks.training.precision import in_float32, mixed
from zoo.models.classifier import Classifier
from zoo.models.language_model import Generator
from zoo.models.tagger import Tagger
from zoo.models.translator import Translator

IDS = np.random.default_rng(0).integers(1, 9, [4, 7]).astype(np.int32)
SIZES = {"units": 8, "embedding": 6}


def classified(targets, logits):
    return SingleLabel.loss(targets, logits, 0.1)


def cases():
    """{name: (a network, its inputs, its targets, its loss)}"""
    both = {"source": IDS, "target": IDS[:, :5]}
    return {
        "classifier": lambda: (Classifier(9, 3, **SIZES), IDS, IDS[:, 0] % 3, classified),
        "ratios": lambda: (Classifier(9, 3, naive_bayes=True, ensemble=2, **SIZES), IDS, IDS[:, 0] % 3,
                           classified),
        "tagger": lambda: (net := Tagger(9, ["O", "B-X", "I-X"], "BIO", crf=True, **SIZES), IDS, IDS % 3,
                           net.loss_of),
        "generator": lambda: (net := Generator(9, tied=True, weight_drop=0.2, **SIZES), {"ids": IDS}, IDS,
                              lambda y, h: net.loss_of(y, h[0])),
        "adaptive": lambda: (net := Generator(9, cutoffs=[4], **SIZES), {"ids": IDS}, IDS,
                             lambda y, h: net.loss_of(y, h[0])),
        "translator": lambda: (net := Translator(9, 9, label_smoothing=0.1, **SIZES), both, IDS[:, :5],
                               net.loss_of),
        "fed": lambda: (net := Translator(9, 9, attention="additive", feeds="context", **SIZES), both,
                        IDS[:, :5], net.loss_of)}


@pytest.mark.parametrize("name", list(cases()))
def test_the_loss_and_its_gradient_are_near_those_of_float32(name):
    make, losses, gradients = cases()[name], [], []
    for wanted in (False, True):
        with mixed(wanted):
            network, inputs, targets, loss_of = make()
        assert network.weights[0].dtype == "float32"
        random = np.random.default_rng(1)
        network.set_weights([random.normal(0, 0.3, weight.shape) if "seed" not in weight.path else weight
                             for weight in network.weights])
        weights = [weight.value for weight in network.trainable_variables]
        with tf.GradientTape() as tape:
            losses.append(loss_of(tf.constant(targets), network(inputs)))
        found = tape.gradient(losses[-1], weights, unconnected_gradients="zero")
        gradients.append(np.concatenate([np.ravel(tf.convert_to_tensor(one)) for one in found]))
    assert losses[1].dtype == tf.float32
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
    assert not np.array_equal(*gradients)      # it was computed in another precision
    assert np.linalg.norm(gradients[1] - gradients[0]) < 0.1 * np.linalg.norm(gradients[0])


@pytest.mark.parametrize("name", slow_but(["ratios", "tagger", "translator"], cases()))
def test_it_comes_back_in_float32_with_the_same_weights(name):
    with mixed(True):
        network, inputs, *_ = cases()[name]()
    again = in_float32(network)
    for old, new in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    layers = list(again._flatten_layers(include_self=False))
    assert layers and {layer.compute_dtype for layer in layers} == {"float32"}
    assert tf.nest.flatten(again(inputs))[0].dtype == tf.float32


@pytest.mark.parametrize("name", ["translator", "fed"])
def test_what_a_step_says_is_float32(name):
    with mixed(True):
        network, *_ = cases()[name]()
    source, states = network.encode(tf.constant(IDS))
    logits, _, weights = network.step(tf.constant(IDS[:, 0]), states, source)
    assert logits.dtype == weights.dtype == tf.float32
