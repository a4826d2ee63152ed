"""sentiment-en on texts of another kind, which are positive or negative.

    python -m benchmarks.pretrained.polarity corpora/uci_sentiment/yelp.tsv …

Of its three classes the likelier of these two is taken. Prints the accuracy on all texts of each table: a
text, a tab, its label.
"""

import sys

import numpy as np

from benchmarks.pretrained.conversions import table
from export import run
from tasks import cli
from zoo import trained

LABELS = "positive", "negative"


def accuracy(model, rows):
    """The share of the texts that are right, over two labels."""
    found = [row["probabilities"] for row in model.predict([text for text, _ in rows])]
    return np.mean([max(LABELS, key=p.get) == label for p, (_, label) in zip(found, rows)])


def main(paths):
    model = run.load(trained.file("sentiment-en"))
    for path in paths:
        rows = [row for row in table(path) if row[1] in LABELS]
        print(f"{path}: {accuracy(model, rows):.4f} of {len(rows):,} texts")


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
