"""Corpora for classification: NLTK's, the built-in sample, and your own TSV and CSV files.

A corpus without an official split is split by a hash of each text, so that every model sees the
same parts, whatever the order of the file, and equal texts never land in two parts.
"""
import collections
import csv
import dataclasses
import difflib
import gzip
import hashlib
import io
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile

from tasks import sample

PARTS = ("train", "validation", "test")
OWN_TERMS = "your own file, under the terms you have it under"
SEPARATOR = "|"                       # between the labels of one multi-label cell
DOWNLOAD_SECONDS = 10
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
TEXT_NAMES = ("text", "sentence", "review", "question", "utterance", "comment", "tweet", "message",
              "document", "phrase", "content", "body")
LABEL_NAMES = ("label", "labels", "class", "category", "sentiment", "polarity", "target", "intent",
               "score", "rating", "stars", "tags", "y")

Example = collections.namedtuple("Example", "text label")
Example.__doc__ = "A text and its label: a string, a tuple of strings (multi-label) or a number."


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


# ---------------------------------------------------------------------------------------- loading

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
        return _auto(seed, fold) if name == "auto" else _named(name, seed, fold)
    parts, warnings = _read_path(name, Format(multi_label, regression, text_column, label_column))
    return _assemble(pathlib.Path(name).name, parts, fold, OWN_TERMS, warnings, multi_label,
                     regression)


def _auto(seed, fold):
    try:
        return _named("sentence_polarity", seed, fold)
    except (FileNotFoundError, ValueError) as error:
        corpus = _named("sample", seed, fold)
        corpus.warnings.insert(0, f"using the built-in sample instead: {error}")
        return corpus


def _named(name, seed, fold):
    if name == "sample":
        parts = {part: [Example(*row) for row in rows]
                 for part, rows in sample.generate(seed).items()}
        return _assemble(name, parts, fold, sample.TERMS, [])
    reader, terms = NLTK_CORPORA[name]
    return _assemble(name, _read_nltk(name, reader), fold, terms, [])


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
    parts = _split(name, parts, fold, pinned, stratify=not (multi_label or regression))
    for part in PARTS:
        if not parts[part]:
            raise ValueError(f"corpus '{name}': its {len(everything)} examples leave the {part} "
                             "part empty; give more examples, or a folder with train, validation "
                             "and test files")
    warnings += _strangers(parts, labels) + _overlap(parts)
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


def _overlap(parts):
    train = {normalised(e.text) for e in parts["train"]}
    return [f"{count} texts of the {part} part also occur in training"
            for part in ("validation", "test")
            if (count := sum(normalised(e.text) in train for e in parts[part]))]


# -------------------------------------------------------------------------------------- splitting

def normalised(text):
    """The text that is hashed: Unicode NFKC, lower case, single spaces.

    >>> normalised(" Ｎot  bad\\n")
    'not bad'
    """
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def fraction(text, salt=""):
    """A number in [0, 1) that depends on the normalised text alone, on every machine."""
    digest = hashlib.blake2b((salt + normalised(text)).encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2 ** 64


def _split(name, parts, fold, pinned, stratify):
    """Completes {part: examples}; one part alone is the whole corpus."""
    if fold is not None:
        if set(parts) != {"train"}:
            raise ValueError(f"corpus '{name}' has an official split: leave fold out")
        return _fold(parts["train"], fold, pinned, stratify)
    wanted = [part for part in ("test", "validation") if part not in parts]
    result = collections.defaultdict(list, {part: list(rows) for part, rows in parts.items()})
    result["train"] = []
    for example in parts["train"]:
        tenth = int(fraction(example.text) * 10)
        moves = tenth < len(wanted) and normalised(example.text) not in pinned
        result[wanted[tenth] if moves else "train"].append(example)
    return result


def _fold(examples, fold, pinned, stratify):
    """Test: the fold. Validation: an eighth of the rest, by another hash. Train: what remains."""
    fold_of = _folds(examples, stratify)
    parts = {part: [] for part in PARTS}
    for example in examples:
        key = normalised(example.text)
        held_out = "test" if fold_of[key] == fold else "validation"
        moves = held_out == "test" or fraction(example.text, "validation of a fold\n") < 1 / 8
        parts[held_out if moves and key not in pinned else "train"].append(example)
    return parts


def _folds(examples, stratify):
    """{normalised text: fold}: within a label, texts in the order of their hash take turns."""
    strata = collections.defaultdict(set)
    label_of = {}
    for example in examples:
        key = normalised(example.text)
        label = label_of.setdefault(key, example.label if stratify else None)
        strata[label].add(key)
    return {key: rank % 5 for keys in strata.values()
            for rank, key in enumerate(sorted(keys, key=lambda key: (fraction(key), key)))}


# ------------------------------------------------------------------------------------------- NLTK

def _sentences(corpus):
    return {"train": [Example(" ".join(words), label) for label in corpus.categories()
                      for words in corpus.sents(categories=label)]}


def _documents(corpus):
    return {"train": [Example(" ".join(corpus.raw(name).split()), label)
                      for label in corpus.categories() for name in corpus.fileids(label)]}


def _questions(corpus):
    """The label DESC:manner is coarse DESC, fine manner."""
    return {part: [Example(text, label.split(":")[0]) for label, text in
                   corpus.tuples(part + ".txt")] for part in ("train", "test")}


NLTK_CORPORA = {
    "sentence_polarity": (_sentences, "Pang and Lee 2005, sentence polarity dataset 1.0, from "
                                      "NLTK; CC BY 4.0"),
    "subjectivity": (_sentences, "Pang and Lee 2004, subjectivity dataset 1.0, from NLTK; "
                                 "CC BY 4.0"),
    "movie_reviews": (_documents, "Pang and Lee 2004, polarity dataset 2.0, distributed with NLTK "
                                  "with the authors' permission; no licence stated"),
    "qc": (_questions, "Li and Roth 2002, experimental data for question classification (the six "
                       "coarse classes), from NLTK; no licence stated"),
}
NAMES = ("auto", "sample", *NLTK_CORPORA)


def _read_nltk(name, reader):
    """Found on NLTK's own search path, else downloaded."""
    import nltk.corpus
    if not _present(name) and not _download(name):
        raise FileNotFoundError(
            f"corpus '{name}' is not on NLTK's search path and could not be downloaded; run "
            f"'python -m nltk.downloader {name}' where there is a network, set NLTK_DATA to its "
            "folder, or take the corpus 'sample'")
    try:
        return reader(getattr(nltk.corpus, name))
    except (LookupError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"expected NLTK's corpus '{name}', received a damaged copy ({reason}); "
                         f"delete it and run 'python -m nltk.downloader {name}'") from error


def _present(name):
    import nltk.data
    for place in (f"corpora/{name}", f"corpora/{name}.zip"):
        try:
            return bool(nltk.data.find(place))
        except LookupError:
            continue
        except (OSError, zipfile.BadZipFile):
            return True                # there, but damaged: reading it says so
    return False


def _download(name):
    """Runs NLTK's downloader in a child, which can be stopped; keeps a complete file or none."""
    import nltk.downloader
    try:
        home = pathlib.Path(nltk.downloader.Downloader().default_download_dir(), "corpora")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "nltk.downloader", "-q", "-d", folder, name],
                           timeout=DOWNLOAD_SECONDS, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            archive = pathlib.Path(folder, "corpora", f"{name}.zip")
            if not zipfile.is_zipfile(archive):
                return False
            home.mkdir(parents=True, exist_ok=True)
            partial = home / f"{name}.{os.getpid()}"
            shutil.copyfile(archive, partial)
            partial.replace(home / archive.name)
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    return _present(name)


# ------------------------------------------------------------------------------------------ files

@dataclasses.dataclass
class Format:
    """How to read the cells of a file."""
    multi_label: bool = False
    regression: bool = False
    text_column: object = None
    label_column: object = None

    def label(self, cell):
        """The label in a cell; ValueError where it is none."""
        if self.multi_label:
            return tuple(sorted({label.strip() for label in cell.split(SEPARATOR)} - {""}))
        if not self.regression:
            return cell.strip()
        number = float(cell)
        if not math.isfinite(number):
            raise ValueError("not finite")
        return number


def _read_path(name, form):
    """{part: examples} and warnings of a file, or of a folder with one file a part."""
    path = pathlib.Path(name).expanduser()
    if path.is_dir():
        files = _official(path)
    elif path.exists():
        files = {"train": path}
    else:
        raise _unknown(name)
    read = {part: _read_file(file, form) for part, file in files.items()}
    return ({part: examples for part, (examples, _) in read.items()},
            [f"{files[part].name}: {warning}" for part, (_, warnings) in read.items()
             for warning in warnings])


def _unknown(name):
    if os.sep in name or "/" in name or _kind(pathlib.Path(name)) in DELIMITERS:
        return FileNotFoundError("expected a TSV or CSV file or a folder, found nothing at "
                                 f"{name}; check the path")
    near = difflib.get_close_matches(name.lower(), NAMES, 1)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return ValueError(f"unknown corpus '{name}': {guess}expected one of {', '.join(NAMES)}, or the "
                      "path of a TSV or CSV file")


def _official(folder):
    """{part: file} of a folder; validation and test may be missing and are then split off."""
    stems = {"train": "train", "validation": "validation", "valid": "validation",
             "val": "validation", "dev": "validation", "test": "test"}
    files = {}
    for file in sorted(folder.iterdir()):
        part = stems.get(file.name.split(".")[0].lower())
        if part is None or _kind(file) not in DELIMITERS:
            continue
        if part in files:
            raise ValueError(f"expected one {part} file in {folder}, received {files[part].name} "
                             f"and {file.name}; remove one")
        files[part] = file
    if "train" not in files:
        raise FileNotFoundError(f"expected train.tsv or train.csv (also .gz) in {folder}, and if "
                                "there are any validation and test files; found no train file")
    return files


def _kind(path):
    """The ending that says how the columns are separated."""
    name = path.name.lower().removesuffix(".gz")
    return pathlib.Path(name).suffix


def _read_file(path, form):
    """The examples of one TSV or CSV file, and what there is to say about it."""
    if _kind(path) not in DELIMITERS:
        raise ValueError("expected a file ending in .tsv or .csv (also .gz), received "
                         f"{path.name}; rename it after the way its columns are separated")
    text, warnings = _decode(path)
    rows = _rows(path, text)
    text_at, label_at, header = _columns(path, [row for _, row in rows], form)
    examples, skipped = [], []
    for line, row in rows[header:]:
        if len(row) != len(rows[0][1]):
            raise ValueError(f"{path.name}, line {line}: expected {len(rows[0][1])} columns as in "
                             f"line {rows[0][0]}, received {len(row)}; correct the line")
        if not row[text_at].strip() or not (form.multi_label or row[label_at].strip()):
            skipped.append(line)
            continue
        examples.append(Example(row[text_at].strip(), _label(path, line, row[label_at], form)))
    if not examples:
        raise ValueError(f"{path.name}: expected rows with a text and a label, received none")
    if skipped:
        warnings.append(f"{len(skipped)} rows without a text or a label were skipped, the first in "
                        f"line {skipped[0]}")
    return examples, warnings


def _label(path, line, cell, form):
    try:
        return form.label(cell)
    except ValueError:
        raise ValueError(f"{path.name}, line {line}: expected a number to regress, received "
                         f"'{cell[:40]}'; correct the line or check label_column") from None


def _decode(path):
    """The text of a file, which should be UTF-8, and warnings."""
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, ValueError, zipfile.zlib.error) as error:
        raise ValueError(f"{path.name}: expected a readable file (gzip where it ends in .gz), "
                         f"received an error: {error}; restore the file") from error
    if not data.strip():
        raise ValueError(f"{path.name}: expected rows with a text and a label, received an empty "
                         "file")
    text = data.decode("utf-8-sig", "replace")
    strange = text.count("\ufffd")
    if b"\0" in data or strange > 0.1 * len(text):
        raise ValueError(f"{path.name}: expected UTF-8 text, received a binary file or another "
                         "encoding; convert it, for instance with iconv")
    return text, [f"{strange} bytes are not UTF-8 and were replaced"] * bool(strange)


def _rows(path, text):
    """[(line number, cells)] without blank lines. Quotes have a meaning in CSV only."""
    delimiter = DELIMITERS[_kind(path)]
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    csv.field_size_limit(2 ** 31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting,
                        strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path.name}, line {line}: expected CSV in which each quote is closed "
                         f"and doubled inside, received a row with: {error}; correct it") from None
    return rows


# ---------------------------------------------------------------------------------------- columns

def _columns(path, rows, form):
    """Which column holds the text, which the label, and whether the first row is a header."""
    first, rest = rows[0], rows[1:]
    if len(first) < 2:
        separator = "commas" if _kind(path) == ".csv" else "tabs"
        raise ValueError(f"{path.name}: expected a text and a label separated by {separator}, "
                         "received one column; separate them or rename the file")
    names = [cell.strip().lower() for cell in first]
    header = _is_header(first, rest, form)
    text_at = _column(path, form.text_column, TEXT_NAMES, names, header, "text_column")
    label_at = _column(path, form.label_column, LABEL_NAMES, names, header, "label_column")
    text_at, label_at = _guess(path, text_at, label_at, rest if header else rows)
    if text_at == label_at:
        raise ValueError(f"{path.name}: expected two different columns, received column "
                         f"{text_at + 1} as text and as label; set text_column and label_column")
    return text_at, label_at, int(header)


def _is_header(first, rest, form):
    """A row that names its columns with words no other row has there."""
    asked = [str(name).lower() for name in (form.text_column, form.label_column)
             if name is not None and not str(name).isdigit()]
    names = {*TEXT_NAMES, *LABEL_NAMES, *asked}
    return any(cell.strip().lower() in names and all(row[at:at + 1] != [cell] for row in rest)
               for at, cell in enumerate(first))


def _column(path, asked, known, names, header, flag):
    """The index of a column that is asked for, or has a known name; None if neither."""
    if asked is None:
        found = [names.index(name) for name in known if header and name in names]
        return found[0] if found else None
    if header and str(asked).lower() in names:
        return names.index(str(asked).lower())
    if str(asked).isdigit() and 1 <= int(asked) <= len(names):
        return int(asked) - 1
    columns = ", ".join(names) if header else f"1 to {len(names)} (no header)"
    raise ValueError(f"{path.name}: no column '{asked}'; set {flag} to one of {columns}")


def _guess(path, text_at, label_at, rows):
    """Of two columns the longer one is the text."""
    if text_at is not None and label_at is not None:
        return text_at, label_at
    if len(rows and rows[0]) > 2:
        raise ValueError(f"{path.name}: expected two columns or a header with 'text' and 'label', "
                         f"received {len(rows[0])} columns; set text_column and label_column")
    if text_at is None and label_at is None:
        lengths = [sum(len(row[at]) for row in rows if len(row) == 2) for at in (0, 1)]
        text_at = 0 if lengths[0] >= lengths[1] else 1
    return (1 - label_at, label_at) if text_at is None else (text_at, 1 - text_at)
