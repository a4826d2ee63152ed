"""IBM model 1 against NLTK's, and word for word by hand."""
import collections
import random

import numpy as np
import pytest

from tasks.reading.splits import Pair
from tasks.translation.baselines import NULL, copied, ibm_model_1, joined, tokens, word_for_word

TRAIN = [Pair("klein ist das Haus", "the house is small"), Pair("das Haus", "the house"),
         Pair("das Haus ist ja groß", "the house is big"), Pair("das Buch", "the book"),
         Pair("das Buch ist ja klein", "the book is small"), Pair("ein Buch", "a book")]


def nltk_table(train, iterations):
    from nltk.translate import AlignedSent, IBMModel1
    corpus = [AlignedSent(target.split(), source.split()) for source, target in train]
    return IBMModel1(corpus, iterations).translation_table


@pytest.mark.parametrize("iterations", [1, 2, 5, 20])
def test_it_is_nltks_model(iterations):
    table, lexicon = nltk_table(TRAIN, iterations), ibm_model_1(TRAIN, iterations)
    assert len(lexicon.probability) > 30
    for source, target, p in zip(lexicon.source, lexicon.target, lexicon.probability):
        theirs = table[lexicon.targets[target]][lexicon.sources[source] or None]
        assert p == pytest.approx(theirs, abs=1e-9)


def test_it_is_nltks_model_on_random_sentences():
    generator = random.Random(0)
    train = [Pair(" ".join(generator.choices("abcdefgh", k=generator.randint(1, 7))),
                  " ".join(generator.sample("stuvwxyz", k=generator.randint(1, 7)))) for _ in range(50)]
    table, lexicon = nltk_table(train, 4), ibm_model_1(train, 4)
    for source, target, p in zip(lexicon.source, lexicon.target, lexicon.probability):
        theirs = table[lexicon.targets[target]][lexicon.sources[source] or None]
        assert p == pytest.approx(theirs, abs=1e-9)


def em(train, iterations):
    """The equations of model 1, word by word; a word that a sentence has twice is two words."""
    t = collections.defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts, totals = collections.Counter(), collections.Counter()
        for source, target in train:
            source = [NULL, *source.split()]
            for word in target.split():
                for other in source:
                    share = t[word, other] / sum(t[word, s] for s in source)
                    counts[word, other] += share
                    totals[other] += share
        t = {key: count / totals[key[1]] for key, count in counts.items()}
    return t


def test_words_that_come_twice_count_twice():
    train = [Pair("a b a", "x x y"), Pair("b c", "y z z"), Pair("c", "z")]
    t, lexicon = em(train, 3), ibm_model_1(train, 3)
    assert len(t) == len(lexicon.probability)
    for (target, source), p in t.items():
        assert lexicon.chance(source, target) == pytest.approx(p, rel=1e-12)


def test_the_probabilities_of_a_word_sum_to_one():
    lexicon = ibm_model_1(TRAIN)
    np.testing.assert_allclose(np.bincount(lexicon.source, lexicon.probability), 1)


def test_the_dictionary_is_found_in_random_sentences():
    generator = random.Random(1)
    dictionary = {f"s{i}": f"t{i}" for i in range(40)}
    train = []
    for _ in range(400):
        words = generator.sample(sorted(dictionary), 6)
        train.append((" ".join(words), " ".join(dictionary[word] for word in generator.sample(words, 6))))
    assert word_for_word(train, [" ".join(dictionary)]) == [" ".join(dictionary.values())]


def test_of_equally_probable_words_the_first_in_the_alphabet_is_said():
    for target in ("b a", "a b"):
        assert word_for_word([("x", target)], ["x"]) == ["a"]


def test_unknown_words_stay_and_order_stays():
    assert word_for_word(TRAIN, ["Haus das Xaver, Buch!", "", "?"]) == ["house the Xaver, book!", "", "?"]


def test_chinese_is_read_by_the_character():
    train = [("我爱", "I love"), ("我", "I"), ("爱", "love"), ("你", "you"), ("你爱", "you love")]
    assert word_for_word(train, ["我爱你。"]) == ["I love you。"]
    assert word_for_word([pair[::-1] for pair in train], ["I love you"]) == ["我爱你"]


def test_what_is_beyond_the_bound_is_not_read():
    """5·4 + 3·2 + 6·4 = 50 meetings in the first three pairs."""
    assert ibm_model_1(TRAIN, most=50).sources == sorted({"", *"klein ist das Haus ja groß".split()})
    assert ibm_model_1(TRAIN, most=49).sources == sorted({"", *"klein ist das Haus".split()})
    assert ibm_model_1(TRAIN, most=1).targets == sorted("the house is small".split())


@pytest.mark.parametrize("text, expected", [
    ("Don't stop: 3 (of) 我爱Bob!", ["Don't", "stop", ":", "3", "(", "of", ")", "我", "爱", "Bob", "!"]),
    ("ラーメンですか？", list("ラーメンですか？")),
    ("", []),
])
def test_tokens_are_words_signs_and_ideographs(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize("text", [
    "Well, yes (no): it's 3!", "¿Qué tal?", "我爱中国，你呢？", "", "I am Bob; you?"])
def test_tokens_are_joined_as_one_writes(text):
    assert joined(tokens(text)) == text


def test_copying_gives_the_sources():
    assert copied(TRAIN, ("a", "b")) == ["a", "b"]
