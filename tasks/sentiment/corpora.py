"""Corpora for classification: NLTK's, the built-in sample, and your own TSV and CSV files."""

import collections
import dataclasses
import functools
import pathlib

from tasks.reading import nltk, tables
from tasks.reading.corpus import OWN_TERMS, automatic, called, unknown
from tasks.reading.splits import PARTS, Example, check_parts, fingerprint, normalised, overlap, split
from tasks.sentiment import sample

NAMES = ("auto", "sample", *nltk.CORPORA)


@dataclasses.dataclass
class Corpus:
    """Three lists of examples. `labels` is sorted, and empty for regression."""
    name: str
    labels: list
    train: list
    validation: list
    test: list
    terms: str                        # where from, and under which terms
    multi_label: bool = False
    regression: bool = False
    warnings: list = dataclasses.field(default_factory=list)

    @property
    def fingerprint(self):
        """A hash of every text, its label and its part."""
        return fingerprint(vars(self))


def load(name="auto", seed=0, fold=None, multi_label=False, regression=False,
         text_column=None, label_column=None):
    """Loads a corpus by name, or a file or folder by path.

    Args:    name          a name in `NAMES`, a .tsv or .csv file (also .gz), or a folder with
                           train, validation (dev, valid, val) and test files of that kind
             seed          of the built-in sample's grammar; splits never depend on it
             fold          0 … 4: the test part of a fixed 5-fold split, stratified by label
             multi_label   cells hold any number of labels, separated by "|"
             regression    cells hold numbers
             text_column, label_column   of a file: a name in its header, or a number from 1
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    name = str(name)
    if fold is not None and fold not in range(5):
        raise ValueError(f"expected a fold from 0 to 4, received {fold}")
    if name in NAMES:
        _only_files(name, multi_label, regression, text_column, label_column)
        named = functools.partial(_named, seed=seed, fold=fold)
        return automatic(named, "sentence_polarity") if name == "auto" else named(name)
    if not pathlib.Path(name).expanduser().exists():
        raise unknown(name, NAMES, "a TSV or CSV file", tables.DELIMITERS)
    parts, warnings = tables.read(name, tables.Format(multi_label, regression, text_column, label_column))
    return _assemble(called(name), parts, fold, OWN_TERMS, warnings, multi_label, regression)


def _named(name, seed, fold):
    if name == "sample":
        parts = {part: [Example(*row) for row in rows]
                 for part, rows in sample.generate(seed).items()}
        return _assemble(name, parts, fold, sample.TERMS, [])
    reader, terms = nltk.CORPORA[name]
    return _assemble(name, nltk.read(name, reader), fold, terms, [])


def _only_files(name, *file_options):
    if any(file_options):
        raise ValueError("expected a TSV or CSV file with multi_label, regression, text_column or "
                         f"label_column, received corpus '{name}'; leave those flags out")


def _assemble(name, parts, fold, terms, warnings, multi_label=False, regression=False):
    """Splits what has no official split, then looks for what is wrong with it."""
    everything = [example for rows in parts.values() for example in rows]
    labels = [] if regression else sorted({label for e in everything for label in _labels(e)})
    _enough_labels(name, everything, labels, multi_label, regression)
    lonely = set() if regression else _lonely(everything)
    warnings += [f"label '{label}' has a single example, kept in training"
                 for label in sorted(lonely)]
    pinned = {normalised(e.text) for e in everything if not regression and lonely & set(_labels(e))}
    parts = split(name, parts, fold, pinned, stratify=not (multi_label or regression))
    check_parts(name, {part: len(parts[part]) for part in PARTS}, "examples")
    warnings += _strangers(parts, labels) + overlap(parts)
    return Corpus(name, labels, **parts, terms=terms, multi_label=multi_label,
                  regression=regression, warnings=warnings)


def _labels(example):
    return example.label if isinstance(example.label, tuple) else (example.label,)


def _lonely(examples):
    """The labels that one text alone carries."""
    texts = collections.defaultdict(set)
    for example in examples:
        for label in _labels(example):
            texts[label].add(normalised(example.text))
    return {label for label, carriers in texts.items() if len(carriers) == 1}


def _enough_labels(name, examples, labels, multi_label, regression):
    if not examples:
        raise ValueError(f"corpus '{name}': expected examples, received none; "
                         "each row needs a text and a label")
    if regression and len({e.label for e in examples}) < 2:
        raise ValueError(f"corpus '{name}': expected different targets, received only "
                         f"{examples[0].label}; check label_column")
    if not regression and len(labels) < (1 if multi_label else 2):
        raise ValueError(f"corpus '{name}': expected at least two labels, received "
                         f"{' '.join(map(repr, labels)) or 'none'}; check label_column")


def _strangers(parts, labels):
    known = {label for e in parts["train"] for label in _labels(e)}
    return [f"label '{label}' never occurs in training" for label in labels if label not in known]
