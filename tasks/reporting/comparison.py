"""Runs beside each other: corpus, model, validation, test, size, latency, seconds; which differ by noise.

Two runs differ beyond noise where the 95 % interval of a paired bootstrap leaves out 0: texts of the test
split are drawn with replacement, and each time the means of the two runs' scores are compared.

Source:  Efron & Tibshirani 1993; for systems of language, Koehn 2004
"""

import json
import pathlib

import numpy as np

from tasks.reporting import tables
from tasks.reporting.metric import metric as known

METRICS = "metrics.json"
PREDICTIONS = "test_predictions.jsonl"
SAMPLES = 2000
COLUMNS = ("run", "corpus", "model", "metric", "validation", "test", "kB", "ms", "seconds")
# What a run is judged by: the first of these that it has.
COMPARED = ("accuracy", "micro_f1", "span_f1", "token_accuracy", "bleu", "r_squared",
            "bits_per_character", "nats_per_token")


def compare(folders):
    """The lines of a table of runs, the best on validation first, and of what differs beyond noise.

    Raises:  FileNotFoundError: a folder holds no finished run
    """
    found = {folder: row_of(pathlib.Path(folder)) for folder in folders}
    rows = list(filter(None, found.values()))
    if not rows:
        raise FileNotFoundError(f"expected a finished run in {', '.join(map(str, folders))}, found no "
                                f"{METRICS} with a score; name run directories, as runs/*")
    left_out = [str(folder) for folder, row in found.items() if not row]
    rows.sort(key=lambda row: (row["corpus"], row["metric"], -row["sign"] * row["validation"]))
    return [*aligned([COLUMNS, *([cell(row[name]) for name in COLUMNS] for row in rows)]), "",
            *noise(rows), *[f"left out, without scores: {', '.join(left_out)}"] * bool(left_out)]


def row_of(folder):
    """A finished run's line; None of one that is not, or has no score on validation."""
    if not (folder / METRICS).is_file():
        return None
    facts = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    metric = next((name for name in COMPARED if name in facts.get("validation", {})), None)
    if metric is None:
        return None
    smallest = min((entry for entry in facts["exports"]["tflite"].values() if "file" in entry),
                   key=lambda entry: entry["bytes"], default={})
    return {"run": str(folder), "corpus": facts["corpus"], "model": facts["model"], "metric": metric,
            "sign": known(metric).sign, "validation": facts["validation"][metric],
            "test": facts["test"][metric], "kB": smallest.get("bytes", 0) // 1000 or None,
            "ms": smallest.get("milliseconds"), "seconds": round(facts["train"]["seconds"])}


def noise(rows):
    """A line for each run that is compared with the best one of its corpus."""
    lines, best = [], {}
    for row in rows:
        first = best.setdefault((row["corpus"], row["metric"]), row)
        if first is not row:
            lines.append(f"{row['run']} against {first['run']}: {difference(row, first)}")
    return lines


def difference(row, other):
    """The difference of two runs' scores on the test split, and whether it is noise, in words."""
    ours, theirs = (scores(pathlib.Path(one["run"]) / PREDICTIONS) for one in (row, other))
    if not ours or ours.keys() != theirs.keys():
        return "no predictions of the same test texts to compare"
    pairs = np.array([(ours[text], theirs[text]) for text in ours])
    low, high = bootstrap(pairs[:, 0] - pairs[:, 1])
    verdict = "within noise" if low <= 0 <= high else "beyond noise"
    mean = np.mean(pairs[:, 0] - pairs[:, 1])
    return f"{mean:+.4f} a text, 95 % from {low:+.4f} to {high:+.4f}: {verdict}"


def bootstrap(rows, value=float, samples=SAMPLES, seed=0):
    """The 95 % interval of a value of the mean of rows [N, …]: of differences [N], their mean itself.

    Args:    value  mean […] → a number

    >>> low, high = bootstrap(np.array([0.0, 1.0] * 200))
    >>> round(low, 1), round(high, 1)
    (0.5, 0.5)
    """
    rng, size = np.random.default_rng(seed), len(rows)
    found = [value(rows[rng.integers(0, size, size)].mean(0)) for _ in range(samples)]
    return tuple(float(edge) for edge in np.percentile(found, [2.5, 97.5]))


def scores(path):
    """{(number, text): score of its prediction} of a run; higher is better."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {(n, row["text"]): score(row) for n, row in enumerate(rows)}


def score(row):
    """How right a prediction is.

    >>> score({"label": "a", "predicted": "a"}), score({"label": 1.0, "predicted": 1.5})
    (1.0, -0.5)
    >>> score({"tokens": ["a", "b"], "label": ["O", "O"], "predicted": ["O", "B-x"]})
    0.5
    """
    label, predicted = row["label"], row["predicted"]
    if "chrf" in row:
        return row["chrf"]
    if "tokens" in row:
        return float(np.mean([a == b for a, b in zip(label, predicted)] or [1.0]))
    return -abs(label - predicted) if isinstance(label, float) else float(label == predicted)


def cell(value):
    """A value as it stands in the table."""
    return "–" if value is None else value if isinstance(value, str) else tables.number(value)


def aligned(rows):
    """The lines of a table whose columns stand below each other.

    >>> aligned([("run", "test"), ("runs/a", "0.9")])
    ['run     test', 'runs/a  0.9']
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(f"{value:{width}}" for value, width in zip(row, widths)).rstrip() for row in rows]


def beaten(facts):
    """A sentence where a run's own baseline beats it on the validation split; none else.

    >>> beaten({"validation": {"accuracy": 0.7}, "validation_baselines": {"majority": {"accuracy": 0.5}}})
    []
    """
    ours = facts.get("validation", {})
    metric = next((name for name in COMPARED if name in ours), None)
    return [line for name in (metric, "intent_accuracy") if name in ours
            for line in beaten_in(name, ours, facts.get("validation_baselines", {}))]


def beaten_in(metric, ours, baselines):
    """The same of one metric."""
    found = {name: row[metric] for name, row in baselines.items() if metric in row}
    sign = known(metric).sign
    name = max(found, key=lambda one: sign * found[one], default=None)
    if name is None or sign * (ours[metric] - found[name]) >= 0:
        return []
    return [f"The baseline {name} is better than this model on the validation split: {metric} "
            f"{tables.number(found[name])} against {tables.number(ours[metric])}."]
