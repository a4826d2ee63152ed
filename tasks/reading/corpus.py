"""A corpus: three splits and what is known of them, found by name or by path."""

import dataclasses
import difflib
import functools
import glob
import hashlib
import os
import pathlib

from tasks.reading.encoding import kind
from tasks.reading.splits import SPLITS

OWN_TERMS = "your own file, under the terms you have it under"


@dataclasses.dataclass
class Corpus:
    """The corpus of any task.

    train, validation, test   lists of examples; of a running text, streams: iterating yields strings
    terms                     where from, and under which terms
    labels                    sorted; empty where there are none
    warnings                  what was odd about it, a sentence each
    description               which column was read as what, and samples, a line each
    multi_label, regression   of texts: any number of labels each, or a number in place of labels
    scheme                    of tags; None where they are no spans
    intents                   of sentences, sorted; empty where they have none
    split                     that all rows of a file are of; None where that is not known
    source_language, target_language   codes such as "de", or "und" where nobody said
    stream                    None, or a `tasks.reading.sharded.Stream` of the training split, of which
                              `train` is a sample
    """
    name: str
    train: object
    validation: object
    test: object
    terms: str
    labels: list = dataclasses.field(default_factory=list)
    warnings: list = dataclasses.field(default_factory=list)
    description: list = dataclasses.field(default_factory=list)
    multi_label: bool = False
    regression: bool = False
    scheme: str | None = None
    intents: list = dataclasses.field(default_factory=list)
    split: str | None = None
    source_language: str | None = None
    target_language: str | None = None
    stream: object = None

    @functools.cached_property
    def fingerprint(self):
        """A hash of every example, or character, and its split, in order: it tells corpora apart."""
        mark = self.stream.mark if self.stream else ""
        digest = hashlib.blake2b(mark.encode(), digest_size=8)
        for split in SPLITS:
            for block in _hashed(split, getattr(self, split)):
                digest.update(block)
        return digest.hexdigest()


def _hashed(split, examples):
    if isinstance(examples, list):
        # Without None: a sentence that has no intent.
        return (repr((split, *(part for part in example if part is not None))).encode()
                for example in examples)
    size = f"{split} {examples.characters}\n".encode()
    return (size, *(block.encode("utf-8", "replace") for block in examples))


def load(name, names, standard, named, read, file_options):
    """A corpus of a task.

    Args:    name          one of `names`, or a path
             standard      what "auto" stands for
             named         name → a `Corpus` of that name; "sample" always works
             read          path → a `Corpus`; raises where there is nothing
             file_options  {option: value}, which only files have
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    if name not in names:
        return read(name)
    given = [option for option, value in file_options.items() if value not in (None, False)]
    if given:
        raise ValueError(f"expected a file or folder with {' or '.join(given)}, received corpus "
                         f"'{name}'; leave those flags out")
    return _automatic(named, standard) if name == "auto" else named(name)


def _automatic(named, standard):
    """The standard corpus or, where it cannot be had, the built-in sample."""
    try:
        return named(standard)
    except (FileNotFoundError, ValueError) as error:
        corpus = named("sample")
        corpus.warnings.insert(0, f"using the built-in sample instead: {error}")
        return corpus


def unknown(name, names, expected, endings):
    """The error for what is neither one of the `names` nor a file that is expected."""
    path = pathlib.Path(name)
    if len(path.parts) > 1 or kind(path) in endings:
        return FileNotFoundError(f"expected {expected} or a folder, found nothing at {name}; check the "
                                 "path")
    near = difflib.get_close_matches(name.lower(), names, 1)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return ValueError(f"unknown corpus '{name}': {guess}expected one of {', '.join(names)}, or the "
                      f"path of {expected}")


def files_of(name):
    """The paths that the name of a corpus stands for, resolved: a file or folder, several with commas
    between, or those of a pattern; none where it is the name of no file.

    >>> files_of("no such file")
    []
    """
    for parts in ([name], name.split(",")):
        paths = [pathlib.Path(part.strip()).expanduser() for part in parts]
        if all(path.exists() for path in paths):
            return [path.resolve() for path in paths]
    found = glob.glob(os.path.expanduser(name), recursive=True)
    return sorted(pathlib.Path(path).resolve() for path in found)


def same(one, other):
    """Whether two names of corpora stand for the same one."""
    return one == other or files_of(one) == files_of(other) != []


def called(path):
    """The last name of a path as it was typed, by which its recipe is found."""
    return os.path.basename(os.path.abspath(os.path.expanduser(path)))
