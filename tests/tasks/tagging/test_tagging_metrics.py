"""Metrics of tagging against conlleval: its published output, and its way of counting, in a stream."""
import collections
import itertools
import random

import numpy as np
import pytest

from tasks.tagging import metrics

# The example output on the page of the CoNLL-2000 shared task: right, found, gold; P, R, F1 in percent.
PUBLISHED = {"ADJP": (0, 1, 6, 0.00, 0.00, 0.00), "ADVP": (5, 11, 8, 45.45, 62.50, 52.63),
             "NP": (206, 317, 262, 64.98, 78.63, 71.16), "PP": (89, 107, 90, 83.18, 98.89, 90.36),
             "SBAR": (2, 3, 6, 66.67, 33.33, 44.44), "VP": (69, 100, 87, 69.00, 79.31, 73.80)}
OVERALL = (371, 539, 459, 68.83, 80.83, 74.35)


def percent(scores):
    return tuple(round(100 * scores[name], 2) for name in ("precision", "recall", "f1"))


def test_scores_are_those_that_conlleval_published():
    gold, predicted = [], []
    for kind, (right, found, wanted, *_) in PUBLISHED.items():
        span = [f"B-{kind}"], ["O"]
        gold += [span[0]] * wanted + [span[1]] * (found - right)
        predicted += [span[0]] * right + [span[1]] * (wanted - right) + [span[0]] * (found - right)
    assert percent(metrics.span_scores(gold, predicted)) == OVERALL[3:]
    rows = metrics.per_label(gold, predicted, "BIO")
    assert {row["label"]: (row["predicted"], row["gold"], *percent(row)) for row in rows} == {
        kind: facts[1:] for kind, facts in PUBLISHED.items()}


def conlleval(gold, predicted):
    """Right, found and gold phrases, token by token as conlleval does: a phrase that both sides begin
    together stays a candidate while both go on together, and is right if both end together."""
    right = found = wanted = 0
    for true, guess in zip(gold, predicted):
        candidate = None
        steps = (itertools.pairwise(["O", *tags, "O"]) for tags in (true, guess))
        for (a, b), (c, d) in zip(*steps):
            ends = ended(a, b), ended(c, d)
            if candidate and all(ends) and a[2:] == c[2:]:
                right, candidate = right + 1, None
            elif candidate and (ends[0] != ends[1] or b[2:] != d[2:]):
                candidate = None
            begins = began(a, b), began(c, d)
            candidate = True if all(begins) and b[2:] == d[2:] else candidate
            wanted, found = wanted + begins[0], found + begins[1]
    return right, found, wanted


def ended(left, right):
    return left != "O" and (right == "O" or right[0] == "B" or left[2:] != right[2:])


def began(left, right):
    return right != "O" and (left == "O" or right[0] == "B" or left[2:] != right[2:])


def counts(gold, predicted):
    rows = metrics.per_label(gold, predicted, "BIO")
    found, wanted = (sum(row[side] for row in rows) for side in ("predicted", "gold"))
    scores = metrics.span_scores(gold, predicted)
    assert scores["f1"] * (found + wanted) == pytest.approx(2 * scores["recall"] * wanted)
    return round(scores["precision"] * found), found, wanted


def test_spans_are_counted_as_conlleval_counts_them_over_all_short_sequences():
    every = [list(tags) for tags in itertools.product(["O", "B-x", "I-x", "I-y"], repeat=3)]
    for gold in every:
        for predicted in every:
            assert counts([gold], [predicted]) == conlleval([gold], [predicted]), (gold, predicted)


def test_spans_are_counted_as_conlleval_counts_them_over_long_random_sequences():
    rng = random.Random(3)
    tags = ["O", "B-x", "I-x", "B-y", "I-y"]
    gold = [rng.choices(tags, k=rng.randint(1, 30)) for _ in range(200)]
    predicted = [[tag if rng.random() < 0.8 else rng.choice(tags) for tag in row] for row in gold]
    assert counts(gold, predicted) == conlleval(gold, predicted)


@pytest.mark.parametrize("gold, predicted, right, found, wanted", [
    ("B-x I-x", "I-x I-x", 1, 1, 1),              # a span may begin with I
    ("B-x I-x", "B-x B-x", 0, 2, 1),
    ("B-x I-x", "B-x I-y", 0, 2, 1),              # another type begins another span
    ("B-x I-x I-x", "B-x I-x O", 0, 1, 1),        # half a span is no span
    ("B-x O B-x", "B-x I-x I-x", 0, 1, 2),
    ("B-x B-x", "B-x I-x", 0, 1, 2),
    ("O O", "O O", 0, 0, 0),
])
def test_tricky_cases(gold, predicted, right, found, wanted):
    gold, predicted = [gold.split()], [predicted.split()]
    assert counts(gold, predicted) == conlleval(gold, predicted) == (right, found, wanted)


def test_a_span_never_crosses_the_end_of_a_sentence():
    gold, apart = [["B-x"], ["I-x"]], [["B-x", "I-x"]]
    assert counts(gold, gold) == (2, 2, 2) and counts(apart, apart) == (1, 1, 1)


def test_schemes_do_not_change_the_score():
    assert metrics.span_scores([["S-x", "B-y", "E-y"]], [["B-x", "B-y", "I-y"]])["f1"] == 1


def test_accuracies_count_tokens():
    tokens = [("a", "b", "c"), ("d",), ()]
    gold, predicted = [["X", "Y", "Y"], ["X"], []], [["X", "Y", "X"], ["Y"], []]
    found = metrics.tagging(tokens, gold, predicted, None, known={"a", "d"})
    assert found == {"token_accuracy": 2 / 4, "unseen_accuracy": 1 / 2}
    assert metrics.unseen_accuracy(tokens, gold, predicted, {*"abcd"}) is None
    assert set(metrics.tagging([("a",)], [["O"]], [["O"]], "BIO", set())) == {
        "span_precision", "span_recall", "span_f1", "token_accuracy", "unseen_accuracy"}


def test_plain_tags_have_a_row_each():
    gold, predicted = [["X", "Y", "Y", "Z"]], [["X", "Y", "X", "X"]]
    rows = {row["label"]: row for row in metrics.per_label(gold, predicted, None)}
    assert rows["X"] == {"label": "X", "precision": 1 / 3, "recall": 1.0, "f1": 0.5,
                         "gold": 1, "predicted": 3}
    assert rows["Y"]["f1"] == pytest.approx(2 / 3) and rows["Z"]["recall"] == 0
    lines = metrics.table(list(rows.values()))
    assert len(lines) == 4 and lines[1].split() == ["X", "0.3333", "1.0000", "0.5000", "1", "3"]


def test_a_table_without_spans_has_its_head_alone():
    assert metrics.table(metrics.per_label([["O", "O"]], [["O", "O"]], "BIO")) == [
        "label  precision  recall      f1    gold  predicted"]


def test_confusion_is_counted_by_pairs():
    rng = np.random.default_rng(0)
    labels = ["a", "b", "c"]
    gold, predicted = (rng.choice(labels, 200).tolist() for _ in range(2))
    count = collections.Counter(zip(gold, predicted))
    found = metrics.confusion_matrix([gold[:90], gold[90:]], [predicted[:90], predicted[90:]], labels)
    assert found.tolist() == [[count[a, b] for b in labels] for a in labels]


@pytest.mark.parametrize("call, message", [
    (lambda: metrics.token_accuracy([["X"]], []), "as many sentences on both sides, received 1 and 0"),
    (lambda: metrics.span_scores([["O"], ["O", "O"]], [["O"], ["O"]]), "sentence 2: .* received 2 and 1"),
    (lambda: metrics.token_accuracy([[]], [[]]), "at least one token"),
    (lambda: metrics.confusion_matrix([["X"]], [["Q"]], ["X"]), "expected tags of X, received X and Q"),
    (lambda: metrics.span_scores([["NN"]], [["NN"]]), "received 'NN'"),
])
def test_what_cannot_be_measured_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
