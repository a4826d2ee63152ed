"""The neural cache against its formula, symbol by symbol."""

import numpy as np
import pytest

from tasks.generation.neural_cache import NeuralCache

T, H, V = 30, 4, 6


def text(seed=0):
    """Ids, the states before them, and what a model says of each symbol."""
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(V), T)
    return random.integers(0, V, T), random.normal(size=[T, H]).astype("float32"), p


def expected(ids, h, p, size, flatness, share):
    """The probabilities [T, V] of the mixture."""
    found = []
    for t in range(T):
        past = range(max(0, t - size), t)
        weight = np.zeros(V)
        for i in past:
            weight[ids[i]] += np.exp(flatness * np.dot(np.float64(h[t]), h[i]))
        found.append((1 - share) * p[t] + share * weight / weight.sum() if past else p[t])
    return np.array(found)


def found(ids, h, p, windows, **options):
    """The log-probabilities of all symbols, read in windows."""
    def read(ids, previous, states):
        first = states
        place = slice(first, first + ids.shape[1])
        return h[None, place], np.log(p[np.arange(T)[place], ids[0]])[None], first + ids.shape[1]

    cache, said, states = NeuralCache(read, **options), [], 0
    for window in windows:
        _, log_p, states = cache.read(ids[None, states:states + window], None, states)
        said.append(log_p[0])
    return np.concatenate(said)


OPTIONS = pytest.mark.parametrize("options", [
    {"size": 100, "flatness": 0.7, "share": 0.3}, {"size": 5, "flatness": 0.7, "share": 0.3},
    {"size": 1, "flatness": 2.0, "share": 0.9}, {"size": 8, "flatness": 0.0, "share": 0.5}], ids=str)


@OPTIONS
@pytest.mark.parametrize("windows", [[T], [1] * T, [7, 3, 20]], ids=str)
def test_the_mixture_is_that_of_the_formula(options, windows):
    ids, h, p = text()
    wanted = np.log(expected(ids, h, p, **options)[np.arange(T), ids])
    np.testing.assert_allclose(found(ids, h, p, windows, **options), wanted, rtol=1e-6)


@OPTIONS
def test_it_is_a_distribution(options):
    """Whatever comes last: the probabilities of all that could come sum to one."""
    ids, h, p = text(1)
    last = []
    for symbol in range(V):
        ids[-1] = symbol
        last.append(found(ids, h, p, [10, T - 10], **options)[-1])
    assert np.exp(last).sum() == pytest.approx(1)


def test_large_states_do_not_overflow():
    ids, h, p = text()
    assert np.isfinite(found(ids, 1000 * h, p, [T], size=9, flatness=5.0, share=0.5)).all()


def test_without_a_share_the_model_alone_speaks():
    ids, h, p = text()
    said = found(ids, h, p, [9, T - 9], size=9, flatness=1.0, share=0.0)
    np.testing.assert_allclose(said, np.log(p[np.arange(T), ids]))
