"""Corpora for classification: NLTK's, the built-in sample, and your own files."""

from tasks.reading import corpus, labelled, nltk
from tasks.reading.splits import HELD_OUT, Example
from tasks.sentiment import sample

NAMES = ("auto", "sample", *nltk.CORPORA)
STANDARD = "sentence_polarity"


def load(name="auto", seed=0, fold=None, multi_label=False, regression=False,
         text_column=None, label_column=None, id_column=None, label_separator=None, encoding=None,
         held_out=HELD_OUT):
    """Loads a corpus by name, or a file or folder by path.

    Args:    name          a name in `NAMES`, a file (see `tasks.reading.records`), a folder with train,
                           validation (dev, valid, val, …) and test files, or with a folder for each label
             seed          of the built-in sample's grammar; splits never depend on it
             fold          0 … 4: the test split of a fixed 5-fold split, stratified by label
             multi_label   cells hold any number of labels
             regression    cells hold numbers
             text_column, label_column, id_column   of a file: a name in its header, or a number from 1;
                           an id is never a text or a label
             label_separator   between the labels of a cell; None is "|"
             encoding      of text files; None finds it
             held_out      of files: see `tasks.reading.splits.split`
    Raises:  FileNotFoundError, ValueError: one line that says what came and what to do
    """
    form = labelled.Format(multi_label, regression, text_column, label_column, id_column,
                           label_separator, encoding)

    def named(name):
        return _sample(seed, fold) if name == "sample" else labelled.named(name, fold)

    return corpus.load(str(name), NAMES, STANDARD, named,
                       lambda path: labelled.read(path, NAMES, form, fold, held_out), vars(form))


def _sample(seed, fold):
    datasets = {split: [Example(*row) for row in rows] for split, rows in sample.generate(seed).items()}
    return labelled.assembled("sample", datasets, sample.TERMS, fold=fold)
