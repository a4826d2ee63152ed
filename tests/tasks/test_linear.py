"""The linear model of n-grams against closed forms and the conditions of its optimum."""

import numpy as np
import pytest

from tasks import linear
from tasks.sentiment.dataset import DATASETS
from zoo.layers.ngrams import NGrams

RANDOM = np.random.default_rng(0)
N, V, K = 30, 60, 3
X = (RANDOM.normal(size=(N, V)) * (RANDOM.random((N, V)) < 0.3)).astype(np.float32)
LABELS = (X @ RANDOM.normal(size=(V, K)) + RANDOM.normal(size=(N, K))).argmax(1)
SIGNS = 2 * np.eye(K)[LABELS] - 1
WITH_BIAS = np.hstack([X, np.ones([N, 1])])


@pytest.fixture(autouse=True)
def to_the_end(monkeypatch):
    """Every λ until nothing changes."""
    monkeypatch.setattr(linear, "EPOCHS", 400)
    monkeypatch.setattr(linear, "CLOSE", 1e-6)


def weights_for(monkeypatch, penalty, targets, numbers=False):
    monkeypatch.setattr(linear, "PENALTIES", (5.0, penalty))
    found = linear.fit(linear.rows_of(X), targets, V, lambda z: 0, numbers)
    assert np.abs(found.bias).max() > 0
    monkeypatch.setattr(linear, "PENALTIES", (penalty,))
    return linear.fit(linear.rows_of(X), targets, V, lambda z: 0, numbers)


@pytest.mark.parametrize("penalty", [0.2, 2.0])
def test_numbers_are_fitted_as_ridge_regression_does(monkeypatch, penalty):
    targets = X[:, :2] * 3 + 1
    found = weights_for(monkeypatch, penalty, targets, numbers=True)
    wanted = np.linalg.solve(WITH_BIAS.T @ WITH_BIAS + penalty * np.eye(V + 1), WITH_BIAS.T @ targets)
    np.testing.assert_allclose(np.vstack([found.kernel, found.bias]), wanted, atol=1e-3)


@pytest.mark.parametrize("penalty", [0.2, 2.0])
def test_labels_are_fitted_where_the_gradient_of_the_squared_hinge_vanishes(monkeypatch, penalty):
    found = weights_for(monkeypatch, penalty, SIGNS)
    w = np.vstack([found.kernel, found.bias]).astype(np.float64)
    slack = np.maximum(0, 1 - SIGNS * (WITH_BIAS @ w))
    np.testing.assert_allclose(penalty * w, WITH_BIAS.T @ (SIGNS * slack), atol=1e-3)
    assert (slack == 0).any() and (slack > 0).any()


def test_an_example_that_costs_twice_counts_as_if_it_were_there_twice(monkeypatch):
    monkeypatch.setattr(linear, "PENALTIES", (0.5,))
    rows, twice = linear.rows_of(X), [*range(N), *range(10)]
    costs = np.where(np.arange(N) < 10, 2.0, 1.0)[:, None]
    dear = linear.fit(rows, SIGNS, V, lambda z: 0, costs=costs)
    doubled = linear.fit([rows[n] for n in twice], SIGNS[twice], V, lambda z: 0)
    np.testing.assert_allclose(dear.kernel, doubled.kernel, atol=1e-3)
    assert np.abs(dear.kernel - linear.fit(rows, SIGNS, V, lambda z: 0).kernel).max() > 0.01


def test_what_is_said_out_of_fold_does_not_depend_on_the_texts_own_label(monkeypatch):
    monkeypatch.setattr(linear, "EPOCHS", 3)  # always as many passes, so in the same orders
    monkeypatch.setattr(linear, "CLOSE", 0)

    def said(targets):
        return linear.fit(linear.rows_of(X), targets, V, lambda z: 0).out_of_fold

    changed = SIGNS.copy()
    changed[7] *= -1
    same = np.abs(said(SIGNS) - said(changed)).max(1) == 0
    assert same[7] and same.sum() == N // linear.FOLDS


@pytest.mark.parametrize("best", [1, 5])
def test_the_penalty_with_the_best_score_out_of_fold_is_chosen(best):
    scores, seen = [int(n == best) for n in range(6)], []

    def score(predictions):
        seen.append(predictions.copy())
        return scores[len(seen) - 1]

    found = linear.fit(linear.rows_of(X), SIGNS, V, score)
    np.testing.assert_array_equal(found.out_of_fold, seen[best])
    w = np.vstack([found.kernel, found.bias])
    slack = np.maximum(0, 1 - SIGNS * (WITH_BIAS @ w))
    # λ·w_f/s_f² = Σ_i y_i·max(0, 1 − y_i f_i)·x_if; the first three have one s.
    scale = linear.uniform if best < 3 else linear.informed
    s = scale([linear.Row(np.append(places, V), np.append(values, 1)) for places, values
               in linear.rows_of(X)], SIGNS, V)
    np.testing.assert_allclose(linear.PENALTIES[best % 3] * w,
                               np.square(s)[:, None] * (WITH_BIAS.T @ (SIGNS * slack)), atol=1e-3)


def test_a_feature_may_weigh_more_where_it_says_more_of_the_labels():
    rows = [linear.Row(np.array(places), np.ones(len(places))) for places in [
        [0, 2, 3], [0, 2, 3], [1, 2, 3], [1, 3]]]      # 0: first label; 2: nearly nothing; 3: the bias
    s = linear.informed(rows, np.array([[1, -1], [1, -1], [-1, 1], [-1, 1]]), 3)
    q = (2 + 0.5) / (2 + 1)
    entropy = q * np.log(q / 0.5) + (1 - q) * np.log((1 - q) / 0.5)
    r = (2 + 0.5) / (3 + 1)
    little = r * np.log(r / 0.5) + (1 - r) * np.log((1 - r) / 0.5)
    assert s[0] / s[2] == pytest.approx((0.3 + np.sqrt(4 * entropy)) / (0.3 + np.sqrt(4 * little)))
    assert s[0] == pytest.approx(s[1]) and s[3] == 1
    lengths = [(np.square(row.values * s[row.places])[:-1].sum(), len(row.places) - 1) for row in rows]
    scaled, before = np.mean(lengths, 0)
    assert scaled == pytest.approx(before)


def test_a_layer_says_what_the_model_says():
    found = linear.fit(linear.rows_of(X), SIGNS, V, lambda z: 0).scaled(2.0)
    layer = NGrams(outputs=K, buckets=V)
    layer.build()
    found.give(layer)
    np.testing.assert_allclose(X @ np.array(layer.kernel) + np.array(layer.bias),
                               X @ found.kernel + found.bias, rtol=1e-6)


@pytest.mark.parametrize("kind", DATASETS)
def test_the_truth_scores_best(kind):
    targets = {"single": np.array([0, 1]), "multi": np.array([[1, 0], [0, 1]]),
               "regression": np.array([[1.0], [2.0]])}[kind]
    right = 5 * (2 * np.eye(2) - 1) if kind != "regression" else targets
    assert DATASETS[kind].score(targets, right) > DATASETS[kind].score(targets, right[::-1])
