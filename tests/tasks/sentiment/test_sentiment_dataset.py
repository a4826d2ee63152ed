"""What differs between kinds of predictions: targets that fit the model, metrics without a unit."""

import types

import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from tasks import calibration
from tasks.reading.splits import Example
from tasks.sentiment import metrics
from tasks.sentiment.dataset import DATASETS
from zoo.models.classifier import Classifier, TextClassifier
from zoo.text.tokenizer import Text


def metrics_of(kind, targets, predictions):
    """The metrics of a dataset that has these targets."""
    data = DATASETS[kind].__new__(DATASETS[kind])
    data.targets, data.head = targets, types.SimpleNamespace(thresholds=0.5)
    return data.metrics(predictions)


@pytest.mark.parametrize("kind, label", [("single", "awful"), ("multi", ("bad", "awful"))])
def test_a_label_the_model_does_not_know_is_named_beside_those_it_knows(kind, label):
    with pytest.raises(ValueError, match="'awful'; expected labels among 'bad', 'good'"):
        DATASETS[kind].encoded([Example("x", label)], ["bad", "good"])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_quality_of_a_regression_does_not_depend_on_the_unit(scale):
    targets = scale * np.array([[1.0], [2.0], [3.0]])
    quality = [metrics_of("regression", targets, predictions)[DATASETS["regression"].quality]
               for predictions in (targets, np.full([3, 1], 2 * scale), targets + 0.5 * scale)]
    # Exact; the mean; off by ½ where the variance is ⅔.
    np.testing.assert_allclose(quality, [1, 0, 1 - 0.25 / (2 / 3)], atol=1e-6)


@pytest.mark.parametrize("kind", DATASETS)
def test_every_quality_is_a_metric_that_is_highest_for_the_truth(kind):
    dataset, labels = DATASETS[kind], ["a", "b"]
    examples = {"single": [Example("", "a"), Example("", "b")],
                "multi": [Example("", ("a", "b")), Example("", ())],
                "regression": [Example("", 1.0), Example("", 2.0)]}[kind]
    targets = dataset.encoded(examples, labels)
    truth = np.eye(2)[targets] if kind == "single" else targets
    right, wrong = (metrics_of(kind, targets, predictions)[dataset.quality]
                    for predictions in (truth, truth[::-1]))
    assert right == 1 > wrong


def test_baselines_are_not_judged_by_the_thresholds_of_the_network():
    data = DATASETS["multi"].__new__(DATASETS["multi"])
    data.targets, data.head = np.array([[1.0], [0]]), types.SimpleNamespace(thresholds=0.2)
    p = np.array([[.6], [.3]])
    assert data.metrics(p)["subset_accuracy"] == 0.5 < data.metrics_of_baseline(p)["subset_accuracy"] == 1


def test_flags_are_calibrated_one_by_one():
    # Four decisions, each 80 % sure, three of them right.
    found = metrics_of("multi", np.array([[1, 0], [1, 1]]), np.array([[.8, .2], [.8, .2]]))
    assert found["expected_calibration_error"] == pytest.approx(0.05)


def with_linear_model(kind, labels, predictions, layers=1):
    """A head and the dataset of some texts, after the linear model of n-grams was fitted on them."""
    texts = [f"{word} film {n}" for n in range(15) for word in ("good", "fine", "bad", "unbearably dull")]
    text = Text.learn(texts)
    network = Classifier(len(text), len(labels), units=3, embedding=3, layers=layers, ngrams=1 << 10)
    head = TextClassifier(network, text, labels, kind)
    data = DATASETS[kind](head, [Example(text, predictions[n % len(predictions)])
                                 for n, text in enumerate(texts)])
    data.wide = data.fit_linear(network.wide, seed=0)
    return head, data


@pytest.mark.parametrize("layers", [0, 1])
def test_the_linear_model_is_fitted_on_all_texts_and_corrected_where_it_has_not_seen_them(layers):
    head, data = with_linear_model("single", ["no", "yes"], ["yes", "yes", "no", "no"], layers)
    batch = data.batch(np.arange(5))
    assert list(batch.inputs) == ["ids", "wide"][1 - layers:]
    np.testing.assert_array_equal(batch.inputs["wide"], data.wide[:5])
    seen = head.network(data.padded(range(60))).numpy()
    assert metrics.accuracy(data.targets, seen) == metrics.accuracy(data.targets, data.wide) == 1
    assert (np.abs(seen).mean() > np.abs(data.wide).mean()) and np.abs(seen - data.wide).max() > 0.01


def test_the_inverse_document_frequency_is_that_of_scikit_learn():
    head, data = with_linear_model("single", ["no", "yes"], ["yes", "yes", "no", "no"])
    seen = (head.network.wide.counts(data.padded(range(60))["code_points"]).numpy() > 0).sum(0)
    np.testing.assert_allclose(head.network.wide.idf, np.log(61 / (1 + seen)) + 1, rtol=1e-6)
    assert 0 in seen and 15 in seen and 60 in seen


@pytest.mark.parametrize("kind, labels, predictions", [
    ("single", ["a", "b", "c"], ["a", "b", "c", "c"]),
    ("multi", ["a", "b"], [("a", "b"), ("a",), (), ("b",)])])
def test_a_linear_model_of_labels_is_as_sure_as_it_is_right(kind, labels, predictions):
    rng = np.random.default_rng(0)
    often_right = [predictions[n % 4 if rng.random() < 0.7 else rng.integers(4)] for n in range(60)]
    _, data = with_linear_model(kind, labels, often_right)
    assert 0.5 < data.score(data.targets, data.wide) < 0.95
    assert calibration.fit_temperature(data.wide, data.targets) == pytest.approx(1, abs=1e-3)


def test_numbers_are_fitted_on_the_scale_that_the_network_learns():
    head, data = with_linear_model("regression", ["stars"], [5.0, 4.0, 1.0, 2.0])
    found = head.network(data.padded(range(60))).numpy()
    np.testing.assert_allclose(found, data.wanted, atol=0.5)
    assert np.corrcoef(data.wide[:, 0], data.wanted[:, 0])[0, 1] > 0.95


def dataset(kind, names, labels):
    """The dataset of texts of one token that have these labels."""
    head = types.SimpleNamespace(
        labels=names, text=lambda texts: tf.ragged.constant([[2]] * len(texts)),
        network=types.SimpleNamespace(reads=["ids"], wide=None))
    return DATASETS[kind](head, [Example("x", label) for label in labels])


@pytest.mark.parametrize("kind, predictions, costs", [
    ("single", ["no", "yes", "yes", "yes"], [[2.0], [2 / 3], [2 / 3], [2 / 3]]),
    ("multi", [("no",), ("yes",), (), ("yes",)], [[2.0, 1], [2 / 3, 1], [2 / 3, 1], [2 / 3, 1]])])
def test_a_text_costs_what_its_labels_weigh(kind, predictions, costs):
    data = dataset(kind, ["no", "yes"], predictions)
    np.testing.assert_allclose(data.costs(data.balanced()), costs, rtol=1e-6)


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
