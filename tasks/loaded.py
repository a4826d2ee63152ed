"""A classifier's SavedModel as `export.run.Model`: it takes texts as they are, many of them at a time.

    Model("runs/sentiment/saved_model/1").predict(["not bad at all"])
"""

import functools
import logging
import os
import pathlib

import numpy as np

from export import checksums, quiet, run
from tasks.training.batches import cut_by_tokens

BYTES = 1 << 16         # of a batch, padding included
THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"


class Model(run.Model):
    """The predictions of `serving_default`; on one thread, if it is what imports TensorFlow.

    Args:  folder  of a version
    """

    def __init__(self, folder):
        for threads in THREADS:
            os.environ.setdefault(threads, "1")
        tf = quiet.import_tensorflow()
        self.facts = run.read_json(pathlib.Path(folder) / "assets" / "model", "model.json")
        with quiet.logging_from("absl", logging.ERROR):     # custom gradients are not stored
            self.loaded = tf.saved_model.load(str(folder))
        self.serve = self.loaded.signatures["serving_default"]
        self.strings = functools.partial(tf.constant, dtype=tf.string)

    def predict(self, texts):
        texts, found = [run.encoded(text) for text in texts], {}
        lengths = np.array([max(1, len(text)) for text in texts])
        for rows in cut_by_tokens(np.argsort(lengths, kind="stable"), lengths, BYTES):
            answers = self.serve(text=self.strings([texts[row] for row in rows]))
            names, values = list(answers), [value.numpy() for value in answers.values()]
            for row, *one in zip(rows, *values):
                found[row] = self.readable(dict(zip(names, one)), None, texts[row])
        return [found[row] for row in range(len(texts))]


def newest(folder):
    """The newest version under a folder, or None."""
    found = [path for path in pathlib.Path(folder).glob("*")
             if path.name.isdigit() and (path / checksums.NAME).is_file()]
    return max(found, key=lambda path: int(path.name), default=None)
