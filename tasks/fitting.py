"""`fit` and `evaluate` of every task: as the command line, on a path, a table or lists in memory."""

import contextlib
import dataclasses
import io
import os
import pathlib
import tempfile

import zoo
from tasks.reading.splits import HELD_OUT, WHOLE

TABLE = "table.jsonl"


def fit(make, settings, columns, validation=None, on_epoch=None, verbose=True):
    """Train a head as the command line does: see `tasks.sentiment.fit`.

    Args:    make      the class of the task;   settings  of it
             columns   (path,), (DataFrame,), or lists, one a column
             validation  None, a share of the examples, or lists as `columns`
    """
    with quiet(verbose), directory(settings) as folder:
        task = make(dataclasses.replace(settings, output_dir=str(folder)))
        corpus = corpus_of(task, columns, validation, folder)
        head, run = task.begun(task.introduced(corpus))
        if run.finished:
            return zoo.load(run.folder)
        try:
            task.fit(head, task.parts(head, corpus, ("train", "validation")), run, on_epoch)
        except SystemExit:      # the command line's way to end at Ctrl-C
            raise KeyboardInterrupt from None
        if "output_dir" in settings.given:
            head.save(run.folder)
        return head


def evaluate(make, settings, head, columns):
    """The `Report` of a head on all of a path, a table or lists. See `tasks.sentiment.evaluate`."""
    with tempfile.TemporaryDirectory() as folder:
        task = make(settings)
        corpus = corpus_of(task, columns, None, folder, WHOLE)
        return task.reported(head, corpus)


def corpus_of(task, columns, validation, folder, held_out=HELD_OUT):
    """The corpus of what `fit` was given."""
    first, *rest = columns
    share = validation if isinstance(validation, float) else None
    if held_out is not WHOLE and share is not None:
        held_out = {"validation": share}
    if hasattr(first, "to_json") and not any(column is not None for column in rest):
        first = written(first, folder)
    if isinstance(first, (str, os.PathLike)):
        if any(column is not None for column in rest):
            raise ValueError(f"expected a path alone, received {str(first)!r} with other arguments")
        task.settings = dataclasses.replace(task.settings, corpus=str(first))
        return task.load_corpus(held_out)
    if held_out is HELD_OUT:
        held_out = {"validation": 0.1}
    lists = None if share is not None else validation
    return task.corpus_of(columns, held_out, lists)


def written(frame, folder):
    """A DataFrame as a file of JSON lines, so that it is read as any file is."""
    path = pathlib.Path(folder) / TABLE
    frame.to_json(path, orient="records", lines=True, force_ascii=False)
    return path


@contextlib.contextmanager
def directory(settings):
    """The run directory that is asked for, else a temporary one."""
    if "output_dir" in settings.given:
        yield settings.output_dir
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield folder


def quiet(verbose):
    """The context in which a task prints, or does not."""
    return contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO())
