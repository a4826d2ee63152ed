"""What attention gains over every fixed context, each given the same time to train on this machine.

    python -m benchmarks.contexts --corpus=multi30k --source_language=de --target_language=en

Each system is the corpus's recipe but for what the decoder knows of the source; a fixed context comes
from an encoder that reads one way, as wide as the two directions together. It takes as many steps as
fit into --minutes=10, its learning rate falling to 0 over them. Prints Markdown: BLEU of greedy
translations of the validation split, of the averaged weights; and of its quarters, from short to long
sources. `--systems` chooses some of them, so that two processes can share two cores.
"""

import dataclasses
import itertools
import sys
import time

import numpy as np

from tasks import cli, exporting, options
from tasks.training import loop
from tasks.training.batches import Batches
from tasks.translation import metrics
from tasks.translation.options import Settings
from tasks.translation.task import Translation
from zoo.names import FORMS
from zoo.options import Options, option

SYSTEMS = {"attention": {"model": "lstm_luong"}, **{
    f"{form}, {use}": {"model": "seq2seq", "context": form, "vector": use}
    for form, use in itertools.product(FORMS, ("first", "every"))},
    **{f"last, {use}, untied": {"model": "seq2seq", "context": "last", "vector": use, "tied": False}
       for use in ("first", "copied")}}
QUARTERS = ("shortest quarter", "second", "third", "longest quarter")
MEASURED = 30                   # steps that say how long one takes


@dataclasses.dataclass(frozen=True)
class BenchmarkOptions(Options):
    """Of this program alone."""

    minutes: float = option(10.0, "Minutes of training for each system.", above=0)
    systems: tuple = option(tuple(SYSTEMS), "A system to train; may be given several times.", SYSTEMS,
                            repeated=True)


def take(training, batches):
    """The seconds that all steps take."""
    start = time.perf_counter()
    for batch in batches:
        training.take(batch)
    return time.perf_counter() - start


def in_time(task, head, data):
    """Train a head for the minutes of the settings. Returns: steps, how many epochs they are."""
    settings = task.settings
    make = task.batches(head, data)

    def training(batches):
        return loop.Training(head.network, task.loss(head), lambda epoch: batches, loop.Settings(
            epochs=1, learning_rate=settings.learning_rate, average=settings.average))

    start, trial = head.network.get_weights(), make(0)
    measured = [trial[n] for n in np.linspace(0, len(trial) - 1, MEASURED).astype(int)]
    warm = training(measured)
    take(warm, measured[:2])
    steps = max(1, int(60 * settings.minutes / (take(warm, measured[2:]) / len(measured[2:]))))
    head.network.set_weights(start)

    epochs = (make(epoch) for epoch in itertools.count())
    groups = itertools.islice((group for epoch in epochs for group in epoch.groups), steps)
    batches = Batches(list(groups), trial.make)
    real = training(batches)
    take(real, batches)
    with real.average.in_place():
        averaged = head.network.get_weights()
    head.network.set_weights(averaged)
    return steps, steps / len(trial)


def by_length(data, texts, language):
    """BLEU of the translations of each quarter of the sources."""
    references = list(data.targets.values())
    for rows in np.array_split(np.argsort(data.lengths, kind="stable"), len(QUARTERS)):
        yield metrics.translation(
            [texts[row] for row in rows], [references[row] for row in rows], language)["bleu"]


def row(name, task, corpus):
    """A line of the table."""
    task.settings = dataclasses.replace(task.settings, **SYSTEMS[name])
    loop.deterministic(task.settings.seed)
    head = task.untrained(corpus)
    steps, epochs = in_time(task, head, task.data(head, corpus.train))
    validation = task.data(head, corpus.validation)
    validation.width = 1
    predictions = validation.predict(exporting.of_head(head))
    scores = [validation.metrics(predictions)["bleu"],
              *by_length(validation, predictions.texts, corpus.target_language)]
    return (f"| {name} | {head.network.count_params():,} | {epochs:.1f} | "
            + " | ".join(f"{score:.1f}" for score in scores) + " |")


def main(settings):
    task = Translation(settings)
    corpus = task.load_corpus()
    filled = settings.filled(task.recipe(corpus))
    print(f"| system | weights | epochs | BLEU | {' | '.join(QUARTERS)} |\n|" + "---|" * 8)
    for name in settings.systems:
        task.settings = filled
        print(row(name, task, corpus), flush=True)


if __name__ == "__main__":
    main(cli.parse(options.settings(task=Settings, benchmark=BenchmarkOptions), sys.argv))
