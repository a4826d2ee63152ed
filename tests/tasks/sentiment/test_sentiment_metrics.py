"""Metrics against examples small enough to work out by hand."""
import math

import numpy as np
import pytest

from sklearn import metrics as peer

from tasks import calibration
from tasks.sentiment import metrics

# Three classes, five examples; predicted 0 0 1 2 1, so right, wrong, right, right, wrong.
LABELS = [0, 1, 1, 2, 2]
PROBABILITIES = [[.8, .1, .1], [.6, .3, .1], [.2, .7, .1], [.1, .1, .8], [.25, .5, .25]]


def test_accuracy_is_the_share_of_right_answers():
    assert metrics.accuracy(LABELS, PROBABILITIES) == pytest.approx(3 / 5)


def test_macro_f1_is_the_plain_mean_over_classes():
    f1 = [2 * 1 / (2 * 1 + 1 + 0), 2 * 1 / (2 * 1 + 1 + 1), 2 * 1 / (2 * 1 + 0 + 1)]
    assert metrics.macro_f1(LABELS, PROBABILITIES) == pytest.approx(sum(f1) / 3)


def test_macro_f1_ignores_classes_that_neither_occur_nor_are_predicted():
    assert metrics.macro_f1([0, 1], [[.9, .1, 0], [.2, .8, 0]]) == 1.0


def test_log_loss_is_the_mean_surprise_in_nats():
    expected = -(math.log(.8) + math.log(.3) + math.log(.7) + math.log(.8) + math.log(.25)) / 5
    assert metrics.log_loss(LABELS, PROBABILITIES) == pytest.approx(expected)


def test_log_loss_of_an_impossible_truth_is_large_and_finite():
    assert 30 < metrics.log_loss([1], [[1.0, 0.0]]) < 40


def test_calibration_error_by_hand_with_two_bins():
    # (0, ½] holds the last one: confidence .5, wrong. (½, 1]: mean confidence .725, 3 of 4 right.
    expected = 1 / 5 * .5 + 4 / 5 * abs(.75 - .725)
    assert calibration.expected_calibration_error(LABELS, PROBABILITIES, 2) == pytest.approx(expected)


def test_calibration_bins_are_closed_on_the_right():
    count, confidence, right = calibration.calibration([0, 0], [[.5, .5], [.500001, .499999]], 2)
    assert count.tolist() == [1, 1]


def test_certain_and_right_has_no_calibration_error():
    assert calibration.expected_calibration_error([0, 1], np.eye(2)) == 0


def test_confusion_matrix_has_truth_in_rows():
    matrix = metrics.confusion_matrix(LABELS, PROBABILITIES)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_classification_gathers_json_ready_numbers():
    result = metrics.classification(LABELS, PROBABILITIES)
    assert set(result) == {"accuracy", "macro_f1", "log_loss", "expected_calibration_error"}
    assert all(type(value) is float for value in result.values())


def sampled(temperature, n=4000, classes=4):
    """Logits, and labels that are drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, classes)) * 4
    draws = calibration.softmax(logits / temperature).cumsum(axis=1) > rng.random((n, 1))
    return logits, draws.argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_fitted_temperature_finds_the_one_labels_were_drawn_with(temperature):
    logits, labels = sampled(temperature)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.08)


def test_fitted_temperature_is_the_minimum_of_the_log_loss():
    logits, labels = sampled(2.0)
    best = calibration.fit_temperature(logits, labels)
    losses = [metrics.log_loss(labels, calibration.softmax(logits / (best * factor)))
              for factor in (0.97, 1.0, 1.03)]
    assert losses[1] < min(losses[0], losses[2])


def test_temperature_of_two_classes_meets_the_accuracy():
    # Sure to 1 / (1 + e^-4) but right 3 times of 4: softmax must say ¾, so 4 / T = ln 3.
    T = calibration.fit_temperature([[4.0, 0.0]] * 4, [0, 0, 0, 1])
    assert 4 / T == pytest.approx(math.log(3), rel=1e-4)


def test_temperature_of_sigmoids():
    T = calibration.fit_temperature([[4.0], [4.0], [4.0], [4.0]], [[1], [1], [1], [0]])
    assert 4 / T == pytest.approx(math.log(3), rel=1e-4)


def test_temperature_is_one_where_everything_is_right():
    assert calibration.fit_temperature([[3.0, 0.0], [0.0, 2.0]], [0, 1]) == 1.0


def test_multi_label_by_hand():
    labels = [[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]]
    given = [[.9, .2, .4], [.1, .8, .3], [.7, .1, .6], [.2, .3, .1]]
    # Given: {0}, {1}, {0, 2}, {}. By label TP 2 1 0, FP 0 0 1, FN 0 1 1.
    result = metrics.multi_label(labels, given)
    assert result["micro_f1"] == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))
    assert result["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert result["subset_accuracy"] == 2 / 4
    expected = -np.log([.9, .8, .4, .9, .8, .7, .7, .1, .4, .8, .7, .9]).mean()
    assert result["log_loss"] == pytest.approx(expected)


def f1(truth, found):
    """Of two sets: 2·P·R / (P + R); 1 where both are empty."""
    return 2 * len(truth & found) / (len(truth) + len(found)) if truth | found else 1.0


@pytest.mark.parametrize("predicted", [False, True])
def test_f1_of_several_labels_leaves_out_those_that_neither_side_has(predicted):
    """The fourth label is predicted in vain or by none, the fifth is on neither side."""
    random = np.random.default_rng(0)
    labels = random.random((30, 5)) < [.5, .3, .1, 0, 0]
    given = labels ^ (random.random((30, 5)) < [.3, .3, .3, .3 * predicted, 0])
    sets = [[{(n, k) for n in np.flatnonzero(flags[:, k])} for k in range(5)]
            for flags in (labels, given)]
    each = [f1(*pair) for pair in zip(*sets)][:3 + predicted]
    result = metrics.multi_label(labels, given)
    assert result["macro_f1"] == pytest.approx(sum(each) / len(each))
    together = [set().union(*several) for several in sets]
    assert result["micro_f1"] == pytest.approx(f1(*together))


@pytest.mark.parametrize("labels", [[[1, 0, 0], [0, 1, 0]], [[0, 0, 0]], [[1, 1, 1]]])
def test_perfect_predictions_of_several_labels_score_one(labels):
    result = metrics.multi_label(labels, labels)
    assert result["micro_f1"] == result["macro_f1"] == result["subset_accuracy"] == 1.0


def test_one_label_that_a_text_may_have_is_counted_by_hand():
    result = metrics.multi_label([[1], [1], [0], [0]], [[.9], [.2], [.3], [.8]])
    assert result["micro_f1"] == result["macro_f1"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert metrics.multi_label([[1], [1]], [[.9], [.8]])["macro_f1"] == 1


def test_targets_that_are_all_equal_have_no_variance_to_explain():
    assert metrics.regression([2, 2], [1, 3])["r_squared"] == 0


def test_regression_by_hand():
    result = metrics.regression([1, 2, 3, 4], [2, 2, 2, 6])
    assert result["mean_squared_error"] == (1 + 0 + 1 + 4) / 4
    assert result["mean_absolute_error"] == (1 + 0 + 1 + 2) / 4
    # deviations -1.5 -.5 .5 1.5 and -1 -1 -1 3: 6 / sqrt(5 · 12)
    assert result["pearson"] == pytest.approx(6 / math.sqrt(60))


def test_pearson_agrees_with_numpy():
    a, b = np.random.default_rng(1).normal(size=(2, 50))
    assert metrics.pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_pearson_of_a_constant_is_zero():
    assert metrics.pearson([1.0, 2.0], [3.0, 3.0]) == 0.0


def test_softmax_and_sigmoid_do_not_overflow():
    assert calibration.softmax([1000.0, 0.0]).tolist() == [1.0, 0.0]
    assert calibration.sigmoid([-1000.0, 0.0, 1000.0]).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("call, message", [
    (lambda: metrics.accuracy([0, 1], [[.5, .5]]), "received \\[2\\] and \\[1, 2\\]"),
    (lambda: metrics.accuracy([], np.zeros((0, 2))), "at least one example"),
    (lambda: metrics.log_loss([2], [[.5, .5]]), "labels from 0 to 1, received 2 to 2"),
    (lambda: metrics.multi_label([[1, 0]], [[.5]]), "received \\[1, 2\\] and \\[1, 1\\]"),
    (lambda: metrics.regression([1.0], [1.0, 2.0]), "received \\[1\\] and \\[2\\]"),
    (lambda: calibration.fit_temperature([[1.0, 0.0]], [0, 1]), "labels \\[N\\]"),
])
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_fitted_thresholds_are_the_best_of_all_cuts():
    rng = np.random.default_rng(0)
    labels = rng.random((60, 4)) < [0.1, 0.3, 0.6, 0.0]
    p = np.clip(0.3 * labels + 0.7 * rng.random((60, 4)), 0, 1)
    found = metrics.fit_thresholds(labels, p)
    for column in range(3):
        every = [peer.f1_score(labels[:, column], p[:, column] > cut)
                 for cut in (np.sort(p[:, column])[:-1] + np.sort(p[:, column])[1:]) / 2]
        score = peer.f1_score(labels[:, column], p[:, column] > found[column])
        assert score == pytest.approx(max(every)) and score >= peer.f1_score(
            labels[:, column], p[:, column] > 0.5)
    assert found[3] == 0.5


def test_the_thresholds_decide_what_is_counted():
    labels, p = [[1, 0], [1, 1]], [[0.3, 0.6], [0.3, 0.9]]
    assert metrics.multi_label(labels, p)["micro_f1"] == pytest.approx(2 / 5 * 1)
    assert metrics.multi_label(labels, p, [0.2, 0.7])["micro_f1"] == 1.0
