"""`fit` and `evaluate` of every task: as the command line, on a path, a table or lists in memory."""

import contextlib
import dataclasses
import importlib
import io
import logging
import numbers
import os
import tempfile

import zoo
from export import quiet
from tasks.reading.splits import HELD_OUT, WHOLE
from zoo.options import fields

TABLE = "DataFrame.jsonl"


def fit(task, options, columns, validation=None, on_epoch=None, verbose=True):
    """Train a head as the command line does: see `tasks.sentiment.fit`.

    Args:    task      its name;   options  {name: value} of its settings
             columns   (path,), (DataFrame,), or lists, one a column
             validation  None, a share of the examples, or lists as `columns`
    """
    if options.get("start") is not None:
        options["init_from"] = options["start"]
    make, settings = started(task, {name: value for name, value in options.items() if name != "start"})
    check(settings, columns, validation, on_epoch)
    with silent(verbose), directory(settings) as folder:
        task = make(dataclasses.replace(settings, output_dir=str(folder)))
        task.follow_earlier()
        corpus = task.introduced(corpus_of(task, columns, validation))
        try:
            task.tune(corpus)
        except SystemExit:      # the command line's way to end at Ctrl-C
            raise KeyboardInterrupt from None
        head, run = task.begun(corpus)
        run.is_kept = "output_dir" in settings.given
        if run.finished:
            return zoo.load(run.folder)
        try:
            task.fit(head, task.datasets(head, corpus, ("train", "validation")), run, on_epoch)
        except SystemExit:      # the command line's way to end at Ctrl-C
            raise KeyboardInterrupt from None
        if run.is_kept:
            head.save(run.folder)
        return head


def evaluate(task, options, head, columns):
    """The `Report` of a head on all of a path, a table or lists: see `tasks.sentiment.evaluate`."""
    make, settings = started(task, options)
    if not isinstance(head, make.head_class):
        raise ValueError(f"model: expected a {make.head_class.__name__}, received {head!r:.60}")
    check(settings, columns)
    with silent(True):
        task = make(settings)
        corpus = corpus_of(task, columns, held_out=WHOLE)
        print(*(f"note: {warning}\n" for warning in corpus.warnings), sep="", end="")
        return task.reported(head, corpus)


def started(task, options):
    """The class of a task and its settings; TensorFlow is imported without its log lines."""
    settings = importlib.import_module(f"tasks.{task}.options").Settings.of(**options)
    quiet.import_tensorflow()
    return getattr(importlib.import_module(f"tasks.{task}.task"), task.capitalize()), settings


def check(settings, columns, validation=None, on_epoch=None):
    """Refuse what `fit` and `evaluate` cannot use."""
    groups = {field.name: field.metadata["group"] for field in fields(settings)}
    for name in settings.given:
        if groups[name] in ("evaluation", "prediction", "export"):
            raise ValueError(f"{name}: expected an option of data, model or training, received one of "
                             "the command line; leave it out")
    if getattr(settings, "workers", 1) > 1:
        raise ValueError("workers: expected 1 in a call from Python, received "
                         f"{settings.workers}; train by the command line")
    if on_epoch is not None and not callable(on_epoch):
        raise ValueError(f"on_epoch: expected a function, received {on_epoch!r}")
    lists = isinstance(validation, (tuple, list)) and len(validation) == len(columns)
    share = isinstance(validation, numbers.Real) and 0 < validation < 1
    if validation is not None and not (lists or share):
        raise ValueError("validation: expected a share above 0 and below 1, or lists as those of "
                         f"training, received {validation!r:.60}")
    if lists and (isinstance(columns[0], (str, os.PathLike)) or is_table(columns)):
        raise ValueError("validation: expected a share with a path or a table, received lists; pass the "
                         "columns as lists too")


def is_table(columns):
    """Whether a pandas DataFrame alone was given."""
    return hasattr(columns[0], "to_json") and all(column is None for column in columns[1:])


def corpus_of(task, columns, validation=None, held_out=HELD_OUT):
    """The corpus of what `fit` or `evaluate` was given."""
    first, *rest = columns
    share = float(validation) if isinstance(validation, numbers.Real) else None
    if share is not None and getattr(task.settings, "fold", None) is not None:
        raise ValueError("fold: expected no share of validation with it, received one; leave one out")
    if share is not None:
        held_out = {"validation": share}
    if isinstance(first, (str, os.PathLike)):
        return at_path(task, first, rest, held_out)
    if is_table(columns):
        with tempfile.TemporaryDirectory() as folder:       # so that it is read as any file is
            path = os.path.join(folder, TABLE)
            first.to_json(path, orient="records", lines=True, force_ascii=False)
            return at_path(task, path, [], held_out)
    if getattr(task.settings, "fold", None) is not None:
        raise ValueError("fold: expected a path or a table with it, received lists; leave it out")
    if held_out is HELD_OUT:
        held_out = {"validation": HELD_OUT["validation"]}
    return task.corpus_of(columns, held_out, validation if share is None else None)


def at_path(task, path, rest, held_out):
    """The corpus of a path or a name, with the task's settings."""
    if any(column is not None for column in rest):
        raise ValueError(f"expected a path alone, received {str(path)!r} and lists; pass either")
    if len(str(path)) > 1000 or "\n" in str(path):
        raise ValueError(f"expected a path or a list, received a text, {str(path)!r:.60}; put it into a "
                         "list")
    task.settings = dataclasses.replace(task.settings, corpus=str(path))
    return task.load_corpus(held_out)


@contextlib.contextmanager
def directory(settings):
    """The run directory that is asked for, else a temporary one."""
    if "output_dir" in settings.given:
        yield settings.output_dir
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield folder


@contextlib.contextmanager
def silent(verbose):
    """A context in which a task prints, or does not, and TensorFlow's advice about graphs never is."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
