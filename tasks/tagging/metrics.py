"""How good predicted tags are. Gold and predicted tags are lists of sentences, each a list of tags.
None is predicted where a file gives a token no tag: that is wrong, and in no span.

Spans count as conlleval counts them: a predicted span is right if a gold one has the same first and last
token and the same type. Every number is a Python float or int, ready for JSON.

Source:  Tjong Kim Sang & Buchholz 2000
"""
import collections

import numpy as np

from tasks.calibration import expected_calibration_error
from zoo.text import spans


def tagging(tokens, gold, predicted, scheme, known):
    """The metrics of a tagger in one dictionary; those of spans only where the tags have a scheme.

    Args:  tokens  the sentences' tokens
           known   the words that the model has a row or a vector for

    >>> tagging([["in", "Oslo"]], [["O", "B-x"]], [["O", "O"]], "BIO", {"in"})["token_accuracy"]
    0.5
    """
    scores = span_scores(gold, predicted) if scheme else {}
    return {**{f"span_{name}": value for name, value in scores.items()},
            "token_accuracy": token_accuracy(gold, predicted),
            "unseen_accuracy": unseen_accuracy(tokens, gold, predicted, known)}


def quality(scheme, intents=()):
    """The metric that a tagger is chosen by; with intents the mean of that and of their accuracy.

    >>> quality("BIO"), quality(None), quality("BIO", ["ask"])
    ('span_f1', 'token_accuracy', 'mean_score')
    """
    return "mean_score" if intents else "span_f1" if scheme else "token_accuracy"


def intents(gold, probabilities, names):
    """The metrics of predicted intents; one that is not among the names cannot be predicted.

    Args:  gold  [N] of str;  probabilities  [N, K], in the order of the names

    >>> intents(["ask", "tell"], [[0.75, 0.25], [0.75, 0.25]], ["ask", "tell"])
    {'intent_accuracy': 0.5, 'expected_calibration_error': 0.25}
    """
    number = {name: n for n, name in enumerate(names)}
    probabilities = np.pad(np.asarray(probabilities, np.float64), [[0, 0], [0, 1]])    # of any other
    gold = np.array([number.get(name, len(names)) for name in gold])
    return {"intent_accuracy": float(np.mean(probabilities.argmax(1) == gold)),
            "expected_calibration_error": expected_calibration_error(gold, probabilities)}


def both(gold, predicted, gold_intents, predicted_intents):
    """The part of the sentences of which all tags and the intent are right.

    >>> both([["O"], ["O"]], [["O"], ["B-x"]], ["ask", "ask"], ["ask", "ask"])
    {'both_right': 0.5}
    """
    _check(gold, predicted)
    right = [list(tags) == list(found) and intent == guess for tags, found, intent, guess in zip(
        gold, predicted, gold_intents, predicted_intents, strict=True)]
    return {"both_right": sum(right) / len(right)}


def token_accuracy(gold, predicted):
    """The part of the tokens that have the right tag."""
    right = [a == b for a, b in _pairs(gold, predicted)]
    return sum(right) / len(right)


def unseen_accuracy(tokens, gold, predicted, known):
    """The same for tokens that the model has no word for; None if there are none."""
    _check(gold, tokens)
    unseen = [token not in known for sentence in tokens for token in sentence]
    right = [a == b for (a, b), new in zip(_pairs(gold, predicted), unseen) if new]
    return sum(right) / len(right) if right else None


def span_scores(gold, predicted):
    """Precision, recall and F1 over the spans of all sentences.

        P = right / predicted,   R = right / gold,   F1 = 2·P·R / (P + R),   0 where undefined

    >>> span_scores([["B-x", "I-x", "O"]], [["B-x", "I-x", "B-x"]])["precision"]
    0.5
    """
    return _scores(*(sum(counts.values()) for counts in _span_counts(gold, predicted)))


def per_label(gold, predicted, scheme):
    """A row for each type of span, or for each tag if there is no scheme; `gold`, `predicted` are counts.

    >>> per_label([["B-x", "O"]], [["B-x", "B-y"]], "BIO")[1]
    {'label': 'y', 'precision': 0.0, 'recall': 0.0, 'f1': 0.0, 'gold': 0, 'predicted': 1}
    """
    right, found, wanted = (_span_counts if scheme else _tag_counts)(gold, predicted)
    return [{"label": label, **_scores(right[label], found[label], wanted[label]),
             "gold": wanted[label], "predicted": found[label]} for label in sorted({*found, *wanted})]


def per_class(gold, predicted, scheme):
    """`per_label` as a `tasks.reporting.report.Report` has it."""
    return {row["label"]: {"precision": row["precision"], "recall": row["recall"], "f1": row["f1"],
                           "support": row["gold"]} for row in per_label(gold, predicted, scheme)}


def table(rows):
    """The lines of `per_label` as people read them."""
    width = max([len("label"), *(len(row["label"]) for row in rows)])
    head = f"{'label':{width}}  precision  recall      f1    gold  predicted"
    return [head] + [f"{row['label']:{width}}  {row['precision']:9.4f}  {row['recall']:.4f}  "
                     f"{row['f1']:.4f}  {row['gold']:6,}  {row['predicted']:9,}" for row in rows]


def confusion_matrix(gold, predicted, labels):
    """[C, C] counts of tokens: row the true tag, column the predicted one."""
    at = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), int)
    for pair, count in collections.Counter(_pairs(gold, predicted)).items():
        if not at.keys() >= set(pair):
            raise ValueError(f"expected tags of {' '.join(labels)}, received {' and '.join(pair)}")
        matrix[at[pair[0]], at[pair[1]]] = count
    return matrix


def _span_counts(gold, predicted):
    """Counters by type: right, predicted and gold spans."""
    _check(gold, predicted)
    counts = [collections.Counter() for _ in range(3)]
    for true, guess in zip(gold, predicted):
        wanted, found = set(spans.spans(true)), set(spans.spans([tag or "O" for tag in guess]))
        for counter, some in zip(counts, (wanted & found, found, wanted)):
            counter.update(kind for _, _, kind in some)
    return counts


def _tag_counts(gold, predicted):
    """Counters by tag: right, predicted and gold tokens."""
    pairs = _pairs(gold, predicted)
    return (collections.Counter(a for a, b in pairs if a == b), collections.Counter(b for _, b in pairs),
            collections.Counter(a for a, _ in pairs))


def _scores(right, found, wanted):
    return {"precision": right / found if found else 0.0, "recall": right / wanted if wanted else 0.0,
            "f1": 2 * right / (found + wanted) if found + wanted else 0.0}


def _pairs(gold, predicted):
    """[(true tag, predicted tag)] of all tokens."""
    _check(gold, predicted)
    return [pair for sentences in zip(gold, predicted) for pair in zip(*sentences)]


def _check(gold, other):
    if len(gold) != len(other):
        raise ValueError("expected as many sentences on both sides, received "
                         f"{len(gold)} and {len(other)}")
    for number, (a, b) in enumerate(zip(gold, other), 1):
        if len(a) != len(b):
            raise ValueError(f"sentence {number}: expected as many on both sides, received "
                             f"{len(a)} and {len(b)}")
    if not any(map(len, gold)):
        raise ValueError("expected at least one token to measure, received none")
