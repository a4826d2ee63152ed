"""Corpora of texts that each have a label, several or a number: NLTK's, and the user's own files."""

import collections
import dataclasses
import functools
import math
import pathlib
import textwrap

from tasks.reading import delimited, nltk, records, roles, splits
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.encoding import kind
from tasks.reading.roles import Role
from tasks.reading.splits import HELD_OUT, SPLITS, WHOLE, Example, check_splits, normalised, overlap

SEPARATOR = "|"                       # between the labels of one multi-label cell
OTHERS = ",;/+"                       # what may stand between them instead
EXPECTED = "rows with a text and a label"


@dataclasses.dataclass
class Format:
    """How to read the cells of a file."""
    multi_label: bool = False
    regression: bool = False
    text_column: object = None
    label_column: object = None
    id_column: object = None
    label_separator: str | None = None
    encoding: str | None = None

    @property
    def separator(self):
        return (self.label_separator or SEPARATOR) if self.multi_label else None

    @property
    def roles(self):
        """{role: Role} of the columns."""
        return {"text": Role("text_column", self.text_column, roles.TEXT_NAMES),
                "label": Role("label_column", self.label_column, roles.LABEL_NAMES),
                "id": Role("id_column", self.id_column)}

    def label(self, cell, comma=False):
        """The label in a cell, None where it is missing; ValueError, what was expected, if it is none.

        A decimal comma is read where there is one: in Excel's files with semicolons.

        >>> Format().label("NaN"), Format().label("__label__none"), Format(multi_label=True).label("b|a")
        (None, 'none', ('a', 'b'))
        """
        if self.multi_label:
            if isinstance(cell, str) and cell.strip() and _label(cell) is None:
                return None
            labels = cell if isinstance(cell, tuple) else cell.split(self.separator)
            return tuple(sorted(set(filter(None, map(_label, labels)))))
        if isinstance(cell, tuple):
            if len(cell) > 1:
                raise ValueError("one label; set multi_label")
            cell = "".join(cell)
        label = _label(cell)
        if not (self.regression and label):
            return label
        return self._number(label.replace(",", ".") if comma and label.count(",") == 1 else label)

    @staticmethod
    def _number(cell):
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError("a number to regress")
        return number


@functools.lru_cache(maxsize=1024)
def _label(cell):
    """A label without the prefix of fastText; None for what is empty or NaN."""
    label = cell.strip().removeprefix(delimited.PREFIX)
    return label if label and label.lower() != "nan" else None


def named(name, fold=None):
    """One of NLTK's."""
    reader, terms = nltk.CORPORA[name]
    return assembled(name, nltk.read(name, reader), terms, fold=fold)


def read(name, names, form, fold=None, held_out=HELD_OUT):
    """That of a file, or of a folder of splits, as a `Format` says; `names` are guessed from."""
    path = pathlib.Path(name).expanduser()
    if not path.exists():
        raise unknown(name, names, records.EXPECTED, records.ENDINGS)
    found, notes = files(path)
    tables = {split: [records.read(file, EXPECTED, form.encoding, form.separator) for file in group]
              for split, group in found.items()}
    columns = roles.of_texts(tables["train"][0], form.roles, form.separator, form.regression)
    datasets, warnings = collections.defaultdict(list), []
    for split, table, at in columns.placed(tables, held_out is WHOLE):
        datasets[split] += _examples(table, at, form)
        warnings += [f"{table.name}: {note}" for note in table.notes]
    corpus = assembled(called(name), datasets, OWN_TERMS, warnings + notes, fold, form.multi_label,
                       form.regression, held_out)
    corpus.warnings += doubts(corpus, form)
    corpus.description = _described(columns, corpus)
    return corpus


def files(path):
    """({split: paths}, notes) of a file, or of a folder: of splits, of labels, or with a single file."""
    if path.is_file():
        return {"train": [path]}, []
    inside = sorted(path.iterdir())
    if "train" not in map(splits.split_of, (entry.name for entry in inside)):
        if records.labels_of(path) or records.pair_of(path):
            return {"train": [path]}, []
        tables = [entry for entry in inside if entry.is_file() and kind(entry) in records.ENDINGS]
        if len(tables) == 1:
            return {"train": tables}, splits.left_out(path, tables)
    found = splits.by_split(path, lambda entry: records.labels_of(entry) or records.pair_of(entry) or
                            entry.is_file() and kind(entry) in records.ENDINGS,
                            "a train file, such as train.csv, or a folder train with one for each label")
    return found, splits.together(found) + splits.left_out(path, sum(found.values(), []))


def _examples(table, at, form):
    """The examples of one file, whose columns {role: index} are known; rows that lack a text or a label
    are skipped and counted."""
    text_at, label_at = at["text"], at["label"]
    comma = form.regression and table.delimiter == "semicolons"
    examples, skipped = [], []
    for number, row in table.rows:
        try:
            text, label = row[text_at].strip(), form.label(row[label_at], comma)
        except (ValueError, AttributeError) as error:
            raise _not_as_expected(table, number, row, at, error) from None
        if text and label is not None:
            examples.append(Example(text, label))
        else:
            skipped.append(number)
    if not examples:
        raise ValueError(f"{table.name}: expected {EXPECTED}, received none")
    if skipped:
        table.notes.append(f"{len(skipped):,} rows without a text or a label were skipped, the first in "
                           f"{table.where(skipped[0]).removeprefix(table.name + ', ')}")
    return examples


def _not_as_expected(table, number, row, at, error):
    role = "label" if isinstance(row[at["text"]], str) else "text"
    what, cell = error if role == "label" else "one text, not a list", _shown(str(row[at[role]]))
    what, _, advice = str(what).partition("; ")
    return ValueError(f"{table.where(number)}: expected {what}, received '{cell}'; "
                      f"{advice or f'correct the {table.unit} or check {role}_column'}")


# --------------------------------------------------------------------------------------------- assembled

def assembled(name, datasets, terms, warnings=(), fold=None, multi_label=False, regression=False,
              held_out=HELD_OUT):
    """A corpus of texts with labels: what has no official split is split, then looked over."""
    everything = [example for rows in datasets.values() for example in rows]
    labels = [] if regression else sorted({label for e in everything for label in _labels(e)})
    if held_out is WHOLE:
        return Corpus(name, [], [], everything, terms, labels, [*warnings], multi_label=multi_label,
                      regression=regression, split=splits.only(datasets))
    _enough_labels(name, everything, labels, multi_label, regression)
    lonely = set() if regression else _lonely(everything)
    warnings = [*warnings, *(f"label '{label}' has a single example, kept in training"
                             for label in sorted(lonely))]
    pinned = {normalised(e.text) for e in everything if not regression and lonely & set(_labels(e))}
    datasets = splits.split(name, datasets, fold, pinned, not (multi_label or regression), held_out)
    check_splits(name, {split: len(datasets[split]) for split in SPLITS}, "examples", held_out)
    warnings += _strangers(datasets, labels) + overlap(datasets)
    return Corpus(name, **datasets, terms=terms, labels=labels, warnings=warnings,
                  multi_label=multi_label, regression=regression)


def _labels(example):
    return example.label if isinstance(example.label, tuple) else (example.label,)


def _lonely(examples):
    """The labels that one text alone carries."""
    texts = collections.defaultdict(set)
    for example in examples:
        for label in _labels(example):
            if len(texts[label]) < 2:
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


def _strangers(datasets, labels):
    known = {label for e in datasets["train"] for label in _labels(e)}
    return [f"label '{label}' never occurs in training" for label in labels if label not in known]


# ---------------------------------------------------------------------------------- doubts, what is shown

def doubts(corpus, form):
    """Warnings about labels that are probably not what the user means."""
    if corpus.regression or not corpus.train:
        return []
    counts = _counts(corpus)
    rows, size = len(corpus.train), counts.total()
    found = [f"labels {' and '.join(map(repr, alike))} differ by case or spaces only"
             for alike in _alike(corpus.labels)]
    if 2 * len(counts) > rows and not corpus.multi_label:
        found.append(f"{len(counts):,} different labels in {rows:,} rows of training: check "
                     "label_column, or set regression if they are numbers")
    label, most = counts.most_common(1)[0] if counts else ("", 0)
    if 100 * most >= 99 * max(size, 1) and len(corpus.labels) > 1:
        found.append(f"{most / size:.1%} of the training labels are '{label}'")
    without = corpus.multi_label and sum(not example.label for example in corpus.train)
    if without:
        found.append(f"{without:,} of {rows:,} texts of training have no label: the model learns that "
                     "none of them fits")
    return found + _separators(corpus, form)


def _counts(corpus):
    return collections.Counter(label for example in corpus.train or corpus.test
                               for label in _labels(example))


def _alike(labels):
    """Groups of labels that are one but for case and spaces.

    >>> _alike(["Billing", "billing ", "Sales"])
    [['Billing', 'billing ']]
    """
    groups = collections.defaultdict(list)
    for label in labels:
        groups["".join(label.casefold().split())].append(label)
    return [group for group in groups.values() if len(group) > 1]


def _separators(corpus, form):
    """A warning about cells that seem to hold several labels, in another way than is read."""
    if not corpus.multi_label:
        joined = [label for label in corpus.labels if SEPARATOR in label]
        return [f"{len(joined):,} labels have a '{SEPARATOR}', as {label!r}: set multi_label if they are "
                "several" for label in joined[:1]]
    if any(len(example.label) > 1 for example in corpus.train):
        return []
    for sign in OTHERS:
        joined = [label for label in corpus.labels if sign in label.strip(sign)]
        if joined:
            return [f"no cell has several labels between '{form.separator}', but {len(joined):,} labels "
                    f"have a '{sign}', as {joined[0]!r}: set label_separator if they are several"]
    return []


def _described(columns, corpus):
    """What is shown of it: which column is what, the labels, and two examples."""
    if corpus.regression:
        targets = [example.label for example in corpus.train or corpus.test]
        what = f"target: {columns.title('label')}, {min(targets):g} to {max(targets):g}"
    else:
        counts = _counts(corpus).most_common()
        shown = ", ".join(f"{label} {count:,}" for label, count in counts[:5])
        more = ", …" * (len(counts) > 5)
        what = f"label: {columns.title('label')}, {len(counts)} labels: {shown}{more}"
    return [f"text: {columns.title('text')}; {what}",
            *(f"  {_shown(example.text)}  →  {_joined(example.label)}"
              for example in (corpus.train or corpus.test)[:2])]


def _joined(label):
    return ", ".join(label) if isinstance(label, tuple) else str(label)


def _shown(text):
    return textwrap.shorten(text, 60, placeholder=" …")
