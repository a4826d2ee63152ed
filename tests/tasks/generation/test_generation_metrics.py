"""Perplexity and bits per character are what their formulas say, to any base."""
import math

import numpy as np
import pytest

from tasks.generation.metrics import (
    bits_per_character, cross_entropy, language, perplexity, perplexity_of)

Q = np.array([0.5, 0.2, 0.2, 0.1])


@pytest.mark.parametrize("base", [2, math.e, 10, 1.5])
def test_perplexity_is_the_geometric_mean_of_one_over_p(base):
    assert perplexity(Q, base) == pytest.approx((1 / np.prod(Q)) ** (1 / 4))


def test_perplexity_of_a_uniform_model_is_the_size_of_its_vocabulary():
    assert perplexity([1 / 65] * 1000) == pytest.approx(65)
    assert perplexity([1.0, 1.0]) == 1


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_perplexity_from_probabilities_and_from_cross_entropy_is_the_same(base):
    """b^(−1/N Σ_i log_b q(x_i)) = b^(−Σ_x n(x)/N · log_b q(x))"""
    counts = np.array([5, 3, 0, 2])
    entropy = cross_entropy(counts / counts.sum(), Q, base)
    assert entropy == pytest.approx(-(5 * math.log(.5) + 3 * math.log(.2) + 2 * math.log(.1)) / 10
                                    / math.log(base))
    assert perplexity_of(entropy, base) == pytest.approx(perplexity(np.repeat(Q, counts), base))


def test_the_entropy_of_a_distribution_is_its_cross_entropy_with_itself():
    assert cross_entropy([0.5, 0.25, 0.125, 0.125], [0.5, 0.25, 0.125, 0.125]) == 1.75
    assert cross_entropy([1.0, 0.0], [1.0, 0.0]) == 0


def test_bits_per_character_do_not_depend_on_the_tokens():
    """Eight characters as eight tokens of ½, or as two words of 1/16."""
    assert bits_per_character(8 * math.log(1 / 2), 8) == pytest.approx(1)
    assert bits_per_character(2 * math.log(1 / 16), 8) == pytest.approx(1)


def test_a_language_model_has_all_of_them():
    """10 sub-words of 1/32 each, of 6 words with 25 characters: 50 bits."""
    scores = language(10 * math.log(1 / 32), tokens=10, characters=25, words=6)
    assert scores == {"nats_per_token": pytest.approx(5 * math.log(2)), "perplexity": pytest.approx(32),
                      "bits_per_character": pytest.approx(2),
                      "word_perplexity": pytest.approx(2 ** (50 / 6))}
    assert all(type(value) is float for value in language(np.float32(-3), 2, 2, 2).values())
    assert set(language(-3.0, 2, 2)) == {"nats_per_token", "perplexity", "bits_per_character"}


def test_the_impossible_costs_infinitely_much():
    assert perplexity([0.5, 0.0]) == math.inf == cross_entropy([1.0], [0.0])
    assert language(-math.inf, 2, 2)["perplexity"] == math.inf == perplexity_of(1e9)


@pytest.mark.parametrize("call, message", [
    (lambda: perplexity([]), "at least one, received \\[0\\]"),
    (lambda: perplexity([0.5, 1.5]), "probabilities \\[N\\] from 0 to 1"),
    (lambda: perplexity([-3.0]), "probabilities \\[N\\] from 0 to 1"),
    (lambda: perplexity([math.nan]), "probabilities \\[N\\] from 0 to 1"),
    (lambda: perplexity([[0.5]]), "received \\[1, 1\\]"),
    (lambda: perplexity([0.5], 1), "a base above 1, received 1"),
    (lambda: cross_entropy([1.0], [0.5, 0.5]), "received 1 and 2"),
    (lambda: bits_per_character(-3, 0), "expected some characters to measure, received 0"),
    (lambda: language(-3, 0, 5), "expected some tokens"),
    (lambda: language(-3, 5, 5, 0), "expected some words")])
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
