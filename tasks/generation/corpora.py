"""Corpora for language models: NLTK's, prose that comes with Python, and your own text files.

A running text is cut by position, for pieces drawn from all over it would give away what stands between
them. Texts that each have a label, of which a model is to write more, are split by a hash of the text.
"""

import contextlib
import glob
import pathlib

from tasks.generation import streams
from tasks.reading import corpus, delimited, labelled, nltk, records, splits
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.encoding import kind, opened
from tasks.reading.splits import SPLITS

CONDITIONAL = ("names",)
NAMES = ("auto", "sample", *nltk.TEXTS, *CONDITIONAL)
STANDARD = "shakespeare"
PERCENTS = {"train": 85, "validation": 5, "test": 10}     # of a running text without a split
ENDINGS = (".txt", ".text", ".raw", ".tokens")            # of text files in a folder, also compressed
TABLES = tuple(ending for ending in records.ENDINGS if ending not in ENDINGS)   # texts with labels
SAMPLE_TERMS = ("the language reference that comes with CPython; Python Software Foundation, PSF Licence "
                "version 2")


def load(name="auto", text_column=None, label_column=None, id_column=None, encoding=None,
         held_out=splits.HELD_OUT):
    """Loads a corpus by name, or files by path.

    Args:    name   a name in `NAMES`; a text file; several of them, separated by commas, or a pattern
                    such as 'books/*.txt'; a folder, of which all text files are read in order. Where
                    files are named for it, they are the train, validation (dev, valid, val, …) and test
                    split. A table (CSV, TSV, JSON, Parquet, XLSX), fastText's lines, a folder of splits
                    of those, or one with a folder for each label, holds texts with labels
             text_column, label_column, id_column   of a table: a name in its header, or a number from 1
             encoding   of text files; None finds it
             held_out   of files: see `tasks.reading.splits.split`; of a running text only `WHOLE` counts
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    name = str(name)
    columns = {"text_column": text_column, "label_column": label_column, "id_column": id_column}
    if name and name not in NAMES and _table(pathlib.Path(name).expanduser()):
        return labelled.read(name, NAMES, labelled.Format(**columns, encoding=encoding),
                             held_out=held_out)
    if any(column is not None for column in columns.values()):
        raise ValueError("expected a TSV or CSV file with text_column or label_column, received corpus "
                         f"'{name}'; leave those flags out")
    return corpus.load(name, NAMES, STANDARD, _named, lambda name: _read(name, encoding, held_out),
                       {"encoding": encoding})


def _read(name, encoding, held_out):
    if held_out is splits.WHOLE:
        stream, warnings = streams.opened(_paths(name), encoding)
        datasets = dict(zip(SPLITS, stream.cut(0, 0, 100)))
    else:
        datasets, warnings = _datasets(name, _paths(name), encoding)
    return Corpus(",".join(map(called, name.split(","))), **datasets, terms=OWN_TERMS, warnings=warnings)


def running(name, texts, held_out, validation=None):
    """The corpus of texts in memory, one after the other, each on lines of its own."""
    stream = _joined("texts", texts)
    if held_out is splits.WHOLE:
        datasets = dict(zip(SPLITS, stream.cut(0, 0, 100)))
    elif validation is None:
        share = round(100 * held_out["validation"])
        datasets = dict(zip(SPLITS, stream.cut(100 - share, share, 0)))
    else:
        datasets = {"train": stream, "validation": _joined("validation", validation),
                    "test": stream.cut(100, 0)[1]}
    return Corpus(name, **datasets, terms=OWN_TERMS)


def _joined(name, texts):
    """Texts in memory as a stream."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name}: expected a list of strings, received {texts!r:.60}")
    return streams.opened(["".join(text.rstrip("\n") + "\n" for text in texts)])[0]


def _named(name):
    if name in CONDITIONAL:
        return labelled.named(name)
    if name == "sample":
        texts, terms = _topics(), SAMPLE_TERMS
    else:
        reader, terms = nltk.TEXTS[name]
        texts = nltk.read(name, reader)
    return Corpus(name, **_cut(name, streams.opened(["".join(texts)])[0]), terms=terms)


def _topics():
    """The help texts that `help("topics")` lists, in the order of their names."""
    from pydoc_data.topics import topics
    return [topics[name].strip() + "\n\n\n" for name in sorted(topics)]


# ---------------------------------------------------------------------------------------------- files

def _table(path):
    """Whether a file holds texts with labels, or a folder a training split of those."""
    if path.is_dir():
        tables = [entry for entry in path.iterdir() if kind(entry) in TABLES and entry.is_file()]
        if not any(map(_is_text, path.iterdir())):
            return bool(tables or records.labels_of(path) or records.labels_of(path / "train"))
        return "train" in map(splits.split_of, map(called, tables))
    return kind(path) in TABLES or path.is_file() and _is_fasttext(path)


def _is_fasttext(path):
    with contextlib.suppress(OSError, EOFError), opened(path) as file:
        return file.read(len(delimited.PREFIX)) == delimited.PREFIX.encode()
    return False


def _paths(name):
    """The files that a path, several paths or a pattern mean; all of them exist."""
    whole = name and pathlib.Path(name).expanduser().exists()
    found = []
    for piece in [name] if whole else map(str.strip, name.split(",")):
        path = pathlib.Path(piece).expanduser()
        matches = [path] if path.exists() else [pathlib.Path(hit) for hit in sorted(glob.glob(str(path)))]
        if not piece or not matches:
            raise unknown(piece, NAMES, "a text file", ENDINGS)
        found += [file for match in matches for file in _files(match)]
    return found


def _files(path):
    """The file, or the text files of a folder."""
    if not path.is_dir():
        return [path]
    found = [file for file in sorted(path.iterdir()) if _is_text(file)]
    if not found:
        raise FileNotFoundError(f"expected text files ({' '.join(ENDINGS)}, also compressed) in "
                                f"{path}, found none")
    return found


def _is_text(path):
    """Whether a file of a folder is meant; one that is just called "train" is."""
    named = not kind(path) and splits.split_of(path.name) is not None
    return path.is_file() and (kind(path) in ENDINGS or named)


def _datasets(name, paths, encoding):
    """{split: stream} and warnings. Files that are named for their splits stay apart."""
    found, warnings = {"train": paths}, []
    if len(paths) > 1 and "train" in map(splits.split_of, map(called, paths)):
        found = splits.splits_of(paths)
    folder = pathlib.Path(name).expanduser()
    if folder.is_dir() or len(found) > 1:
        used = [path for group in found.values() for path in group]
        warnings = splits.left_out(folder if folder.is_dir() else paths, used)
        warnings += splits.together(found) if len(found) > 1 else []
    read = {split: streams.opened(group, encoding) for split, group in found.items()}
    warnings += [warning for _, notes in read.values() for warning in notes]
    return _cut(name, **{split: stream for split, (stream, _) in read.items()}), warnings


def _cut(name, train, **held_out):
    """The splits of a running text: what no file holds is the end of training, test the very end."""
    missing = [split for split in SPLITS[1:] if split not in held_out]
    share = [100 - sum(PERCENTS[split] for split in missing), *(PERCENTS[split] for split in missing)]
    datasets = {**held_out, **dict(zip(["train", *missing], train.cut(*share)))}
    splits.check_splits(name, {split: datasets[split].characters for split in SPLITS}, "characters")
    return datasets
