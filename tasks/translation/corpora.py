"""Corpora for translation: NLTK's, the built-in sample, and your own tables and aligned files."""

import collections
import unicodedata

from tasks.reading import corpus, nltk, records, splits
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.splits import HELD_OUT, SPLITS, WHOLE, Pair, check_splits, normalised, overlap
from tasks.translation import parallel_files, sample as translation_sample
from tasks.translation.parallel_files import UNKNOWN

NAMES = ("auto", "sample", *nltk.ALIGNED)
STANDARD = "comtrans"
Keyed = collections.namedtuple("Keyed", "text pair")


def load(name="auto", seed=0, source_language=None, target_language=None, reverse=False,
         source_column=None, target_column=None, id_column=None, encoding=None, held_out=HELD_OUT):
    """Loads a corpus by name, or files by path.

    Args:    name             a name in `NAMES`; a table (see `tasks.reading.records`); two aligned files
                              with a comma between, as train.de,train.en; or a folder with train,
                              validation (valid, val, dev, …) and test of one of those
             seed             of the built-in sample's grammar; splits never depend on it
             source_language, target_language   codes: they choose among the sides that are known
                              by their endings, headers or characters, and name the others
             reverse          the second side is the source, unless the languages say otherwise
             source_column, target_column, id_column   of a table: a name in its header, or a number
                              from 1; an id is never a sentence
             encoding         of text files; None finds it
             held_out         of files: see `tasks.reading.splits.split`
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    languages = source_language, target_language
    if source_language and source_language == target_language:
        raise ValueError(f"expected two languages, received {source_language} twice; correct "
                         "source_language or target_language")
    columns = {"source_column": source_column, "target_column": target_column, "id_column": id_column}
    return corpus.load(
        str(name), NAMES, STANDARD, lambda name: _named(name, seed, languages, reverse),
        lambda path: _read(path, languages, reverse, tuple(columns.values()), encoding, held_out),
        {**columns, "encoding": encoding})


def _read(name, languages, reverse, columns, encoding, held_out):
    if not parallel_files.exists(name):
        raise _nothing(name)
    texts = parallel_files.read(name, languages, columns, encoding, held_out is WHOLE)
    return assembled(called(parallel_files.paths(name)[0]), texts, languages, reverse, OWN_TERMS,
                     held_out)


def references(pairs):
    """{source: its translations}, each once, in the order of the corpus: what a test is scored against.

    >>> references([Pair("嗨", "Hi."), Pair("好", "Good."), Pair("嗨", "Hello."), Pair("嗨", "Hi.")])
    {'嗨': ['Hi.', 'Hello.'], '好': ['Good.']}
    """
    found = collections.defaultdict(dict)
    for source, target in pairs:
        found[source][target] = None
    return {source: list(targets) for source, targets in found.items()}


def _nothing(name):
    missing = [path for path in parallel_files.paths(name) if not path.exists()]
    if "," in name:
        return FileNotFoundError(f"expected two aligned files, found nothing at {missing[0]}; check the "
                                 "path")
    return unknown(name, NAMES, "a table or two aligned files", records.ENDINGS)


def _named(name, seed, languages, reverse):
    if name == "sample":
        datasets = {split: [Pair(*row) for row in rows]
                    for split, rows in translation_sample.generate(seed).items()}
        texts = parallel_files.Texts(("zh", "en"), datasets, [])
        return assembled(name, texts, languages, reverse, translation_sample.TERMS)
    sides = _completed(languages)
    pairs, warnings = parallel_files.whole(name, list(enumerate(
        nltk.read_aligned(name, *sides), 1)))
    texts = parallel_files.Texts(sides, {"train": pairs}, warnings)
    return assembled(name, texts, (None, None), reverse, nltk.ALIGNED[name])


def _completed(languages):
    """Both languages of NLTK's corpus, from German into English unless it is said otherwise."""
    source, target = languages
    return source or ("de" if target != "de" else "en"), target or ("en" if source != "en" else "de")


def assembled(name, texts, languages, reverse, terms, held_out=HELD_OUT):
    """Turns the sides as asked, splits what has no official split, and looks at it."""
    sides = _detected(texts)
    sides, turned = _oriented(name, sides, languages, reverse)
    datasets = {split: [Pair(*pair[::-1]) for pair in pairs] if turned else pairs
                for split, pairs in texts.datasets.items()}
    datasets = divided(name, datasets, held_out)
    check_splits(name, {split: len(datasets[split]) for split in SPLITS}, "pairs", held_out)
    titles = texts.columns and texts.columns[::-1 if turned else 1]
    shown = datasets["test" if held_out is WHOLE else "train"]
    doubts = parallel_files.doubts(shown, titles) if titles else []
    return Corpus(name, **{split: datasets[split] for split in SPLITS}, terms=terms,
                  warnings=texts.warnings + overlap(datasets) + doubts,
                  description=_described(sides, titles, shown), split=splits.only(texts.datasets),
                  source_language=sides[0], target_language=sides[1])


def _described(sides, titles, pairs):
    """What is shown of it: the direction, and two pairs."""
    direction = " → ".join(sides if not titles else (
        f"{side} ({title})" for side, title in zip(sides, titles)))
    return [direction, *("  " + "  →  ".join(map(parallel_files.shown, pair)) for pair in pairs[:2])]


# ------------------------------------------------------------------------------------------ languages

def _detected(texts):
    """The languages, where nobody said them by the characters they are written in."""
    sample = [pair for pairs in texts.datasets.values() for pair in pairs[:1000]]
    return tuple(said if said != UNKNOWN else written_in("".join(side))
                 for said, side in zip(texts.languages, zip(*sample)))


def written_in(text):
    """"zh" or "ja" for what is mostly written in their characters, else "und".

    >>> written_in("我爱中国。"), written_in("私は本を読む。"), written_in("I love 中国.")
    ('zh', 'ja', 'und')
    """
    scripts = collections.Counter(unicodedata.name(letter, "").split(" ")[0]
                                  for letter in text if letter.isalpha())
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if 2 * (scripts["CJK"] + kana) <= scripts.total():
        return UNKNOWN
    return "ja" if 10 * kana > scripts["CJK"] else "zh"


def _oriented(name, sides, wanted, reverse):
    """The languages of source and target, and whether the sides change places.

    >>> _oriented("a", ("und", "zh"), ("zh", "en"), False)
    (('zh', 'en'), True)
    """
    for turned in (reverse, not reverse):
        found = sides[::-1] if turned else sides
        if all(asked in (None, side) or side == UNKNOWN and asked not in found
               for asked, side in zip(wanted, found)):
            return tuple(asked or side for asked, side in zip(wanted, found)), turned
    raise ValueError(f"corpus '{name}': expected the languages {' and '.join(sides)}, received "
                     f"{' and '.join(filter(None, wanted))}; correct source_language and target_language")


# -------------------------------------------------------------------------------------------- splits

def divided(name, datasets, held_out=HELD_OUT):
    """Completes {split: pairs}: 80 % train, 10 % validation, 10 % test, no sentence in two of them.

    Pairs that share a sentence, on either side, go together, and so do those that share one with them:
    which split they go to is a hash of the sentence that is first in the alphabet. It depends neither on
    the direction nor on the order of the pairs.
    """
    if held_out is WHOLE:
        return splits.split(name, datasets, None, set(), False, held_out)
    keys = iter(_groups(datasets["train"]))
    keyed = {split: [Keyed(next(keys) if split == "train" else pair.text, pair) for pair in pairs]
             for split, pairs in datasets.items()}
    result = splits.split(name, keyed, None, set(), False, held_out)
    return {split: [pair for _, pair in result[split]] for split in SPLITS}


def _groups(pairs):
    """For every pair the first sentence of its group: those that shared sentences hold together.

    >>> _groups([Pair("b", "c"), Pair("x", "y"), Pair("d", "c"), Pair("D", "a")])
    ['a', 'x', 'a', 'a']
    """
    leader = {}

    def find(text):
        while leader.setdefault(text, text) != text:
            leader[text] = text = leader[leader[text]]
        return text

    for pair in pairs:
        first, second = sorted(find(normalised(text)) for text in pair)
        leader[second] = first
    return [find(normalised(pair.source)) for pair in pairs]
