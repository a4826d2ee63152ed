"""Predictions of a trained run: of a text for a person, or beside the rows of a file.

    python -m tasks.sentiment --predict "not bad at all"
    python -m tasks.sentiment --input=new.csv --output=predicted.csv
    tail -F log.txt | python -m tasks.sentiment --input=-

They come from the exported TFLite file, by `export.run`, without TensorFlow. A run that has no export,
or has stopped, predicts with its model, by the same code. Nothing is written into the run directory.
"""

import contextlib
import importlib
import os
import pathlib
import sys
import tempfile

import numpy as np

from export import quiet, run as lite
from tasks.reading import inputs, roles
from tasks.reading.standard_input import decoded, lines
from tasks.reporting import predictions
from tasks.training.run_directory import Run


class Prediction:
    """How a run of one task predicts. A subclass, `Prediction` in the task's prediction.py, says

        line(prediction, text)     a prediction as it is printed for a person
        added(prediction, text)    {name: value}: what is added to the row of a text
        flat(added)                the same for a table, whose cells are texts and numbers

    Args:    task, settings   its name and the settings of the call
             head             what makes the trained model of a run, a function of the `Run`, where
                              TensorFlow may be used
    Raises:  FileNotFoundError, ValueError: no run, or settings that exclude each other
    """

    flag, names = "text_column", roles.TEXT_NAMES

    def __init__(self, task, settings, head=None):
        check(settings)
        self.settings, self.make = settings, head
        self.run = Run.existing(settings.output_dir, task)
        self.file = self.run.folder / "tflite" / f"model_{settings.variant}.tflite"
        if "variant" in settings.given and not self.file.is_file():
            found = [path.stem.removeprefix("model_") for path in self.file.parent.glob("*.tflite")]
            raise FileNotFoundError(
                f"variant: expected one that {self.run.folder} has, "
                f"{', '.join(sorted(found)) or 'none'}, received {settings.variant}; export it with "
                "--mode=export")

    @property
    def needs_model(self):
        """Whether it takes the model itself, in TensorFlow."""
        return not self.file.is_file()

    def role(self):
        """Which column of an input holds the text: that of the training, unless a flag says another."""
        given = getattr(self.settings.resumed(self.run.settings), self.flag, None)
        return roles.Role(self.flag, given, self.names)

    def opened(self):
        """Read the export, or make the model."""
        if self.needs_model:
            with contextlib.redirect_stdout(sys.stderr):    # standard output is for predictions
                self.head = self.make(self.run)
            if not self.file.is_file():
                print(f"note: {self.run.folder} has no export: predicting with its best checkpoint, by "
                      "TensorFlow", file=sys.stderr)
            self.model = model_of(self.head)
        else:
            self.model = lite.load(self.file)
            with quiet.standard_error_to(os.devnull):  # the first allocation logs the delegate it makes
                self.model.interpreter().allocate_tensors()
        return self

    def predict(self, texts, first):
        """A dictionary a text; the first one is number `first` of the input."""
        return self.model.predict(texts)

    def flat(self, added):
        return added


def of(task, settings, head=None):
    """The `Prediction` of a task."""
    return importlib.import_module(f"tasks.{task}.prediction").Prediction(task, settings, head)


def is_wanted(settings):
    """Whether the program is to predict."""
    return getattr(settings, "predict", None) is not None or getattr(settings, "input", None) is not None


def check(settings):
    """ValueError for settings that cannot be."""
    predict, source, output = settings.predict, settings.input, settings.output or "-"
    if predict is not None and source is not None:
        raise ValueError("expected --predict=TEXT or --input=FILE, received both; leave one out")
    if predict is not None and os.path.isfile(predict):
        raise ValueError(f"predict: expected a text, received the path of a file, {predict}; "
                         f"--input={predict} predicts for its rows")
    if source is None and output != "-":
        raise ValueError("output: expected --input=FILE with it, received none")
    if source not in (None, "-") and output != "-" and os.path.exists(output) and os.path.exists(
            source) and os.path.samefile(source, output):
        raise ValueError(f"output: expected another file than the input, received {output}; change it")


def main(prediction):
    """Predict for the text, the lines or the rows of a `Prediction`'s settings."""
    if prediction.settings.predict is not None:
        printed(prediction)
    else:
        written(prediction)


def printed(prediction):
    """A prediction for a person, each as soon as its line is there."""
    predict, first = prediction.settings.predict, 0
    batches = lines(prediction.settings.encoding) if predict == "-" else [[decoded(predict)]]
    prediction.opened()
    for texts in batches:
        for text, one in zip(texts, prediction.predict(texts, first)):
            print(prediction.line(one, text))
        sys.stdout.flush()
        first += len(texts)


def written(prediction):
    """The rows of a file, or of standard input, with their predictions."""
    settings, first = prediction.settings, 0
    output = settings.output or "-"
    predictions.kind_of(output, ".jsonl")  # a wrong one is refused before anything is read
    prediction.opened()
    role = prediction.role()
    rows = inputs.read(settings.input, role, role.flag in settings.given, settings.encoding)
    kind = predictions.kind_of(output, rows.kind)
    with predictions.opened(output) as file:
        writer = predictions.Writer(file, kind, rows.names)
        for batch in rows.batches:
            texts = [text for _, text in batch]
            added = [prediction.added(one, text)
                     for one, text in zip(prediction.predict(texts, first), texts)]
            found = [row for row, _ in batch]
            if kind != ".jsonl":
                found, added = list(map(rows.cells, found)), list(map(prediction.flat, added))
            writer.write(found, added)
            first += len(batch)
    for note in [*rows.notes, *renamed(writer)]:
        print(f"note: {note}", file=sys.stderr)


def renamed(writer):
    """Notes on what is added under another name."""
    return [f"the input has a column {name}: what is predicted is called {new}"
            for name, new in (writer.renamed or {}).items() if name != new]


def model_of(head):
    """The same of a head, by its signatures in TensorFlow: see `export.run.Model`."""
    signatures = head.lite_signatures()

    def predict(signature, given):
        specs = {spec.name: spec for spec in signatures[signature].input_signature}
        found = signatures[signature](**{name: np.asarray(given[name], spec.dtype.as_numpy_dtype)
                                         for name, spec in specs.items()})
        return {name: value.numpy() for name, value in found.items()}

    with tempfile.TemporaryDirectory() as folder:
        for name, text in head.assets().items():
            (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")
        return lite.load(pathlib.Path(folder) / "model", predict)
