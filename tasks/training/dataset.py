"""One split of a corpus as a head reads it: numbers, padded batches, answers in its own order."""

import numpy as np

from tasks.reporting.report import Report
from tasks.training.batches import cut_by_tokens


class Data:
    """What all tasks do with a split of their corpus.

    A subclass sets

        texts      what the SavedModel is asked
        targets    what is to be answered, one a text
        lengths    [N] int, tokens of every text
        output     the name of the answers in every signature
        exact      whether answers are names, of which two can be equal, and not numbers
        unit       of the loss
        monitor, mode   the metric that chooses, and whether "max" or "min" of it is best
        quality    the metric that judges exported files: higher is better, whatever the targets' unit
        budget     how much of its quality an exported file may lose

    and says

        padded(rows)       {input: array}, what the network reads of some texts
        batch(rows)        the `Batch` of a training step
        served(signatures) the answers of a loaded SavedModel to all texts
        metrics(answers)   {name: number}, of answers, one a text
        predictions(answers)   an iterator of {name: JSON value}, a text each: what is right, what is
                           predicted, how surely
        details(answers)   {name: JSON value}: what a `tasks.reporting.report.Report` holds beside metrics
    """

    exact, mode, budget = False, "max", 0.005

    def __len__(self):
        return len(self.lengths)

    def outputs(self, function, tokens=16384, read=None):
        """function(**inputs) [B, …] for every text, in order, read in batches of similar length.

        What is read of some rows are the network's inputs, or what `read(rows)` gives.
        """
        order = np.argsort(self.lengths, kind="stable")
        groups = cut_by_tokens(order, np.maximum(self.lengths, 1), tokens)
        answers = [row for rows in groups for row in np.asarray(function(**(read or self.padded)(rows)))]
        return self.collected([answers[n] for n in np.argsort(order)])

    def answers(self, run, tokens=16384):
        """The answers to every text of run(signature, **inputs): of Keras now, or of an exported file."""
        return self.outputs(lambda **inputs: run("ids", **inputs)[self.output], tokens)

    def report(self, answers):
        """The `Report` of answers."""
        return Report(metrics=self.metrics(answers), **self.details(answers))

    def longer(self, length):
        """How many texts a file that takes so many tokens of a text cuts."""
        return int(np.sum(self.lengths > length))

    def requests(self, count):
        """The signature that a device's time is measured with, and at most `count` inputs for it."""
        return "ids", [self.padded(np.array([n])) for n in range(min(count, len(self)))]

    def calibration(self, run):
        """Inputs to calibrate a file of integers with, [{name: array}]; None: there is no such file."""

    def collected(self, answers):
        """The answers, one a text, as `metrics` takes them."""
        return np.array(answers)


def right_padded(rows, fill=0):
    """Rows of different lengths as one array [B, T], T ≥ 1.

    >>> right_padded([[1, 2], []], fill=-1).tolist()
    [[1, 2], [-1, -1]]
    """
    padded = np.full((len(rows), max([1, *map(len, rows)])), fill, np.int32)
    for line, row in zip(padded, rows):
        line[:len(row)] = row
    return padded
