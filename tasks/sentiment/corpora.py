"""Corpora for classification: NLTK's, the built-in sample, and your own TSV and CSV files."""

from tasks.reading import corpus, labelled, nltk, tables
from tasks.reading.splits import Example
from tasks.sentiment import sample

NAMES = ("auto", "sample", *nltk.CORPORA)
STANDARD = "sentence_polarity"


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
    if fold is not None and fold not in range(5):
        raise ValueError(f"expected a fold from 0 to 4, received {fold}")
    form = tables.Format(multi_label, regression, text_column, label_column)

    def named(name):
        return _sample(seed, fold) if name == "sample" else labelled.named(name, fold)

    return corpus.load(str(name), NAMES, STANDARD, named,
                       lambda path: labelled.read(path, NAMES, form, fold), vars(form))


def _sample(seed, fold):
    parts = {part: [Example(*row) for row in rows] for part, rows in sample.generate(seed).items()}
    return labelled.assembled("sample", parts, sample.TERMS, fold=fold)
