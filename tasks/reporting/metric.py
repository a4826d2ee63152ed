"""What is known of a metric beside its number: a short name, its unit, and which direction is better.

A metric that is not listed here is shown by its own name, and higher is better.
"""

import typing


class Metric(typing.NamedTuple):
    """short     the name in tables
    unit      of the number: metrics of one unit share an axis
    sign      1 if higher is better, −1 if lower is
    is_shown  whether tables have a column for it
    """

    short: str
    unit: str = "share"
    sign: int = 1
    is_shown: bool = True


# In the order of the columns of a table, those that runs are compared by first.
METRICS = {
    "bleu": Metric("BLEU", "points"), "chrf": Metric("chrF", "points"), "exact_match": Metric("exact"),
    "bits_per_character": Metric("bits/char", "bits", -1), "perplexity": Metric("ppl", "tokens", -1),
    "nats_per_token": Metric("nats", "nats", -1), "unknown_share": Metric("unknown", sign=-1),
    "span_f1": Metric("F1"), "span_precision": Metric("precision"), "span_recall": Metric("recall"),
    "token_accuracy": Metric("tokens"), "unseen_accuracy": Metric("unseen"),
    "intent_accuracy": Metric("intent"), "both_right": Metric("both"),
    "mean_score": Metric("mean_score", is_shown=False),
    "accuracy": Metric("accuracy"), "micro_f1": Metric("micro_f1"), "macro_f1": Metric("macro_f1"),
    "subset_accuracy": Metric("subset", is_shown=False), "log_loss": Metric("log_loss", "nats", -1),
    "expected_calibration_error": Metric("ece", sign=-1),
    "r_squared": Metric("R²"), "mean_squared_error": Metric("mse", "squares", -1),
    "mean_absolute_error": Metric("mae", "target", -1), "pearson": Metric("pearson"),
    "log_likelihood": Metric("log_likelihood", "nats", 1, is_shown=False)}


def metric(name):
    """What is known of a metric.

    >>> metric("bleu").short, metric("mine")
    ('BLEU', Metric(short='mine', unit='mine', sign=1, is_shown=True))
    """
    return METRICS.get(name, Metric(name, name))


def ordered(names):
    """Names in the order of the table's columns, unknown ones last."""
    order = list(METRICS)
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))
