"""What differs between kinds of answers: targets that fit the model, measures without a unit."""

import types

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from tasks.reading.splits import Example
from tasks.sentiment.dataset import DATASETS


def measures(kind, targets, answers):
    """The measures of a dataset that has these targets."""
    data = DATASETS[kind].__new__(DATASETS[kind])
    data.targets, data.head = targets, types.SimpleNamespace(thresholds=0.5)
    return data.measures(answers)


@pytest.mark.parametrize("kind, label", [("single", "awful"), ("multi", ("bad", "awful"))])
def test_a_label_the_model_does_not_know_is_named_beside_those_it_knows(kind, label):
    with pytest.raises(ValueError, match="'awful'; expected labels among 'bad', 'good'"):
        DATASETS[kind].encoded([Example("x", label)], ["bad", "good"])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_quality_of_a_regression_does_not_depend_on_the_unit(scale):
    targets = scale * np.array([[1.0], [2.0], [3.0]])
    quality = [measures("regression", targets, answers)[DATASETS["regression"].quality]
               for answers in (targets, np.full([3, 1], 2 * scale), targets + 0.5 * scale)]
    # Exact; the mean; off by ½ where the variance is ⅔.
    np.testing.assert_allclose(quality, [1, 0, 1 - 0.25 / (2 / 3)], atol=1e-6)


@pytest.mark.parametrize("kind", DATASETS)
def test_every_quality_is_a_measure_that_is_highest_for_the_truth(kind):
    dataset, labels = DATASETS[kind], ["a", "b"]
    examples = {"single": [Example("", "a"), Example("", "b")],
                "multi": [Example("", ("a", "b")), Example("", ())],
                "regression": [Example("", 1.0), Example("", 2.0)]}[kind]
    targets = dataset.encoded(examples, labels)
    truth = np.eye(2)[targets] if kind == "single" else targets
    right, wrong = (measures(kind, targets, answers)[dataset.quality]
                    for answers in (truth, truth[::-1]))
    assert right == 1 > wrong


def test_flags_are_calibrated_one_by_one():
    # Four decisions, each 80 % sure, three of them right.
    found = measures("multi", np.array([[1, 0], [1, 1]]), np.array([[.8, .2], [.8, .2]]))
    assert found["expected_calibration_error"] == pytest.approx(0.05)


def dataset(kind, names, labels):
    """The dataset of texts of one token that have these labels."""
    head = types.SimpleNamespace(
        labels=names, text=lambda texts: tf.ragged.constant([[2]] * len(texts)))
    return DATASETS[kind](head, [Example("x", label) for label in labels])


def test_balanced_classes_weigh_as_scikit_learn_says():
    labels = ["a"] * 6 + ["b"] * 3 + ["c"]
    data = dataset("single", ["a", "b", "c"], labels)
    wanted = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    np.testing.assert_allclose(data.balanced(), wanted, rtol=1e-6)
    logits = tf.random.stateless_normal([10, 3], [0, 0])
    p = tf.nn.softmax(logits).numpy()[np.arange(10), data.targets]
    loss = data.loss(data.targets, logits, 0.0, data.balanced())
    assert float(loss) == pytest.approx(-(wanted[data.targets] * np.log(p)).sum(), rel=1e-5)


def test_balanced_flags_weigh_each_label_by_itself():
    rows = [("a", "b"), ("a",), ("a",), ()]
    data = dataset("multi", ["a", "b"], rows)
    np.testing.assert_allclose(data.balanced(), [[2.0, 4 / 6], [4 / 6, 2.0]], rtol=1e-6)
    logits = tf.random.stateless_normal([4, 2], [1, 0])
    by_hand = sum(compute_class_weight("balanced", classes=np.array([0, 1]), y=column)[int(y)]
                  * np.log1p(np.exp(-z if y else z))
                  for column, zs in zip(data.targets.T, logits.numpy().T) for y, z in zip(column, zs))
    loss = data.loss(data.targets, logits, 0.0, data.balanced())
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)
