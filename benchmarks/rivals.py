"""What a user would pick instead, on the same splits: its score, and how a run of ours differs from it.

    python -m benchmarks.rivals sentiment qc reviews.csv [--fold=0] [--runs=runs/qc,runs/reviews]
    python -m benchmarks.rivals tagging conll2000 [--output=rivals.json]

The task, then corpora by name or path, then flags: how the task reads a corpus, and those below. Rivals
for one label are LinearSVC over TF-IDF and fastText; for several labels LinearSVC, each against the rest;
for numbers ridge regression; for tags CRFsuite. Settings are chosen on validation; test is read once.

`--runs` are run directories of the same corpora and folds: ours − rival is printed with its 95 % interval
by a paired bootstrap over texts, for each seed. The extra `benchmarks` has the optional packages. Prints
Markdown; `--output` holds all of it as JSON.
"""

import dataclasses
import importlib
import itertools
import json
import pathlib
import sys
import time

from benchmarks.differences import difference, score
from benchmarks.rival_models import RIVALS
from tasks import cli, options
from tasks.reporting.comparison import PREDICTIONS
from tasks.tagging.dataset import in_scheme
from tasks.tagging.metrics import quality
from tasks.training.run_directory import Run
from zoo.options import Options, option

TASKS = ("sentiment", "tagging")
COLUMNS = ("corpus", "training", "metric", "model", "settings", "validation", "test", "ours − it",
           "seconds")


@dataclasses.dataclass(frozen=True)
class RivalOptions(Options):
    """Of this program alone."""

    folds: tuple = option((), "Test folds of a fixed 5-fold split, whose predictions are pooled.", of=int,
                          least=0, most=4)
    pooled: bool = option(False, "Pool the predictions for all corpora: they are one entry.")
    runs: tuple = option((), "Run directories to compare with.")
    output: str = option(None, "JSON file to write.")


def corpora_of(task, settings, names):
    """{(name or path, fold or None): corpus}, every fold of every name."""
    reader, found = getattr(importlib.import_module(f"tasks.{task}.task"), task.capitalize()), {}
    for name, fold in itertools.product(names, settings.folds or [getattr(settings, "fold", None)]):
        taken = {"corpus": name, **({"fold": fold} if settings.folds else {})}
        found[name, fold] = reader(dataclasses.replace(settings, **taken)).load_corpus()
    return found


def metric_of(task, corpus):
    """The metric that predictions of a corpus are judged by."""
    if task == "tagging":
        return quality(corpus.scheme)
    return "micro_f1" if corpus.multi_label else "r_squared" if corpus.regression else "accuracy"


def truth(examples, corpus):
    """What is right, as `test_predictions.jsonl` has it."""
    if hasattr(examples[0], "tags"):
        return [in_scheme(sentence.tags, corpus.scheme and "BIO") for sentence in examples]
    labels = [example.label for example in examples]
    return [sorted(label) for label in labels] if corpus.multi_label else labels


def measured(metric, rival, corpora):
    """A rival's predictions for the test splits, and what it reached: {column: value}."""
    start, predicted, held_out, labels, settings = time.perf_counter(), [], [], [], []
    for corpus in corpora:
        size = len(corpus.validation)
        found = rival(corpus, [*corpus.validation, *corpus.test])
        held_out += found.predicted[:size]
        predicted += found.predicted[size:]
        labels += truth(corpus.validation, corpus)
        settings.append(found.settings)
    return {"settings": "; ".join(dict.fromkeys(settings)), "predicted": predicted,
            "validation": score(metric, labels, held_out), "seconds": time.perf_counter() - start}


def text_of(example):
    """The text of a row of `test_predictions.jsonl`."""
    return " ".join(example.tokens) if hasattr(example, "tokens") else example.text


def ours(runs, corpora):
    """{"ours, seed 0": predictions for the test splits} of the runs of `corpora_of`, in their order.

    Raises:  ValueError: a run whose test split is another
    """
    found = {}
    for run, (place, corpus) in itertools.product(runs, corpora.items()):
        if same(run.settings["corpus"], place[0]) and run.settings.get("fold") == place[1]:
            rows = rows_of(run)
            if [row["text"] for row in rows] != [text_of(example) for example in corpus.test]:
                raise ValueError(f"expected a run with the test split of {corpus.name}, received "
                                 f"{run.folder} with another; train it again")
            of_seed = found.setdefault(f"ours, seed {run.settings['seed']}", {})
            of_seed[place] = [row["predicted"] for row in rows]
    return {seed: [one for place in corpora for one in of_seed[place]]
            for seed, of_seed in found.items() if len(of_seed) == len(corpora)}


def same(one, other):
    """Whether two names, or paths, are of one corpus."""
    return one == other or pathlib.Path(one).resolve() == pathlib.Path(other).resolve()


def rows_of(run):
    """The rows of a finished run's predictions."""
    lines = (run.folder / PREDICTIONS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def compared(task, settings, names, runs):
    """The rows of the table for corpora that are one entry."""
    corpora = corpora_of(task, settings, names)
    first = next(iter(corpora.values()))
    metric = metric_of(task, first)
    labels = [label for corpus in corpora.values() for label in truth(corpus.test, corpus)]
    known = {"corpus": " + ".join(dict.fromkeys(corpus.name for corpus in corpora.values())),
             "training": len(first.train), "labels": len(first.labels), "metric": metric}
    mine, rows = ours(runs, corpora), []
    for model, predicted in mine.items():
        rows.append({**known, "model": model, "test": score(metric, labels, predicted)})
    for model, rival in RIVALS[metric].items():
        try:
            found = measured(metric, rival, corpora.values())
        except ModuleNotFoundError as error:
            print(f"note: {model} is left out; python -m pip install -e '.[benchmarks]' installs "
                  f"{error.name}")
            continue
        predicted = found.pop("predicted")
        rows.append({**known, "model": model, **found, "test": score(metric, labels, predicted),
                     "ours − it": {seed: difference(metric, labels, one, predicted)
                                   for seed, one in mine.items()}})
    return rows


def line(row):
    """A row of the table in Markdown; scores and differences in points."""
    def cell(name):
        value = row.get(name, "")
        if name in ("validation", "test") and value != "":
            return f"{100 * value:.1f}"
        if name == "ours − it" and value:
            return "; ".join(f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
                             for mean, low, high in value.values())
        return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value or "")

    return f"| {' | '.join(map(cell, COLUMNS))} |"


def main(arguments):
    task, *names = itertools.takewhile(lambda word: not word.startswith("-"), arguments)
    both = options.settings(data=importlib.import_module(f"tasks.{task}.options").CorpusOptions,
                            benchmark=RivalOptions)
    settings = cli.parse(both, [f"benchmarks.rivals {task}", *arguments[1 + len(names):]])
    runs = [Run.existing(folder, task) for folder in settings.runs]
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    rows = []
    for entry in [names] if settings.pooled else [[name] for name in names]:
        found = compared(task, settings, entry, runs)
        print(*map(line, found), sep="\n", flush=True)
        rows += found
    if settings.output:
        pathlib.Path(settings.output).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n",
                                                 encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in TASKS and sys.argv[2:3]:
        cli.guarded(lambda: main(sys.argv[1:]))
    else:
        sys.exit(f"expected a task among {', '.join(TASKS)} and corpora, received "
                 f"{' '.join(sys.argv[1:])!r}")
