"""What a classifier reads of a part of a corpus."""

import numpy as np

from tasks.sentiment.objectives import OBJECTIVES
from tasks.training.batches import Batch
from tasks.training.dataset import Data, right_padded
from zoo.layers.naive_bayes import CrossFit
from zoo.models.head import in_slices


class Texts(Data):
    """The texts of one part as ids, and their targets."""

    def __init__(self, head, examples):
        self.objective = OBJECTIVES[head.kind]
        self.texts = [example.text for example in examples]
        self.targets = self.objective.targets(examples, head.labels)
        self.ids = [row for n in range(0, len(self.texts), 1024)
                    for row in head.text(self.texts[n:n + 1024]).numpy()]
        self.lengths = np.array([len(row) for row in self.ids])
        self.wanted, self.crossfit = self.targets, None

    def standardise(self, head):
        """Learn numbers of mean 0 and deviation 1, whatever their unit; the head turns them back."""
        head.mean, head.deviation = float(self.targets.mean()), float(self.targets.std()) or 1.0
        self.wanted = (self.targets - head.mean) / head.deviation

    def count(self, network, seed):
        """Count log-count ratios, for the network and, out of fold, for training on these texts."""
        members = self.objective.members(self.targets, network.ratios.outputs)
        self.crossfit = CrossFit(self.ids, members, network.ratios.vocabulary_size, seed)
        self.crossfit.give(network.ratios)

    def batch(self, rows):
        """One training step's data, padded to its longest text."""
        ids = self.padded(rows)["ids"]
        if self.crossfit:
            ids = ids, self.crossfit.ratios(rows, ids)
        return Batch(ids, self.wanted[rows], len(rows), int(self.lengths[rows].sum()))

    def padded(self, rows):
        """The ids of some texts: [rows, T], 0 after the end."""
        return {"ids": right_padded([self.ids[row] for row in rows])}

    def served(self, signatures):
        """What a loaded SavedModel answers to the texts themselves."""
        serve, output = signatures["serving_default"], self.objective.output
        return np.array(in_slices(lambda strings: serve(text=strings), self.texts,
                                  lambda row: row[output]))
