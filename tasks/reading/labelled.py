"""Corpora of texts that each have a label, several or a number: NLTK's, and TSV and CSV files."""

import collections
import pathlib

from tasks.reading import nltk, tables
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.splits import PARTS, check_parts, normalised, overlap, split


def named(name, fold=None):
    """One of NLTK's."""
    reader, terms = nltk.CORPORA[name]
    return assembled(name, nltk.read(name, reader), terms, fold=fold)


def read(name, names, form, fold=None):
    """That of a file, or of a folder of parts, as a `tables.Format` says; `names` are guessed from."""
    if not pathlib.Path(name).expanduser().exists():
        raise unknown(name, names, "a TSV or CSV file", tables.DELIMITERS)
    parts, warnings = tables.read(name, form)
    return assembled(called(name), parts, OWN_TERMS, warnings, fold, form.multi_label, form.regression)


def assembled(name, parts, terms, warnings=(), fold=None, multi_label=False, regression=False):
    """A corpus of texts with labels: what has no official split is split, then looked over."""
    everything = [example for rows in parts.values() for example in rows]
    labels = [] if regression else sorted({label for e in everything for label in _labels(e)})
    _enough_labels(name, everything, labels, multi_label, regression)
    lonely = set() if regression else _lonely(everything)
    warnings = [*warnings, *(f"label '{label}' has a single example, kept in training"
                             for label in sorted(lonely))]
    pinned = {normalised(e.text) for e in everything if not regression and lonely & set(_labels(e))}
    parts = split(name, parts, fold, pinned, stratify=not (multi_label or regression))
    check_parts(name, {part: len(parts[part]) for part in PARTS}, "examples")
    warnings += _strangers(parts, labels) + overlap(parts)
    return Corpus(name, **parts, terms=terms, labels=labels, warnings=warnings,
                  multi_label=multi_label, regression=regression)


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
