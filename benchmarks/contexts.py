"""What attention gains over every fixed context, each given the same time to train on this machine.

    python -m benchmarks.contexts --corpus=multi30k --source_language=de --target_language=en

Each system is the corpus's recipe but for what the decoder knows of the source; a fixed context comes
from an encoder that reads one way, as wide as the two directions together. It takes as many steps as
fit into --minutes=10, its learning rate falling to 0 over them. Prints Markdown: BLEU of greedy
translations of the validation part, of the averaged weights; and of its quarters, from short to long
sources. `--systems` chooses some of them, so that two processes can share two cores.
"""

import itertools
import time

import numpy as np
from absl import app, flags

from tasks import cli, exporting
from tasks.training import loop
from tasks.training.batches import Batches
from tasks.translation import flags as translation_flags, metrics, task as translation
from zoo.layers.context import FORMS
from zoo.layers.decoder import USES

FLAGS = flags.FLAGS
SYSTEMS = {"attention": {"model": "lstm_luong"}, **{
    f"{form}, {use}": {"model": "seq2seq", "context": form, "vector": use}
    for form, use in itertools.product(FORMS, USES)}}
QUARTERS = ("shortest quarter", "second", "third", "longest quarter")
MEASURED = 30                   # steps that say how long one takes


def take(training, batches):
    """The seconds that all steps take."""
    start = time.perf_counter()
    for batch in batches:
        training.take(batch)
    return time.perf_counter() - start


def in_time(task, head, data):
    """Train a head for FLAGS.minutes. Returns: steps, how many epochs they are."""
    make = task.batches(head, data)

    def training(batches):
        return loop.Training(head.network, task.loss(head), lambda epoch: batches, loop.Settings(
            epochs=1, learning_rate=FLAGS.learning_rate, average=FLAGS.average))

    start, trial = head.network.get_weights(), make(0)
    measured = [trial[n] for n in np.linspace(0, len(trial) - 1, MEASURED).astype(int)]
    warm = training(measured)
    take(warm, measured[:2])
    steps = max(1, int(60 * FLAGS.minutes / (take(warm, measured[2:]) / len(measured[2:]))))
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
    for flag, value in SYSTEMS[name].items():
        FLAGS[flag].value = value
    loop.deterministic(FLAGS.seed)
    head = task.untrained(corpus)
    steps, epochs = in_time(task, head, task.data(head, corpus.train))
    validation = task.data(head, corpus.validation)
    validation.width = 1
    answers = validation.answers(exporting.of_head(head))
    scores = [validation.measures(answers)["bleu"],
              *by_length(validation, answers.texts, corpus.target_language)]
    return (f"| {name} | {head.network.count_params():,} | {epochs:.1f} | "
            + " | ".join(f"{score:.1f}" for score in scores) + " |")


def main(_):
    task = translation.TASK
    corpus = task.load_corpus()
    cli.fill(task.recipe(corpus))
    print(f"| system | weights | epochs | BLEU | {' | '.join(QUARTERS)} |\n|" + "---|" * 8)
    for name in FLAGS.systems or SYSTEMS:
        print(row(name, task, corpus), flush=True)


if __name__ == "__main__":
    translation_flags.define()
    flags.DEFINE_float("minutes", 10, "Of training for each system.", 0)
    flags.DEFINE_multi_enum("systems", None, list(SYSTEMS), "Which ones; by default all.")
    app.run(main)
