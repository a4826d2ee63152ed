"""The figures of docs/guide.md: draws docs/pictures and prints its tables, in some minutes of one core.

    python -m benchmarks.guide                                 all
    python -m benchmarks.guide --parts=diagrams,networks       some

Everything is trained here, on the built-in samples. Seconds are those of the processor, of all threads
together, and differ from machine to machine; the other numbers depend on the seed alone.
"""

import dataclasses
import pathlib
import statistics
import sys
import time

import numpy as np

import zoo
import keras
import tensorflow as tf

from benchmarks import diagrams
from benchmarks.contexts import QUARTERS, SYSTEMS, by_length
from tasks import cli, exporting, options, tagging
from tasks.gradient_flow import task as gradient_flow
from tasks.gradient_flow.options import Settings as FlowSettings
from tasks.reporting import plots
from tasks.sentiment import corpora as reviews
from tasks.tagging import corpora as requests
from tasks.training import loop
from tasks.translation.options import Settings as TranslationSettings
from tasks.translation.task import Translation, pictured
from zoo.gradient_flow import with_spectral_radius
from zoo.options import Options, option

PICTURES = pathlib.Path(__file__).parents[1] / "docs" / "pictures"
MOTTO = "我爱中国"


def table(*rows):
    """Print rows of cells as Markdown, the first one as the head."""
    for n, row in enumerate(rows):
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        if not n:
            print("|---" * len(row) + "|")
    print()


def seconds(function, times=1):
    """Seconds of the processor that a call takes: the median of some."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def draw():
    """The graphs of networks and cells."""
    for name, figure in diagrams.FIGURES.items():
        figure(PICTURES / f"{name}.png")


# -------------------------------------------- feed-forward, convolution, recurrence; GRU against LSTM

LENGTH, WIDTH, UNITS = 32, 32, 32
NETWORKS = {
    "mean of the words": lambda: [keras.layers.GlobalAveragePooling1D()],
    "feed-forward, 32 places": lambda: [keras.layers.Flatten(), keras.layers.Dense(UNITS, "tanh")],
    "convolution of 3 words": lambda: [keras.layers.Conv1D(UNITS, 3, activation="tanh"),
                                       keras.layers.GlobalMaxPooling1D()],
    "simple RNN": lambda: [zoo.SimpleRNN(UNITS)],
    "GRU": lambda: [zoo.GRU(UNITS)],
    "LSTM": lambda: [zoo.LSTM(UNITS)],
}


def networks(epochs=6):
    """What reads the built-in reviews, in which the order of the words decides, after some epochs."""
    corpus = reviews.load("sample")
    words = sorted({word for text, _ in corpus.train for word in text.lower().split()})
    index = {word: n for n, word in enumerate(words, 2)}
    (x, y), test = (numbered(split, index) for split in (corpus.train, corpus.test))
    rows = [("network", "weights above the embedding", "accuracy on test", "ms a training step")]
    for name, layers in NETWORKS.items():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Embedding(len(words) + 2, WIDTH, mask_zero="RNN" in name
                                                         or name in ("GRU", "LSTM", "mean of the words")),
                                  *layers(), keras.layers.Dense(1, "sigmoid")])
        model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=64, epochs=1, verbose=0)
        cost = seconds(lambda: model.fit(x, y, batch_size=64, epochs=epochs - 1, verbose=0))
        weights = sum(layer.count_params() for layer in model.layers[1:])
        rows.append((name, f"{weights:,}", f"{100 * model.evaluate(*test, verbose=0)[1]:.1f}",
                     f"{1e3 * cost / ((epochs - 1) * -(-len(x) // 64)):.1f}"))
    table(*rows)


def numbered(examples, index):
    """Ids [N, LENGTH], 1 of an unknown word and 0 after the last, and labels [N]."""
    ids = np.zeros([len(examples), LENGTH], np.int32)
    for row, (text, _) in zip(ids, examples):
        found = [index.get(word, 1) for word in text.lower().split()][:LENGTH]
        row[:len(found)] = found
    return ids, np.array([label == "positive" for _, label in examples], np.float32)


# --------------------------------------------------------------------------------- output recurrence

RECURRENCES = {
    "h → h (row 1)": {"model": "rnn", "shapes": True},
    "output → h (row 2)": {"model": "output_rnn"},
    "both (row 2b)": {"model": "rnn", "shapes": True, "feedback": True}}


def output_recurrence(epochs=3):
    """F1 of the built-in requests after few epochs; a step in parallel and one after the other."""
    corpus = requests.load("sample")
    train, validation, test = (
        ([sentence.tokens for sentence in split], [sentence.tags for sentence in split])
        for split in (corpus.train, corpus.validation, corpus.test))
    rows = [("recurrence", "F1 on test", "seconds of training")]
    for name, recurrence in RECURRENCES.items():
        start = time.process_time()
        model = tagging.fit(*train, validation=validation, verbose=False, epochs=epochs, units=64,
                            embedding=64, batch_size=32, learning_rate=5e-3, average=0, vectors="none",
                            **recurrence)
        rows.append((name, f"{100 * tagging.evaluate(model, *test).span_f1:.1f}",
                     f"{time.process_time() - start:.0f}"))
    table(*rows)
    steps_in_parallel()


def steps_in_parallel(B=32, T=50, D=64, C=20):
    """Milliseconds of forward and backward of a layer, its targets given or not."""
    x, y = tf.random.normal([B, T, D], seed=0), tf.random.uniform([B, T], 0, C, tf.int32, seed=0)
    output = zoo.OutputRecurrentRNN(64, C)
    hidden = zoo.SimpleRNN(64, return_sequences=True, engine="loop")
    calls = {"output → h, targets given: all steps at once": lambda: output(x, y),
             "output → h, free running: one after the other": lambda: output(x),
             "h → h: one after the other": lambda: hidden(x)}
    table(("forward and backward of 32 sequences of 50 steps", "ms"),
          *((name, f"{1e3 * seconds(training(call), 20):.1f}") for name, call in calls.items()))


def training(call):
    """A function that runs a layer forward and backward, and has been compiled."""
    @tf.function
    def run():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call() ** 2)
        return tape.gradient(loss, tape.watched_variables())
    run()
    return run


# ------------------------------------------------------------- translation: contexts, beams, heat map

EPOCHS, DRAWN_EPOCHS = 16, 24
WIDTHS = (1, 2, 5, 10)


def translation():
    """Contexts against attention by length; the width of the beam; where attention looks."""
    task = Translation(TranslationSettings.of(corpus="sample"))
    corpus = task.load_corpus()
    filled = task.settings.filled(task.recipe(corpus))
    rows, heads = [("system", "BLEU on test", *QUARTERS, "seconds of training")], {}
    for name, system in SYSTEMS.items():
        task.settings = dataclasses.replace(filled, **system)
        heads[name], cost = trained(task, corpus, EPOCHS)
        data = translated(task, heads[name], corpus)
        scores = [data.metrics(data.found)["bleu"],
                  *by_length(data, data.found.texts, corpus.target_language)]
        rows.append((name, *(f"{score:.1f}" for score in scores), f"{cost:.0f}"))
    table(*rows)
    task.settings = filled
    beams(task, heads["attention"], corpus)
    for head in (heads["attention"], trained(task, corpus, DRAWN_EPOCHS)[0]):
        heat_map(head)


def trained(task, corpus, epochs):
    """A head after some epochs, with its averaged weights; the seconds that they took."""
    loop.deterministic(task.settings.seed)
    head = task.untrained(corpus)
    make = task.batches(head, task.data(head, corpus.train))
    steps = loop.Training(head.network, task.loss(head), make, loop.Settings(
        epochs=epochs, learning_rate=task.settings.learning_rate, average=task.settings.average))
    cost = seconds(lambda: [steps.take(batch) for epoch in range(epochs) for batch in make(epoch)])
    with steps.average.in_place():
        averaged = head.network.get_weights()
    head.network.set_weights(averaged)
    return head, cost


def translated(task, head, corpus, width=1):
    """The test split with what a head makes of it, `found`."""
    data = task.data(head, corpus.test)
    data.width = width
    data.found = data.predict(exporting.of_head(head))
    return data


def beams(task, head, corpus):
    """BLEU and seconds of a beam search by its width."""
    rows = [("width k", "BLEU on test", "exact", "seconds")]
    for width in WIDTHS:
        translated(task, head, corpus, width)       # which compiles
        data, start = task.data(head, corpus.test), time.process_time()
        data.width = width
        found = data.predict(exporting.of_head(head))
        cost = time.process_time() - start
        scores = data.metrics(found)
        rows.append((width, f"{scores['bleu']:.1f}", f"{100 * scores['exact_match']:.1f} %",
                     f"{cost:.1f}"))
    table(*rows)


def heat_map(head):
    """Where attention looks while a sentence of the training split is translated; the picture of it."""
    found = head.n_best([MOTTO], n_best=1)
    row = {name: np.asarray(found[name])[0] for name in found}
    pictured(row, PICTURES / "attention.svg")
    tokens = [token.decode() for token in row["tokens"][0] if token]
    print(f"{MOTTO} → {row['translations'][0].decode()}\n")
    table(("", *(token.decode() for token in row["source_tokens"])),
          *((token, *(f"{weight:.2f}" for weight in weights))
            for token, weights in zip(tokens, row["alignments"][0])))


# ------------------------------------------------------------------------------- gradients over time

def flow():
    """How far an error travels back in each cell."""
    settings = FlowSettings.of(networks=1, radii=(0.5, 0.9, 1.1, 1.5))
    curves = [curve for cell in settings.cells for radius in settings.radii
              for curve in gradient_flow.flow(cell, radius, settings)]
    plots.gradient_flow(curves, PICTURES / "gradient_flow.png", size=2.8)
    arrived = {(curve["cell"], curve["state"], curve["radius"]): gradient_flow.travel(curve)["arrives"]
               for curve in curves}
    table(("error at the first state", *(f"radius {radius:g}" for radius in settings.radii)),
          *((f"{cell}, ∂L/∂{state}", *(f"{arrived[cell, state, r]:.1e}" for r in settings.radii))
            for cell, state in dict.fromkeys(key[:2] for key in arrived)))


# Two of 60 numbers are marked, their product is wanted: the first may lie 59 steps before the answer.
STEPS, RATE, UPDATES = 60, 0.05, 400
LEARNERS = {
    "feed-forward": (None, None, 0), "simple RNN, radius 0.9": ("SimpleRNN", 0.9, 0),
    "simple RNN, radius 1.1": ("SimpleRNN", 1.1, 0),
    "radius 1.1, norms clipped to 1": ("SimpleRNN", 1.1, 1.0),
    "simple RNN, radius 1.4": ("SimpleRNN", 1.4, 0),
    "radius 1.4, norms clipped to 1": ("SimpleRNN", 1.4, 1.0),
    "GRU": ("GRU", None, 0), "LSTM": ("LSTM", None, 0)}


def fluctuation():
    """The loss of one fixed batch, and the norm of the gradient, while other batches are learnt from."""
    rows, curves = [("network", "loss in the end", "it moves at an update by", "at most by",
                     "median norm", "largest norm")], {}
    for name, (cell, radius, clip) in LEARNERS.items():
        losses, norms = learnt(cell, radius, clip)
        moves = np.abs(np.diff(losses))
        numbers = (losses[-50:].mean(), moves.mean(), moves.max(), np.median(norms), norms.max())
        rows.append((name, *(f"{number:.2g}" for number in numbers)))
        curves[name] = losses
    table(*rows)
    diagrams.losses(curves, PICTURES / "fluctuation.png")


def learnt(cell, radius, clip):
    """The losses and the norms of plain gradient descent: w ← w − η·g·min(1, clip / ‖g‖)."""
    keras.utils.set_random_seed(0)
    layers = [getattr(zoo, cell)(UNITS)] if cell else [keras.layers.Flatten(),
                                                       keras.layers.Dense(UNITS, "tanh")]
    model = keras.Sequential([keras.Input((STEPS, 2)), *layers, keras.layers.Dense(1)])
    if radius:
        kernel = model.layers[0].cell.recurrent_kernel
        kernel.assign(with_spectral_radius(kernel.numpy(), radius))
    fixed = products(np.random.default_rng(1), 64)

    @tf.function
    def update(x, y):
        weights = [weight.value for weight in model.trainable_weights]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        gradients = tape.gradient(loss, weights)
        norm = tf.linalg.global_norm(gradients)
        for weight, gradient in zip(weights, gradients):
            weight.assign_sub(RATE * gradient * (tf.minimum(1.0, clip / norm) if clip else 1.0))
        return tf.reduce_mean((model(fixed[0]) - fixed[1]) ** 2), norm

    draw_numbers = np.random.default_rng(0)
    return np.array([update(*products(draw_numbers, 16)) for _ in range(UPDATES)]).T


def products(draw_numbers, batch):
    """Numbers beside marks [B, STEPS, 2], and the product of the two that are marked [B, 1]."""
    x = np.zeros([batch, STEPS, 2], np.float32)
    x[..., 0] = draw_numbers.uniform(-1, 1, (batch, STEPS))
    for row in x:
        row[draw_numbers.choice(STEPS, 2, replace=False), 1] = 1
    y = (x[..., :1] * x[..., 1:]).sum(1)
    return tf.constant(x), tf.constant(y)


PARTS = {"diagrams": draw, "networks": networks, "output_recurrence": output_recurrence,
         "translation": translation, "flow": flow, "fluctuation": fluctuation}


@dataclasses.dataclass(frozen=True)
class Settings(Options):
    """Of this program."""

    parts: tuple = option(tuple(PARTS), "What to draw and measure.", tuple(PARTS))


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for part in cli.parse(options.settings(guide=Settings), sys.argv).parts:
        print(f"{part}: {seconds(PARTS[part]):.0f} seconds of the processor\n", flush=True)
