"""What is shown while a network trains: a bar, a line an epoch, TensorBoard logs."""

import contextlib
import sys

import keras
import tensorflow as tf


def moves():
    """Whether what is printed can move: in a terminal and in a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class Line:
    """One line an epoch, for a file or a pipe.

    Made for one epoch of a `training` of so many steps; told of every step, and of the epoch's end.
    """

    def __init__(self, training, steps):
        self.training, self.steps = training, steps

    def step(self):
        """Nothing: what a file has taken cannot move."""

    def epoch(self):
        progress, settings = self.training.progress, self.training.settings
        row = progress.history[-1]
        print(f"epoch {progress.epoch}/{settings.epochs}  loss {row['loss']:.4f}  "
              f"{settings.monitor} {row[settings.monitor]:.4f}  "
              f"{progress.tokens_per_second:,.0f} tokens/s  "
              f"{progress.seconds_left(settings):.0f} s left", flush=True)


class Bar(Line):
    """A bar that moves with every step, for a terminal."""

    def __init__(self, training, steps):
        super().__init__(training, steps)
        print(f"epoch {training.progress.epoch + 1}/{training.settings.epochs}")
        self.skipped = training.progress.step
        shown = ["loss", training.settings.monitor, "tokens/s", "min left"]
        self.bar = keras.utils.Progbar(steps - self.skipped, stateful_metrics=shown)

    def step(self):
        self._move(self.training.progress.step - self.skipped, self.training.loss)

    def epoch(self):
        self._move(self.bar.target, self.training.progress.history[-1]["loss"], finalize=True)

    def _move(self, position, loss, finalize=False):
        progress, monitor = self.training.progress, self.training.settings.monitor
        values = [("loss", loss), *((monitor, row[monitor]) for row in progress.history[-1:]),
                  ("tokens/s", progress.tokens_per_second),
                  ("min left", progress.seconds_left(self.training.settings) / 60)]
        self.bar.update(position, values, finalize=finalize)


@contextlib.contextmanager
def tensorboard(folder):
    """A function of (training, function that gives {name: number}) that writes TensorBoard scalars.

    They are written as protocol buffers: TensorBoard itself need not be installed.
    """
    if not folder:
        yield lambda training, values: None
        return
    writer = tf.summary.create_file_writer(str(folder))

    def log(training, values):
        summary = tf.compat.v1.Summary(value=[
            tf.compat.v1.Summary.Value(tag=name, simple_value=value)
            for name, value in values().items()])
        with writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(),
                                                 step=int(training.optimizer.iterations))
    try:
        yield log
    finally:
        writer.close()
