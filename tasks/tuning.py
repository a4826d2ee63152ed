"""Choosing options on the validation split, within minutes: successive halving.

    python -m tasks.sentiment --corpus=reviews.csv --tune_minutes=20

Every candidate is trained on a quarter of the training split, the better half of them on a half of it,
and the better half of those on all of it; of these the best is taken. The recipe stays in to the end
beside them, and what is trained on all of the split is what a run trains: so the result validates at
least as well as the recipe. A third of the time goes to each share. What is measured is kept in the run
directory, in tuning.jsonl, and decides all that follows: a tuning that was killed goes on from there.

Source: Jamieson & Talwalkar 2016
"""

import contextlib
import copy
import dataclasses
import gc
import io
import json
import math
import random
import tempfile
import time

import keras

from tasks.reporting.metric import metric
from tasks.training.run_directory import TUNING, Run, changes

SHARES = 0.25, 0.5, 1.0


def tuned(task, corpus):
    """The settings of a task with the options that validate best on a corpus; prints and writes a table.

    Raises:  ValueError: the run directory holds something else
    """
    record = Record(task, corpus)
    recipe = task.recipe(corpus)
    try:
        best = Halving(task, corpus, record, candidates(task, recipe)).best()
    except SystemExit:
        print("Tuning stopped: the same command, without --overwrite, goes on with what is measured.")
        raise
    given = [name for name in task.settings.given if name not in ("tune_minutes", *best)]
    settings = dataclasses.replace(task.settings, **best, overwrite=False, given=(*given, *best))
    lines = [*record.table(), f"best: {settings.command(f'tasks.{task.name}')}"]
    record.run.write_string(TUNING[1], "\n".join(lines))
    print("", *lines, "", sep="\n")
    return settings


def candidates(task, recipe):
    """[{option: value}], the recipe itself, {}, first; what the user or an earlier model says stays.

    Args:    recipe  {option: value} where nothing is given
    """
    found = {}
    for options in [{}, *task.candidates(recipe)]:
        free = {name: value for name, value in options.items()
                if name not in task.settings.given and getattr(task.settings, name) is None}
        found.setdefault(json.dumps({**recipe, **free}, sort_keys=True), free)
    return list(found.values())


class Record:
    """What was measured, in tuning.jsonl: the settings that are tuned, then a line a trial.

        {"options": {…}, "share": 0.25, "metric": "accuracy", "score": 0.81, "seconds": 9.5}

    Options that exclude each other have an error in place of metric and score.
    """

    def __init__(self, task, corpus):
        settings = task.settings
        self.run = Run(settings.output_dir)
        if settings.overwrite:
            self.run.clear(task.name)
        self.base = json.loads(json.dumps({"task": task.name, **task.recorded(corpus)}))
        self.rows = self._read()
        self.run.folder.mkdir(parents=True, exist_ok=True)
        self.run.lock()

    def _read(self):
        path = self.run.folder / TUNING[0]
        if not path.exists():
            if not self.run.is_new:
                raise ValueError(f"expected an empty folder or a tuned run, found another in "
                                 f"{self.run.folder}; --overwrite starts afresh, or choose another "
                                 "--output_dir")
            return []
        stored, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        differing = changes(stored, self.base, "--")
        if differing:
            raise ValueError(f"{self.run.folder} holds a tuning of other settings: "
                             f"{', '.join(differing)}; use the same ones to go on with it, --overwrite "
                             "to start afresh, or another --output_dir")
        return rows

    def add(self, row):
        self.rows.append(row)
        self.run.write_lines(TUNING[0], [self.base, *self.rows])

    def of(self, options, share):
        """The row of a trial, or None."""
        return next((row for row in self.rows
                     if (row["options"], row["share"]) == (options, share)), None)

    @property
    def seconds(self):
        """Spent on all trials."""
        return sum(row["seconds"] for row in self.rows)

    def table(self):
        """Lines: the candidates, and their scores by the share of the training split."""
        tried = list({json.dumps(row["options"]): row["options"] for row in self.rows}.values())
        names = {row["metric"] for row in self.rows if "metric" in row}
        lines = [f"tuning: {len(tried)} candidates in {self.seconds / 60:.1f} minutes; "
                 f"{', '.join(names)} on validation, by the share of the training split",
                 "".join(f"{share:>9.0%}" for share in SHARES)]
        for options in tried:
            rows = [self.of(options, share) for share in SHARES]
            cells = ["" if not row else "refused" if "error" in row else f"{row['score']:.4f}"
                     for row in rows]
            lines.append("".join(f"{cell:>9}" for cell in cells) + "  " + described(options))
        return lines


def described(options):
    """Options in words.

    >>> described({"model": "linear", "units": 9}), described({})
    ('model linear, units 9', 'the recipe')
    """
    return ", ".join(f"{name} {value}" for name, value in options.items()) or "the recipe"


class Halving:
    """Successive halving of candidates, of which the first is the recipe."""

    def __init__(self, task, corpus, record, candidates):
        self.task, self.corpus, self.record, self.candidates = task, corpus, record, candidates
        self.budget = 60 * task.settings.tune_minutes

    def best(self):
        """The options that validate best on all of the training split; the recipe's if time is short."""
        others = self.candidates[1:]
        for number, share in enumerate(SHARES, 1):
            if not others:
                break
            rows = self.measured([{}, *others], share, self.budget * number / len(SHARES))
            ranked = sorted(rows, key=lambda row: -value(row))
            others = [row["options"] for row in ranked if row["options"]]
            if share < 1:
                others = others[:math.ceil(len(others) / 2)]
        else:
            if {} in [row["options"] for row in rows]:
                return ranked[0]["options"]
        print("note: nothing was compared with the recipe on all of the training split; it stays")
        return {}

    def measured(self, going, share, limit):
        """The rows of those candidates that are trained on a share before `limit` seconds are spent."""
        rows = []
        for options in going:
            row = self.record.of(options, share)
            if row is None:
                seconds = self.expected(options, share)
                if self.record.seconds + seconds > limit:
                    continue
                row = self.trial(options, share)
            rows.append(row)
        return rows

    def expected(self, options, share):
        """Seconds that a trial will take, as far as others tell: nothing for the first."""
        known = self.record.of(options, share / 2) or self.record.of({}, share)
        return known["seconds"] * share / known["share"] if known else 0.0

    def trial(self, options, share):
        """Train with some options on a share of the training split; → the row, which is kept."""
        start, row = time.perf_counter(), {"options": options, "share": share}
        try:
            row |= trained(self.task, self.corpus, options, share)
        except ValueError as error:
            if not options:
                raise
            row["error"] = str(error)
        row["seconds"] = round(time.perf_counter() - start, 2)
        self.record.add(row)
        found = row.get("error") or f"{row['metric']} {row['score']:.4f}"
        print(f"{self.record.seconds / 60:6.1f} of {self.budget / 60:g} minutes, {share:.0%}: "
              f"{described(options)}: {found}", flush=True)
        return row


def value(row):
    """A trial's score, higher is better."""
    return -math.inf if "error" in row else metric(row["metric"]).sign * row["score"]


def trained(task, corpus, options, share):
    """The metric and the best score of an epoch of a run that is not kept."""
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        one = copy.copy(task)
        one.settings = dataclasses.replace(
            task.settings, **options, output_dir=folder, overwrite=True, tensorboard=False)
        corpus = sampled(corpus, share)
        head, run = one.begun(corpus)
        if not isinstance(corpus.train, list):      # a running text is read less often instead
            epochs = math.ceil(share * one.settings.epochs)
            one.settings = dataclasses.replace(one.settings, epochs=epochs)
        data = one.datasets(head, corpus, ("train", "validation"))
        history = one.fit(head, data, run).history
    name = data["train"].monitor
    scores = [row[name] for row in history]
    keras.backend.clear_session()
    gc.collect()
    return {"metric": name, "score": (max if metric(name).sign > 0 else min)(scores)}


def sampled(corpus, share):
    """The corpus with a share of its training examples; a larger share holds those of a smaller one."""
    if share == 1 or not isinstance(corpus.train, list):
        return corpus
    order = random.Random(0).sample(range(len(corpus.train)), len(corpus.train))
    chosen = sorted(order[:math.ceil(share * len(order))])
    return dataclasses.replace(corpus, train=[corpus.train[n] for n in chosen])
