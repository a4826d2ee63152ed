"""BLEU, chrF and Π p_n^(1/2^n) (row 19 of the equations): examples, published definitions, bad input."""
import math
import random

import pytest

from tasks.translation.metrics import bleu_variant, precisions, signatures, translation

LABEL, PREDICTED = "A B C D E F".split(), "A B B C D".split()


# -------------------------------------------------------------------------------------------- sacreBLEU

def test_bleu_is_the_definition_by_hand():
    """c = 5, r = 6; p = 4/5, 2/4, 1/3 and none of 2, which smoothing makes 1/(2·2)."""
    score = translation(["the cat sat there yes"], [["the cat sat down there quietly"]], "en")["bleu"]
    expected = math.exp(1 - 6 / 5) * (4 / 5 * 2 / 4 * 1 / 3 * 1 / 4) ** 0.25
    assert score == pytest.approx(100 * expected, abs=1e-9)


def test_counts_are_summed_over_the_corpus_before_they_are_divided():
    predicted, references = ["a b c d e", "x y"], [["a b c d e"], ["x z"]]
    p = 6 / 7 * 4 / 5 * 3 / 3 * 2 / 2
    assert translation(predicted, references, "en")["bleu"] == pytest.approx(100 * p ** 0.25, abs=1e-9)


def test_any_of_several_references_counts_and_sources_may_have_more_or_fewer():
    predicted = ["there sat the big cat", "good day to you all"]
    one = [["the big cat sat there"], ["good day to you all"]]
    more = [[*one[0], "there sat the big cat"], one[1]]
    assert translation(predicted, more, "en") == {"bleu": pytest.approx(100), "chrf": pytest.approx(100),
                                                  "exact_match": 1.0}
    assert translation(predicted, one, "en")["bleu"] == pytest.approx(
        100 * (10 / 10 * 6 / 8 * 4 / 6 * 2 / 4) ** 0.25)
    assert translation(predicted, one, "en")["exact_match"] == 0.5


def test_chrf_is_the_definition_by_hand():
    """β = 2; "ab" against "ac": unigrams 1/2 and 1/2, bigrams none, longer ones do not exist."""
    assert translation(["ab"], [["ac"]], "en")["chrf"] == pytest.approx(100 * 0.5 / 2)


@pytest.mark.parametrize("language, same", [("zh", True), ("zh-CN", True), ("cmn", True), ("ja", True),
                                            ("en", False), ("und", False), (None, False)])
def test_chinese_and_japanese_are_cut_into_characters(language, same):
    score = translation(["我今天在学校学习"], [["我昨天在学校学习"]], language)["bleu"]
    expected = 100 * (7 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25
    assert (score == pytest.approx(expected)) is same


def test_signatures_say_what_was_measured():
    one, two, rest = [["a b"]], [["a b", "c"]], "smooth:exp|version:"
    assert signatures(one, "en")["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|" + rest)
    assert signatures(two, "zh_TW")["bleu"].startswith("nrefs:2|case:mixed|eff:no|tok:zh|" + rest)
    assert "tok:char" in signatures(one, "ja")["bleu"]
    assert "nrefs:var" in signatures(one + two, "en")["bleu"]
    assert signatures(one, "en")["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|")


def test_exact_matches_are_as_they_stand():
    predicted = ["I love China.", "I love China", "i love China.", ""]
    assert translation(predicted, [["I love China."]] * 4, "en")["exact_match"] == 0.25


def test_nothing_said_scores_nothing():
    nothing = {"bleu": 0.0, "chrf": 0.0, "exact_match": 0.0}
    assert translation(["", ""], [["a b c d"], ["e"]], "en") == nothing


@pytest.mark.parametrize("predicted, references, message", [
    (["a"], [], "received 0 and 1"),
    ([], [], "received 0 and 0"),
    (["a", "b"], [["a"], []], r"source 2: expected a list of references, received \[\]"),
    (["a"], ["a"], "source 1: expected a list of references, received 'a'"),
])
def test_what_does_not_fit_is_refused(predicted, references, message):
    with pytest.raises(ValueError, match=message):
        translation(predicted, references, "en")


# ---------------------------------------------------------------------------------------- the variant

def test_the_worked_example():
    assert [float(p) for p in precisions(PREDICTED, LABEL, 4)] == [4 / 5, 3 / 4, 1 / 3, 0]
    assert bleu_variant(PREDICTED, LABEL, 2) == pytest.approx(
        math.exp(-1 / 5) * (4 / 5) ** (1 / 2) * (3 / 4) ** (1 / 4), rel=1e-12)
    assert bleu_variant(PREDICTED, LABEL, 2) == pytest.approx(0.681, abs=5e-4)
    assert bleu_variant(PREDICTED, LABEL, 3) == pytest.approx(
        math.exp(-1 / 5) * (4 / 5) ** (1 / 2) * (3 / 4) ** (1 / 4) * (1 / 3) ** (1 / 8), rel=1e-12)
    assert bleu_variant(PREDICTED, LABEL, 4) == 0


def test_what_is_right_scores_one_and_what_is_long_is_not_rewarded():
    assert bleu_variant(LABEL, LABEL, 4) == 1
    assert bleu_variant(["A", "B"], ["A", "B"], 4) == 1
    assert bleu_variant([*LABEL, "G"], LABEL, 1) == pytest.approx((6 / 7) ** 0.5)
    assert bleu_variant([], LABEL, 4) == 0 and bleu_variant(["x"], [], 1) == 0


def test_a_prediction_that_stops_early_is_punished():
    scores = [bleu_variant(LABEL[:n], LABEL, 2) for n in range(2, 7)]
    assert scores == [pytest.approx(math.exp(1 - 6 / n)) for n in range(2, 7)]


def test_no_ngram_counts_more_often_than_the_label_has_it():
    generator = random.Random(0)
    for _ in range(200):
        label, predicted = (generator.choices("ABC", k=generator.randint(1, 8)) for _ in range(2))
        for n, p in enumerate(precisions(predicted, label, 4), 1):
            left, right = [tuple(label[i:i + n]) for i in range(len(label) - n + 1)], 0
            for gram in (tuple(predicted[i:i + n]) for i in range(len(predicted) - n + 1)):
                if gram in left:
                    left.remove(gram)
                    right += 1
            assert p == pytest.approx(right / (len(predicted) - n + 1))


def test_ngrams_have_a_token_at_least():
    with pytest.raises(ValueError, match="k: expected n-grams of at least 1 token, received 0"):
        precisions(PREDICTED, LABEL, 0)
