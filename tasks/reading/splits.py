"""Examples, and their splits: those that files are named for, else by a hash of the text.

By the hash every model sees the same splits, whatever the order of the file, and equal texts never land
in two.
"""

import bisect
import collections
import functools
import hashlib
import itertools
import re
import unicodedata

SPLITS = ("train", "validation", "test")
HELD_OUT = {"test": 0.1, "validation": 0.1}     # shares of what has no official split
WHOLE = {"test": 1.0}                           # everything is to be evaluated
HOLDS = {"train": "train|training|trn|训练集?|訓練集?",
         "validation": "validation|validate|valid|val|dev|devel|development|heldout|holdout|eval|"
                       "evaluation|testa|验证集?|開発|驗證集?",
         "test": "test|testing|tst|testb|测试集?|測試集?"}
NUMBER = re.compile(r"\d+")
HOLDS = {held: re.compile(f"(news)?({names})(set|data|file|split)?") for held, names in HOLDS.items()}

Example = collections.namedtuple("Example", "text label")
Example.__doc__ = "A text and its label: a string, a tuple of strings (multi-label) or a number."


class Sentence(collections.namedtuple("Sentence", "tokens tags intent", defaults=[None])):
    """Tokens and as many tags, two tuples of strings, and the label of the whole, if there is one."""
    __slots__ = ()

    @property
    def text(self):
        return " ".join(self.tokens)


class Pair(collections.namedtuple("Pair", "source target")):
    """A sentence and its translation."""
    __slots__ = ()

    @property
    def text(self):
        return self.source


@functools.lru_cache(maxsize=1024)
def split_of(name):
    """The split that a file's name speaks of; None where it is none, or two.

    >>> [split_of(name) for name in ("en_ewt-ud-dev.conllu", "TrainSet.csv", "train-or-test.md")]
    ['validation', 'train', None]
    """
    name = re.sub("([a-z])([A-Z])", r"\1 \2", name)
    name = re.sub("held[-_ ]out", "heldout", name.lower())
    found = {held for word in re.split(r"[\W\d_]+", name) for held, names in HOLDS.items()
             if names.fullmatch(word)}
    return found.pop() if len(found) == 1 else None


def by_split(folder, accepts, expected):
    """{split: paths} of a folder; validation and test may be missing and are then split off.

    Args:    accepts   path → whether it is of the right kind
             expected  what the training file should have been, for the message
    """
    files = splits_of(file for file in sorted(folder.iterdir()) if accepts(file))
    if "train" not in files:
        raise FileNotFoundError(f"expected {expected} in {folder}, and if there are any validation and "
                                "test files; found no train file")
    return files


def splits_of(paths):
    """{split: paths} of those whose names speak of one: several only where numbers tell them apart, as
    tst2010.de and tst2011.de, or train-00000-of-00002.parquet.

    Raises:  ValueError: several that differ otherwise
    """
    found = collections.defaultdict(list)
    for path in paths:
        found[split_of(path.name)].append(path)
    found.pop(None, None)
    for held, (first, *others) in found.items():
        for path in others:
            if NUMBER.sub("0", path.name) != NUMBER.sub("0", first.name):
                raise ValueError(f"expected one {held} file in {path.parent}, received {first.name} and "
                                 f"{path.name}; remove one, or join them")
    return dict(found)


def together(files):
    """A note for each split of {split: paths} that several files are read for.

    >>> import pathlib
    >>> together({"test": [pathlib.Path("tst2010.de"), pathlib.Path("tst2011.de")]})
    ['test: 2 files are read together, tst2010.de to tst2011.de']
    """
    return [f"{held}: {len(paths):,} files are read together, {paths[0].name} to {paths[-1].name}"
            for held, paths in files.items() if len(paths) > 1]


def only(datasets):
    """The split of {split: examples} that is alone; None where there are several.

    >>> only({"test": []}), only({"train": [], "test": []})
    ('test', None)
    """
    return next(iter(datasets)) if len(datasets) == 1 else None


def left_out(paths, used):
    """A note that names those paths, or what is in that folder, that are not used, but for what is about
    the data.

    >>> import pathlib
    >>> left_out([pathlib.Path("notes.tsv"), pathlib.Path("README"), pathlib.Path("train.tsv")],
    ...          [pathlib.Path("train.tsv")])
    ['left out: notes.tsv']
    """
    about = re.compile(r"\.|readme|licen[cs]e|copying|changelog", re.I)
    paths = paths if isinstance(paths, list) else paths.iterdir()
    names = [path.name for path in sorted(paths) if path not in used and not about.match(path.name)]
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return [f"left out: {', '.join(names[:5])}{more}"] * bool(names)


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


def overlap(datasets):
    """Warnings about texts that are in training and also in a held-out split."""
    train = {normalised(example.text) for example in datasets["train"]}
    return [f"{count} texts of the {held} split also occur in training"
            for held in ("validation", "test")
            if (count := sum(normalised(example.text) in train for example in datasets[held]))]


def check_splits(name, sizes, what, held_out=HELD_OUT):
    """Refuse a corpus of whose wanted splits, {split: how many}, one is empty; `what` is counted."""
    for held, size in sizes.items():
        if not size and (held in held_out or held == "train" and held_out is not WHOLE):
            raise ValueError(f"corpus '{name}': its {sum(sizes.values())} {what} leave the {held} split "
                             f"empty; give more {what}, or a folder with train, validation and test "
                             "files")


def split(name, datasets, fold, pinned, stratify, held_out=HELD_OUT):
    """Completes {split: examples}; one split alone is the whole corpus.

    Args:    held_out  {split: share} of what is split off where no file holds it; or `WHOLE`
    """
    if held_out is WHOLE:
        return {"train": [], "validation": [], "test": sum(map(list, datasets.values()), [])}
    if fold is not None:
        if fold not in range(5):
            raise ValueError(f"expected a fold from 0 to 4, received {fold}")
        if set(datasets) != {"train"}:
            raise ValueError(f"corpus '{name}' has an official split: leave fold out")
        return fold_splits(datasets["train"], fold, pinned, stratify)
    wanted = [held for held in held_out if held not in datasets]
    ends = list(itertools.accumulate(held_out[held] for held in wanted))
    result = collections.defaultdict(list, {held: list(rows) for held, rows in datasets.items()})
    result["train"] = []
    for example in datasets["train"]:
        place = bisect.bisect_right(ends, fraction(example.text))
        moves = place < len(wanted) and not (pinned and normalised(example.text) in pinned)
        result[wanted[place] if moves else "train"].append(example)
    return result


def fold_splits(examples, fold, pinned, stratify):
    """Test: the fold. Validation: an eighth of the rest, by another hash. Train: what remains."""
    fold_of = _folds(examples, stratify)
    datasets = {held: [] for held in SPLITS}
    for example in examples:
        key = normalised(example.text)
        held_out = "test" if fold_of[key] == fold else "validation"
        moves = held_out == "test" or fraction(example.text, "validation of a fold\n") < 1 / 8
        datasets[held_out if moves and key not in pinned else "train"].append(example)
    return datasets


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
