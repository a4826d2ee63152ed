"""One split of a corpus as a head reads it: numbers, padded batches, predictions in its order."""

import numpy as np

from tasks.reporting.report import Report
from tasks.training import workers
from tasks.training.batches import cut_by_tokens
from zoo.models.head import rows


class Data:
    """What all tasks do with a split of their corpus.

    A subclass sets

        texts      what the SavedModel is called with
        targets    what is to be predicted, one a text
        lengths    [N] int, tokens of every text
        output     the name of the predictions in every signature
        exact      whether predictions are names, of which two can be equal, and not numbers
        unit       of the loss
        monitor, mode   the metric that chooses, and whether "max" or "min" of it is best
        quality    the metric that judges exported files: higher is better, whatever the targets' unit
        stream     None, or the `tasks.reading.sharded.Stream` of which the split is a sample
        budget     how much of its quality an exported file may lose

    and defines

        padded(rows)           {input: array}, what the network reads of some texts
        batch(rows)            the `Batch` of a training step
        served(signatures)     the predictions of a loaded SavedModel for all texts
        metrics(predictions)   {name: number}, of predictions, one a text
        rows(predictions)      an iterator of {name: JSON value}, a text each: what is right, what is
                               predicted, how surely
        details(predictions)   {name: JSON value}: what a `tasks.reporting.report.Report` holds besides
    """

    exact, mode, budget, stream = False, "max", 0.005, None

    def __len__(self):
        return len(self.lengths)

    def metrics_of_baseline(self, predictions):
        """`metrics` of predictions that owe the head nothing."""
        return self.metrics(predictions)

    def outputs(self, function, tokens=16384, read=None):
        """function(**inputs) [B, …] for every text, in order, read in batches of similar length.

        Several outputs, {name: [B, …]}, become a dictionary a text. What is read of some rows are the
        network's inputs, or what `read(rows)` gives.
        """
        order = np.argsort(self.lengths, kind="stable")
        groups = cut_by_tokens(order, np.maximum(self.lengths, 1), tokens)
        outputs = workers.shared(lambda chosen: function(**(read or self.padded)(chosen)), groups)
        found = [row for output in outputs
                 for row in (rows(output) if isinstance(output, dict) else np.asarray(output))]
        return self.collected([found[n] for n in np.argsort(order)])

    def predict(self, run, tokens=16384):
        """The predictions for every text of run(signature, **inputs), of Keras or of an exported file."""
        return self.outputs(lambda **inputs: self.taken(run("ids", **inputs)), tokens)

    def taken(self, outputs):
        """The predictions among the outputs of a signature, {name: [B, …]}."""
        return outputs[self.output]

    def report(self, predictions):
        """The `Report` of predictions."""
        return Report(metrics=self.metrics(predictions), **self.details(predictions))

    def longer(self, length):
        """How many texts a file that takes so many tokens of a text cuts."""
        return int(np.sum(self.lengths > length))

    def requests(self, count):
        """The signature that a device's time is measured with, and at most `count` inputs for it."""
        return "ids", [self.padded(np.array([n])) for n in range(min(count, len(self)))]

    def calibration(self, run):
        """Inputs to calibrate a file of integers with, [{name: array}]; None: there is no such file."""

    def collected(self, outputs):
        """The predictions, as `metrics` takes them, of the network's outputs, one a text."""
        return np.array(outputs)


def check_known(found, labels):
    """Refuse a label that the model does not know."""
    unknown = next((label for label in found if label not in labels), None)
    if unknown is not None:
        raise ValueError(f"the corpus has a label the model does not know, {unknown!r}; expected "
                         f"labels among {', '.join(map(repr, labels))}")


def right_padded(rows, fill=0):
    """Rows of different lengths as one array [B, T], T ≥ 1.

    >>> right_padded([[1, 2], []], fill=-1).tolist()
    [[1, 2], [-1, -1]]
    """
    padded = np.full((len(rows), max([1, *map(len, rows)])), fill, np.int32)
    for line, row in zip(padded, rows):
        line[:len(row)] = row
    return padded
