"""Dynamic evaluation: scored before it is learnt, learnt and forgotten as the formula says."""

import numpy as np
import tensorflow as tf

from tasks.generation.dataset import RunningText
from tasks.generation.dynamic_evaluation import DynamicEvaluation
from tasks.generation.streams import Stream
from zoo.models.language_model import Generator, TextGenerator
from zoo.text.subwords import Subwords

VERSE = "sing o muse the wrath\n" * 12


def head_of(**options):
    """A head with random weights, the same at every call."""
    text = Subwords.learn([VERSE], "character")
    network = Generator(len(text), units=5, embedding=4, **options)
    random = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(random.normal(size=weight.shape, scale=0.5))
    return TextGenerator(network, text)


def read_all(head, read, window=11):
    data = RunningText(head, Stream([VERSE], 0, len(VERSE)))
    return data.read_by(read, start(head), window)


def start(head):
    return head.network.start({"ids": np.zeros([1, 1], np.int32)})


def test_the_weights_take_the_step_of_the_formula():
    head, other = head_of(output_dropout=0.5), head_of()
    trained = [np.array(weight) for weight in other.network.trainable_weights]
    reader, states = DynamicEvaluation(head, rate=0.3, decay=0.1), start(head)
    last = np.array([head.text.start], np.int32)
    for window in np.split(np.int32(head.text([VERSE]).to_list()[0][:24])[None], 3, 1):
        with tf.GradientTape() as tape:
            log_p, after = other.score(tf.constant(window), tf.constant(last), states)
            loss = -tf.reduce_sum(log_p) / 8
        weights = other.network.trainable_weights
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        found = reader.read(window, last, states)
        for one, wanted in zip(tf.nest.flatten(found), [log_p, *after], strict=True):
            np.testing.assert_allclose(one, wanted, atol=1e-5)
        for weight, gradient, first in zip(weights, gradients, trained):
            now = np.array(weight)
            weight.assign(now - 0.3 * np.array(tf.convert_to_tensor(gradient)) + 0.1 * (first - now))
        for one, wanted in zip(head.network.trainable_weights, weights):
            np.testing.assert_allclose(one, wanted, atol=1e-5)
        states, last = after, window[:, -1]


def test_without_a_rate_nothing_changes():
    head = head_of()
    np.testing.assert_allclose(read_all(head, DynamicEvaluation(head, 0.0, 0.5).read),
                               read_all(head, head.score), atol=1e-6)


def test_what_comes_again_is_learnt():
    head = head_of()
    static = read_all(head, head.score)
    dynamic = read_all(head, DynamicEvaluation(head, 0.5, 0.0).read)
    np.testing.assert_allclose(dynamic[:11], static[:11], atol=1e-5)
    assert dynamic[-22:].mean() > static[-22:].mean() + 0.2
