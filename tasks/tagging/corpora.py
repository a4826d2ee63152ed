"""Corpora for tagging: NLTK's, the built-in sample, and your own columns."""

import collections
import pathlib
import re

from tasks.reading import columns, corpus, nltk, splits
from tasks.reading.corpus import OWN_TERMS, Corpus, called, unknown
from tasks.reading.splits import HELD_OUT, SPLITS, WHOLE, Sentence, check_splits, overlap
from tasks.tagging import sample, schemes
from tasks.tagging.schemes import detect  # noqa: F401 (part of this module's interface)

NAMES = ("auto", "sample", *nltk.TAGGED)
STANDARD = "conll2000"
ENDINGS = (".conll", ".conllu", ".cupt", ".iob", ".bio", ".csv", ".tsv", ".txt", ".jsonl", ".json")
SCHEMES = schemes.NAMES


def load(name="auto", seed=0, tag_column=None, scheme=None, strip_position=None, tagset=None,
         token_column=None, comments=None, tokenizer="word", encoding=None, held_out=HELD_OUT,
         intent_column=None, intent=None, fold=None):
    """Loads a corpus by name, or a file or folder by path.

    Args:    name            a name in `NAMES` (conll2002 is conll2002_esp, its Spanish half); a file of
                             CoNLL columns, CoNLL-U, CSV, word/TAG, JSON with character spans or with
                             lists of tokens and tags (also .gz); a folder with seq.in and seq.out; or a
                             folder with train, validation (dev, valid, val, testa) and test (testb) of
                             one of those
             seed            of the built-in sample's grammar; splits never depend on it
             tag_column      of a file: a number from 1, -1 for the last, or a name: of a header, of
                             CoNLL-U, or of the spans' key in JSON
             scheme          one of `SCHEMES`; None detects it
             strip_position  tokens end in their position in the word (所1), which is no part of them;
                             None strips it where all tokens look so, and says it
             tagset          "own" or "universal", of treebank, brown (universal if None), masc_tagged
             token_column    of a file, as tag_column; in JSON the key of the text
             comments        whether lines that start with # at the head of a sentence are comments
             tokenizer       "word", "space" or "character": how texts with spans are cut into tokens
             encoding        of text files; None finds it
             held_out        of files: see `tasks.reading.splits.split`
             intent_column   of a file, as tag_column: that of the sentences' labels
             intent          whether those are read; None reads them where there are any
             fold            None, or the test fold, 0 to 4, of a fixed 5-fold split
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    if scheme not in (None, *SCHEMES):
        raise ValueError(f"expected a scheme of {', '.join(SCHEMES)}, received '{scheme}'")
    return corpus.load(
        str(name), NAMES, STANDARD, lambda name: _named(name, seed, scheme, tagset, intent, fold),
        lambda path: _read(path, columns.Form(token_column, tag_column, comments, tokenizer, encoding,
                                              intent_column, intent),
                           scheme, strip_position, tagset, held_out, fold),
        {"token_column": token_column, "tag_column": tag_column, "comments": comments,
         "strip_position": strip_position, "encoding": encoding, "intent_column": intent_column})


def _read(name, form, scheme, strip_position, tagset, held_out, fold):
    if tagset:
        raise ValueError("expected treebank, brown or masc_tagged with tagset, received "
                         f"{name}; leave it out")
    if not pathlib.Path(name).expanduser().exists():
        raise unknown(name, NAMES, "a file of CoNLL columns", ENDINGS)
    datasets, warnings, first = columns.read(name, form)
    datasets = _without_positions(datasets, strip_position, warnings)
    return assembled(called(name), datasets, scheme, OWN_TERMS, warnings, first, held_out, form.intents,
                     fold)


def _named(name, seed, scheme, tagset, intent, fold):
    if name != "sample":
        datasets, warnings = nltk.read_tagged(name, tagset)
        return assembled(name, datasets, scheme, nltk.TAGGED[name][-1], warnings, fold=fold)
    if tagset:
        raise ValueError("expected treebank, brown or masc_tagged with tagset, received sample; leave it "
                         "out")
    datasets = {split: [Sentence(*row) for row in rows]
                for split, rows in sample.generate(seed).items()}
    return assembled(name, datasets, scheme, sample.TERMS, [], intent=intent, fold=fold)


def assembled(name, datasets, scheme, terms, warnings, first=None, held_out=HELD_OUT, intent=None,
              fold=None):
    """Finds the scheme and mends what breaks it, splits what has no official split, and looks at it.

    Args:  first   {tag: where it first occurs}
           intent  whether the sentences' labels are kept; None keeps them where there are any
    Raises:  ValueError: tags or labels that cannot be learnt or evaluated
    """
    datasets = _intents_checked(name, datasets, intent, held_out, warnings)
    labels = {tag for rows in datasets.values() for sentence in rows for tag in sentence.tags}
    if len(labels) < 2 and held_out is not WHOLE:
        raise ValueError(f"corpus '{name}': expected at least two tags, received "
                         f"{' '.join(labels) or 'none'}; check tag_column")
    where = collections.defaultdict(lambda: f"corpus '{name}'", first or {})
    datasets, scheme, notes = schemes.read(datasets, scheme, where.__getitem__)
    warnings += notes
    datasets = splits.split(name, datasets, fold, set(), False, held_out)
    check_splits(name, {split: len(datasets[split]) for split in SPLITS}, "sentences", held_out)
    tags = {split: collections.Counter(tag for sentence in datasets[split] for tag in sentence.tags)
            for split in SPLITS}
    intents = {split: collections.Counter(sentence.intent for sentence in datasets[split])
               for split in SPLITS}
    if held_out is not WHOLE:
        warnings += _strangers("tag", tags) + _strangers("intent", intents) + overlap(datasets)
    return Corpus(name, **{split: datasets[split] for split in SPLITS}, terms=terms, warnings=warnings,
                  labels=sorted(set().union(*tags.values())), scheme=scheme,
                  intents=sorted(set().union(*intents.values()) - {None}))


def _strangers(what, counts):
    """Warnings about tags or intents that no model can learn, for training has none of them."""
    count = counts["validation"] + counts["test"]
    return [f"{what} '{name}' never occurs in training, {n} times in validation and test"
            for name, n in sorted(count.items()) if name not in counts["train"]]


def _intents_checked(name, datasets, wanted, held_out, warnings):
    """The datasets, their sentences without labels where none are wanted or all have the same one.

    Raises:  ValueError: some sentences have one and others have none
    """
    counts = collections.Counter(sentence.intent for rows in datasets.values() for sentence in rows)
    if wanted is not False and None in counts and (len(counts) > 1 or wanted):
        raise ValueError(f"corpus '{name}': expected a label of every sentence, received "
                         f"{counts[None]:,} of {counts.total():,} without; add them, or set intent to "
                         "false to learn the tags alone")
    alone = wanted is not False and held_out is not WHOLE and len(counts) == 1 and None not in counts
    if alone:
        warnings.append(f"all sentences have the label '{counts.popitem()[0]}': the tags alone are "
                        "learnt")
    return {split: [sentence._replace(intent=None) for sentence in rows]
            for split, rows in datasets.items()} if alone or wanted is False else datasets


# ------------------------------------------------------------------------------------------ positions

def _without_positions(datasets, wanted, warnings):
    """Strips the position in its word from each character, where that is wanted or plainly so."""
    sentences = [sentence for rows in datasets.values() for sentence in rows]
    ends = all(len(token) > 1 and token[-1].isdecimal() for s in sentences for token in s.tokens)
    if wanted and not ends:
        raise ValueError("expected tokens that end in a digit with strip_position, received others; "
                         "leave it out")
    if wanted is None and ends and all(sentence.tokens[0][-1] == "0" for sentence in sentences):
        warnings.append("every token ends in its position in the word, as in 所1: the digits are "
                        "stripped; set strip_position to false to keep them")
        wanted = True
    if not wanted:
        return datasets
    return {split: [row._replace(tokens=tuple(map(_character, row.tokens))) for row in rows]
            for split, rows in datasets.items()}


def _character(token):
    """The token without its position, which has more digits only after a single character.

    >>> _character("所1"), _character("所10"), _character("51")
    ('所', '所', '5')
    """
    return re.sub(r"^(.)\d+$|\d$", r"\1", token)
