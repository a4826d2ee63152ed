"""What is shown while a network trains: a bar, a line an epoch, TensorBoard logs."""

import contextlib

import keras
import tensorflow as tf


class Bar:
    """A bar that moves with every step, for a terminal."""

    def __init__(self, training, steps):
        print(f"epoch {training.progress.epoch + 1}/{training.settings.epochs}")
        self.skipped = training.progress.step
        shown = ["loss", training.settings.monitor, "tokens/s", "min left"]
        self.bar = keras.utils.Progbar(steps - self.skipped, stateful_metrics=shown)

    def step(self, training, finalize=False):
        history, monitor = training.progress.history, training.settings.monitor
        loss = history[-1]["loss"] if finalize else training.loss
        values = [("loss", loss), *((monitor, row[monitor]) for row in history[-1:]),
                  ("tokens/s", training.progress.tokens_per_second),
                  ("min left", training.progress.seconds_left(training.settings) / 60)]
        position = self.bar.target if finalize else training.progress.step - self.skipped
        self.bar.update(position, values, finalize=finalize)

    def epoch(self, training):
        self.step(training, finalize=True)


class Line:
    """One line an epoch, for a file or a pipe."""

    def __init__(self, training, steps):
        pass

    def step(self, training):
        pass

    def epoch(self, training):
        progress, settings = training.progress, training.settings
        row = progress.history[-1]
        print(f"epoch {progress.epoch}/{settings.epochs}  loss {row['loss']:.4f}  "
              f"{settings.monitor} {row[settings.monitor]:.4f}  "
              f"{progress.tokens_per_second:,.0f} tokens/s  "
              f"{progress.seconds_left(settings):.0f} s left", flush=True)


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
