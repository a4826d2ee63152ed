"""The training loop that every task shares: it knows batches, a loss and a score, and no task.

`train` takes a network, a function that gives the batches of an epoch and one that scores the
network, and goes on from the last checkpoint of the run, bit for bit, as if it had never stopped.
Everything that decides a bit is a function of (seed, epoch, step) or stands in the checkpoint.
"""
import contextlib
import dataclasses
import functools
import math
import os
import signal
import threading
import time
import typing

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

from tasks.training import workers
from tasks.training.average import Average, assign
from tasks.training.optimizer import Adam, learning_rates
from tasks.training.progress import Bar, Line, moves, tensorboard
from tasks.training.update import update


@dataclasses.dataclass
class Settings:
    """How to train. Everything above the line shapes the result.

    Raises:  ValueError: a value out of its range
    """
    epochs: int = 10
    learning_rate: float = 1e-3     # the highest, reached after the warm-up
    warmup: float = 0.1             # share of all steps over which the rate climbs to it
    weight_decay: float = 0.0       # decoupled, on matrices only
    clip_norm: float = 1.0          # largest global norm of the gradients; 0 never clips
    average: float = 0.0            # decay of the averaged weights; 0 uses the last ones
    patience: int = 0               # epochs without a better score before stopping; 0 never stops
    monitor: str = "accuracy"       # the metric of `validate` that chooses
    mode: str = "max"               # whether a higher ("max") or lower ("min") one is better
    # -----------------------------------------------------------------------------------------
    checkpoint_seconds: float = 30.0
    tensorboard: str | None = None  # folder of the TensorBoard logs

    def __post_init__(self):
        self._check("epochs", self.epochs >= 1, "at least 1")
        self._check("learning_rate", self.learning_rate > 0, "more than 0")
        self._check("warmup", 0 <= self.warmup <= 1, "a share from 0 to 1")
        self._check("weight_decay", self.weight_decay >= 0, "0 or more")
        self._check("clip_norm", self.clip_norm >= 0, "0 (never) or more")
        self._check("average", 0 <= self.average < 1, "a decay from 0 (none) to below 1")
        self._check("patience", self.patience >= 0, "0 (never) or more")
        self._check("mode", self.mode in ("max", "min"), "max or min")

    def _check(self, name, holds, expected):
        if not holds:
            raise ValueError(f"{name}: expected {expected}, received {getattr(self, name)!r}")


class Result(typing.NamedTuple):
    """What `train` returns: one dictionary an epoch, and the cost over all the run's processes."""
    history: list
    seconds: float
    tokens_per_second: float
    epochs: int


def deterministic(seed):
    """Seed Python, NumPy and TensorFlow, and choose kernels that give the same bits every time."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def environment():
    """{name: value} of what the bits depend on beside the flags: versions, threads, devices."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__,
            "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads() or cores,
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads() or cores,
            "workers": workers.count() if workers.count() > 1 else 0,
            "gpus": len(tf.config.list_physical_devices("GPU")),
            "op_determinism": is_op_determinism_enabled()}


def make_step(network, loss_function, optimizer, clip_norm, average=None):
    """The training step: a pure function of a batch and of the variables.

    gradient = ∂(Σ loss / count + Σ regularisers) / ∂weights, scaled to at most `clip_norm`

    Of several workers each gets its part of the batch and the count of the whole batch.

    Args:    loss_function  (targets, outputs) -> scalar, the loss summed over examples or tokens
             average        None, or an `Average` of the weights
    Returns: function (inputs, targets, count) -> (Σ loss, norm of the gradient before clipping)
    """
    def step(inputs, targets, count):
        with tf.GradientTape() as tape:
            loss = loss_function(targets, network(inputs, training=True))
            # The workers' gradients are added up: each takes its share of the regularisers.
            penalty = sum(network.losses) / workers.count()
            objective = loss / tf.cast(count, loss.dtype) + tf.cast(penalty, loss.dtype)
        weights = network.trainable_variables
        gradients = tape.gradient(objective, [weight.value for weight in weights],
                                  unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # An embedding's gradient lists repeated rows: only the dense tensor has the right norm.
        loss, *gradients = workers.summed([loss, *map(tf.convert_to_tensor, gradients)])
        return loss, update(optimizer, weights, gradients, clip_norm, average or Average([], 0))
    return step


@dataclasses.dataclass
class Progress:
    """How far a run has come, all of it JSON."""
    steps: int                  # in the first epoch; another number means other data
    epoch: int = 0              # epochs that are over
    step: int = 0               # steps done in this one
    loss: float = 0.0           # summed over this epoch's examples
    count: float = 0.0          # examples of this epoch
    tokens: int = 0             # of all epochs
    step_seconds: float = 0.0   # spent in training steps
    seconds: float = 0.0        # with validation and checkpoints
    history: list = dataclasses.field(default_factory=list)

    def best(self, settings):
        """Index of the epoch with the best score, the first of equals; a NaN is never better."""
        sign = 1 if settings.mode == "max" else -1
        scores = [sign * row[settings.monitor] for row in self.history]
        scores = [-math.inf if math.isnan(score) else score for score in scores]
        return scores.index(max(scores))

    def finished(self, settings):
        """Whether all epochs are over, or `patience` of them went by without a better score."""
        stale = len(self.history) - 1 - self.best(settings) if self.history else 0
        return self.epoch >= settings.epochs or bool(settings.patience) and (
            stale >= settings.patience)

    def seconds_left(self, settings):
        """Time until the last epoch ends, should patience last."""
        done = self.epoch + self.step / self.steps
        return self.step_seconds / done * (settings.epochs - done)

    @property
    def tokens_per_second(self):
        return self.tokens / max(self.step_seconds, 1e-9)


class Training:
    """Everything that changes during training: network, optimizer, averaged weights, progress."""

    def __init__(self, network, loss_function, batches, settings):
        first = batches(0)
        if not len(first):
            raise ValueError("expected at least one training batch, received none")
        self.network, self.settings = network, settings
        self.progress = Progress(steps=len(first))
        if not network.built:
            network(tf.nest.map_structure(tf.constant, first[0].inputs))
        self.optimizer = self._optimizer(settings.epochs * len(first))
        self.average = Average(network.trainable_variables, settings.average)
        self.loss_function, self.example = loss_function, first[0]

    def _optimizer(self, steps):
        settings, weights = self.settings, self.network.trainable_variables
        optimizer = Adam(learning_rates(settings.learning_rate, steps, settings.warmup),
                         weight_decay=settings.weight_decay or None)    # with one it is AdamW
        biases = [weight for weight in weights if len(weight.shape) < 2]
        if settings.weight_decay and biases:
            optimizer.exclude_from_weight_decay(var_list=biases)
        optimizer.build(weights)
        return optimizer

    @functools.cached_property
    def step(self):
        """The step as one graph for batches of any size and length, which costs no look-up at a call."""
        step = make_step(self.network, self.loss_function, self.optimizer, self.settings.clip_norm,
                         self.average)
        arrays = _any_size((self.example.inputs, self.example.targets))
        return tf.function(step, autograph=False).get_concrete_function(
            *arrays, tf.TensorSpec([], tf.float32))

    def take(self, batch):
        """One step on one batch. Raises ValueError when the loss or the gradient is not finite."""
        progress = self.progress
        inputs, targets = tf.nest.map_structure(workers.part, (batch.inputs, batch.targets))
        loss, norm = (float(value) for value in self.step(inputs, targets, np.float32(batch.count)))
        progress.step += 1
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ValueError(
                f"epoch {progress.epoch + 1}, step {progress.step}: expected a finite loss, got "
                f"{loss} (norm of the gradient {norm}); try a lower learning rate than "
                f"{self.settings.learning_rate:g} or a smaller clipping norm than "
                f"{self.settings.clip_norm:g}")
        progress.loss += loss
        progress.count += float(batch.count)
        progress.tokens += int(batch.tokens)
        return norm

    @property
    def loss(self):
        """Mean loss of this epoch's examples so far."""
        return self.progress.loss / max(self.progress.count, 1e-9)

    @property
    def learning_rate(self):
        return float(self.optimizer.learning_rate)

    def end_epoch(self, validate, run):
        """Score the averaged weights, keep them if they are the best, and open the next epoch."""
        progress, settings = self.progress, self.settings
        row = {"epoch": progress.epoch + 1, "loss": self.loss, "learning_rate": self.learning_rate}
        with self.average.in_place():
            metrics = {name: float(value) for name, value in validate(self.network).items()}
            row.update(metrics)
            if settings.monitor not in row:
                raise ValueError(f"expected validation to give {settings.monitor}, it gave "
                                 f"{', '.join(row)}")
            progress.history.append(row)
            if progress.best(settings) == progress.epoch:
                run.save_checkpoint(_arrays({"network": self.network.variables}), row, "best")
        progress.epoch, progress.step, progress.loss, progress.count = progress.epoch + 1, 0, 0., 0.
        return metrics

    def save(self, run):
        """Write all of it to the run's checkpoint, and the history beside it."""
        run.save_checkpoint(_arrays(self._groups()), dataclasses.asdict(self.progress))

    def resume(self, run):
        """Take up the run's checkpoint. Returns whether there was one. Raises ValueError."""
        stored = run.load_checkpoint()
        if not stored:
            return False
        progress = Progress(**stored[1])
        if progress.steps != self.progress.steps:
            raise ValueError(f"expected the data {run.folder} was started with, {progress.steps} "
                             f"batches an epoch, received {self.progress.steps}; bring it back, or "
                             "pass --overwrite to start afresh")
        restore(self._groups(), stored[0])
        self.progress = progress
        return True

    def use_best(self, run):
        """Give the network the weights of the best epoch. Raises ValueError: they are lost."""
        stored = run.load_checkpoint("best")
        if not stored:
            raise ValueError(f"expected the best weights in {run.folder}/checkpoints/best.npz, "
                             "found none; pass --overwrite to start afresh")
        restore({"network": self.network.variables}, stored[0])

    def _groups(self):
        # A network's `variables` hold the states of its seed generators too.
        return {"network": self.network.variables, "optimizer": self.optimizer.variables,
                "average": self.average.variables}


def train(network, loss_function, batches, validate, run, settings, on_epoch=None):
    """Train to the end, from the run's checkpoint if there is one; the network gets the best epoch.

    Args:    network        Keras model; all its randomness comes from its own seed generators
             loss_function  (targets, outputs) -> scalar, summed over examples or tokens
             batches        epoch number -> sequence of `Batch`, the same at every call
             validate       network -> {metric: number}, `settings.monitor` among them
             run            `tasks.training.run_directory.Run` that holds checkpoints and history
             on_epoch       None, or a function that gets each epoch's row of the history
    Returns: Result
    Raises:  ValueError: a loss that is not finite, other data, a damaged checkpoint;
             OSError: a checkpoint cannot be written;
             SystemExit: interrupted (code 128 + the signal's), after a checkpoint
    """
    training = Training(network, loss_function, batches, settings)
    if training.resume(run) and not training.progress.finished(settings):
        print(f"Resuming at epoch {training.progress.epoch + 1}, step {training.progress.step}.")
    workers.begin(network.variables)
    clock, folder = _Clock(training.progress), settings.tensorboard if workers.is_chief() else None
    with workers.watched(run.folder), _Interrupt() as interrupt, tensorboard(folder) as log:
        while not training.progress.finished(settings):
            data = batches(training.progress.epoch)
            display = (Bar if moves() else Line)(training, len(data))
            _steps(training, data, run, clock, interrupt, display, log)
            _end_epoch(training, validate, run, clock, display, log)
            if on_epoch:
                on_epoch(dict(training.progress.history[-1]))
            interrupt.stop(training.progress, run)
        workers.leave()
    run.write_history(training.progress.history)
    training.use_best(run)
    progress = training.progress
    return Result(progress.history, progress.seconds, progress.tokens_per_second, progress.epoch)


def _steps(training, data, run, clock, interrupt, display, log):
    """The steps of the current epoch that are not done yet, with a checkpoint now and then."""
    for index in range(training.progress.step, len(data)):
        with clock.stepping():
            norm = training.take(data[index])
        display.step()
        log(training, lambda: {"loss": training.loss, "learning_rate": training.learning_rate,
                               "gradient_norm": norm})
        if interrupt.signal or clock.since_save() >= training.settings.checkpoint_seconds:
            clock.save(training, run)
            interrupt.stop(training.progress, run)


def _end_epoch(training, validate, run, clock, display, log):
    """Validation, history and checkpoint."""
    metrics = training.end_epoch(validate, run)
    clock.read()
    progress = training.progress
    progress.history[-1].update(seconds=progress.seconds,
                                tokens_per_second=progress.tokens_per_second)
    clock.save(training, run)
    run.write_history(progress.history)
    display.epoch()
    log(training, lambda: {f"validation/{name}": value for name, value in metrics.items()})


class _Clock:
    """Adds this process's time to the run's, which may have begun in an earlier process."""

    def __init__(self, progress):
        self.progress, self.saved = progress, time.perf_counter()
        self.last = self.saved

    def read(self):
        now = time.perf_counter()
        self.progress.seconds, self.last = self.progress.seconds + now - self.last, now

    @contextlib.contextmanager
    def stepping(self):
        start = time.perf_counter()
        yield
        self.progress.step_seconds += time.perf_counter() - start

    def since_save(self):
        return time.perf_counter() - self.saved

    def save(self, training, run):
        self.read()
        training.save(run)
        self.saved = time.perf_counter()


class _Interrupt:
    """Notes Ctrl-C and a request to terminate until the current step is whole.

    Of several workers the chief alone does, which writes the checkpoint: the others end after it. A
    second Ctrl-C ends at once, as does any signal outside the `with`.
    """

    def __init__(self):
        self.signal, self.handlers = None, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows it only there
            note = self._note if workers.is_chief() else signal.SIG_IGN
            for number in (signal.SIGINT, signal.SIGTERM):
                self.handlers[number] = signal.signal(number, note)
        return self

    def __exit__(self, *_):
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def stop(self, progress, run):
        """Leave the program if a signal came; the checkpoint has just been written."""
        if self.signal:
            print(f"\nStopped after {progress.epoch} epochs and {progress.step} steps" + (
                f": the same command, without --overwrite, goes on from there ({run.folder})."
                * run.is_kept), flush=True)
            raise SystemExit(128 + self.signal)


def _any_size(arrays):
    """Tensor specifications with any batch and any length; the axes after those are fixed."""
    return tf.nest.map_structure(
        lambda array: tf.TensorSpec([None, None, *array.shape[2:]][:array.ndim], array.dtype),
        arrays)


def _arrays(groups):
    return {f"{group}/{index}": np.asarray(variable)
            for group, variables in groups.items() for index, variable in enumerate(variables)}


def restore(groups, arrays):
    """Assign the arrays to the variables they were taken from."""
    expected = {name: array.shape for name, array in _arrays(groups).items()}
    found = {name: array.shape for name, array in arrays.items()}
    if expected != found:
        raise ValueError(f"expected a checkpoint with {len(expected)} variables of this network's "
                         f"shapes, found {len(found)} others; pass --overwrite to start afresh")
    for group, variables in groups.items():
        assign(variables, [arrays[f"{group}/{index}"] for index in range(len(variables))])
