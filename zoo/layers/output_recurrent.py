"""The output-recurrent network: each step reads the output, or the target, of the step before."""

import numbers

import keras
import tensorflow as tf

from zoo import engines
from zoo.cells.activations import elementwise
from zoo.cells.arguments import is_count, serialized, without_gone
from zoo.cells.feedback import Feedback
from zoo.engines import loop
from zoo.layers.recurrent import SimpleRNN
from zoo.layers.sequences import check_states, from_ragged, static_shape
from zoo.ops.masks import cleared

FEEDBACKS = ("probabilities", "argmax")


@keras.saving.register_keras_serializable("zoo")
class OutputRecurrentRNN(keras.layers.Layer):
    """A recurrent network through its outputs: a tagger that reads its own last tag.

        h_t = φ(x_t·W + y_{t-1}·R (+ h_{t-1}·U) + b)        z_t = h_t·V + c        o_t = softmax(z_t)

    What is read back, y_{t-1}, decides how it runs:

        teacher forcing     with targets: y is the target. Without `hidden` all steps are independent,
                            one product; with it this is `SimpleRNN` over [x_t; y_{t-1}], on its engine
        free running        no targets: y is the network's own output o, one step after the other
        scheduled sampling  with targets, training, `sampling` = p: y is o with probability p, drawn
                            for every sequence and step, else the target

    A masked step leaves h and y as they are for the next one; its logits are zeros.
    Weights: kernel [D + C, H] (W above R), recurrent_kernel [H, H] with
    `hidden`, bias [H]; kernel V [H, C], bias c [C].

    Args:    units       H
             outputs     C
             hidden      also h_{t-1}·U, recurrence among the hidden units
             activation  φ, elementwise
             output_activation  "softmax", or an elementwise one such as "sigmoid" (several labels) or
                         "linear" (numbers)
             feedback    how o is read back: "probabilities", as it is, or "argmax", the one-hot vector of
                         the likeliest class, through which no error flows
             engine      of the teacher-forced recurrence with `hidden` (see `zoo.engines`); what reads
                         its own outputs runs on the loop
             seed        of the draws of scheduled sampling
    Call:    sequences   [B, T, D], or a `tf.RaggedTensor` [B, (T), D]: right-padded and masked
             targets     None; ids [B, T], of which one outside 0 … C-1 reads as zeros; or what is read
                         itself, [B, T, C]
             mask        [B, T] bool, any pattern
             sampling    p in [0, 1], a number or a scalar tensor or variable; outside training, or
                         without targets, it has no effect
    Returns: logits z [B, T, C]: `layer.output_activation(z)` makes outputs of them
    Raises:  ValueError: an option or `sampling` out of its range, targets of another shape
    Source:  Jordan 1986; Goodfellow, Bengio & Courville 2016, 10.2.1 (teacher forcing); scheduled
             sampling, Bengio et al. 2015

    >>> tagger = OutputRecurrentRNN(8, outputs=3)
    >>> x, tags = keras.ops.ones((2, 5, 4)), keras.ops.ones((2, 5), "int32")
    >>> tuple(tagger(x, tags).shape), tuple(tagger(x).shape)
    ((2, 5, 3), (2, 5, 3))
    """

    options = ("units", "outputs", "hidden", "activation", "output_activation", "feedback",
               "engine", "seed")

    def __init__(self, units, outputs, hidden=False, activation="tanh", output_activation="softmax",
                 feedback="probabilities", engine="auto", seed=None, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("units", units), ("outputs", outputs)):
            if not is_count(value):
                raise ValueError(f"{name}: expected a positive integer, received {value!r}")
        self.units, self.outputs, self.hidden = int(units), int(outputs), hidden
        self.activation = elementwise("activation", activation)
        self.output_activation = output_function(output_activation)
        self.feedback = checked(feedback, self.output_activation)
        self.engine, self.seed = recurrent(engine, hidden), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        own = {"return_sequences": True, "engine": engine} if hidden else {}
        self.reader = (SimpleRNN if hidden else keras.layers.Dense)(
            units, activation=self.activation, dtype=self.dtype_policy, name="reader",
            trainable=self.trainable, **own)
        self.writer = keras.layers.Dense(outputs, dtype=self.dtype_policy, name="writer",
                                         trainable=self.trainable)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    @property
    def engine_in_use(self):
        """The name of the engine that a teacher-forced recurrence would run on now."""
        return self.reader.engine_in_use if self.hidden else "loop"

    def build(self, sequences_shape, targets_shape=None):
        self.reader.build((None, None, sequences_shape[-1] + self.outputs))
        self.writer.build((None, None, self.units))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})
        self.built = True

    def __call__(self, sequences, targets=None, *args, **kwargs):
        sequences, kwargs = from_ragged(sequences, kwargs)
        if isinstance(targets, tf.RaggedTensor):
            targets = targets.to_tensor()
        self._check(sequences, targets, **kwargs)
        return super().__call__(sequences, targets, *args, **kwargs)

    def _check(self, sequences, targets, sampling=0.0, **_):
        """Before `call`, whose errors Keras adds many lines to."""
        if isinstance(sampling, numbers.Number) and not 0 <= sampling <= 1:
            raise ValueError(f"sampling: expected a probability in [0, 1], received {sampling!r}")
        if targets is not None:
            found, steps = static_shape(targets), static_shape(sequences)[:2]
            if not any(found.is_compatible_with(steps + last) for last in ([], [self.outputs])):
                raise ValueError(f"targets: expected ids [B, T] or distributions [B, T, {self.outputs}] "
                                 f"beside sequences {static_shape(sequences)}, received {found}")

    def call(self, sequences, targets=None, mask=None, training=False, sampling=0.0,
             sequences_mask=None):
        mask = sequences_mask if mask is None else mask  # where Keras puts it beside targets
        mask = None if mask is None else tf.cast(mask, tf.bool)
        x = cleared(tf.cast(sequences, self.compute_dtype), mask)
        if targets is None:
            h = self._run(x, tf.ones_like(x[..., :1]), mask)
        else:
            first = self.get_initial_state(tf.shape(x)[0])[1]
            y = previous(first, distributions(targets, self.outputs, x.dtype), mask)
            if training and not is_zero(sampling):
                own = self._drawn(tf.shape(x), sampling)
                h = self._run(tf.concat([x, (1 - own) * y], -1), own, mask)
            else:
                masked = {"mask": mask} if self.hidden else {}
                h = self.reader(tf.concat([x, y], -1), **masked)
        z = self.writer(h)
        return z if mask is None else tf.where(tf.expand_dims(mask, -1), z, tf.zeros([], z.dtype))

    def _run(self, inputs, own, mask):
        """h [B, T, H], step by step; own [B, T, 1]: 1 where a step reads the last output."""
        states = self.get_initial_state(tf.shape(inputs)[0])
        return loop.run(self._cell(), tf.concat([inputs, own], -1), states,
                        loop.Timing(mask), return_sequences=True)[0]

    def _drawn(self, shape, probability):
        draw = keras.random.uniform([shape[0], shape[1], 1], dtype="float32", seed=self.seed_generator)
        return tf.cast(draw < tf.cast(probability, tf.float32), self.compute_dtype)

    def _cell(self):
        """The free-running network's equations, with the weights as they are now."""
        holder = self.reader.cell if self.hidden else self.reader
        U = tf.cast(holder.recurrent_kernel, self.compute_dtype) if self.hidden else None
        weights = (tf.cast(weight, self.compute_dtype) for weight in (
            holder.kernel, holder.bias, self.writer.kernel, self.writer.bias))
        return Feedback(*weights, U, self.activation, self.output_activation, self.feedback == "argmax")

    def get_initial_state(self, batch_size):
        """(h_0, y_0), zeros [B, H] and [B, C]: where a stream starts."""
        return tuple(tf.zeros([batch_size, width], self.compute_dtype) for width in self.state_size)

    @property
    def state_size(self):
        return [self.units, self.outputs]

    def step(self, inputs, states):
        """One step of a stream, free running; for a layer that is built.

        Args:    inputs  [B, D]
                 states  (h, y), [B, H] and [B, C]: first `get_initial_state(B)`, then what a step
                         returned; another y, as a tag that someone has corrected, is read all the same
        Returns: logits [B, C], states

        >>> tagger = OutputRecurrentRNN(8, outputs=3, feedback="argmax")
        >>> tagger.build((None, None, 4))
        >>> logits, states = tagger.step(tf.ones([2, 4]), tagger.get_initial_state(2))
        >>> bool(tf.reduce_all(tf.argmax(logits, -1) == tf.argmax(states[1], -1)))
        True
        """
        x, cell = tf.cast(inputs, self.compute_dtype), self._cell()
        check_states("states", states, self.state_size, x.shape[0])
        gates = cell.input_gates(tf.concat([x, tf.ones_like(x[..., :1])], -1))
        h, y = cell.step(gates, states, cell.recurrent_weights())
        return self.writer(h), (h, y)

    def compute_mask(self, sequences, mask=None):
        return mask

    def compute_output_shape(self, sequences_shape, targets_shape=None):
        return (*sequences_shape[:2], self.outputs)

    def get_config(self):
        return {**super().get_config(), **{name: serialized(getattr(self, name))
                                           for name in self.options}}

    @classmethod
    def from_config(cls, config):
        return super().from_config(without_gone(config))


def output_function(activation):
    """The function that makes outputs of logits: softmax, or one that is elementwise."""
    if keras.activations.get(activation) is keras.activations.softmax:
        return keras.activations.softmax
    return elementwise("output_activation", activation)


def checked(feedback, output_activation):
    """How outputs are read back, if they can be."""
    if feedback not in FEEDBACKS:
        raise ValueError(f"feedback: expected one of {list(FEEDBACKS)}, received {feedback!r}")
    if feedback == "argmax" and output_activation is not keras.activations.softmax:
        raise ValueError("feedback: expected 'probabilities', as only one of softmax's classes is the "
                         f"likeliest, received 'argmax' with {output_activation.__name__}")
    return feedback


def recurrent(engine, hidden):
    """The engine, if there is something for it to run."""
    if not hidden and engines.check(engine) not in ("auto", "loop"):
        raise ValueError("engine: expected 'auto' or 'loop', as there is no recurrence of hidden units, "
                         f"received {engine!r}; set hidden=True")
    return engine


def is_zero(sampling):
    """Whether the probability is known to be zero before anything runs."""
    return isinstance(sampling, numbers.Number) and sampling == 0


def distributions(targets, outputs, dtype):
    """Ids [B, T] as one-hot vectors [B, T, C]; what has that shape already as it is.

    >>> distributions(tf.constant([[1, -1]]), 3, tf.float32).numpy().tolist()
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    if targets.shape.rank == 2:
        return tf.one_hot(tf.cast(targets, tf.int32), outputs, dtype=dtype)
    return tf.cast(targets, dtype)


def previous(first, targets, mask):
    """y_{t-1} for every t: the target of the last unmasked step before t, else `first`.

    first [B, C], targets [B, T, C], mask [B, T] or None → [B, T, C]

    >>> targets, mask = tf.constant([[[5.], [6.], [7.]]]), tf.constant([[True, False, True]])
    >>> previous(tf.zeros([1, 1]), targets, mask)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 5.0]
    """
    first = tf.expand_dims(first, 1)
    if mask is None:
        return tf.concat([first, targets], 1)[:, :-1]
    unmasked_first = tf.gather(targets, tf.argsort(tf.cast(~mask, tf.int32), stable=True), batch_dims=1)
    seen = tf.cumsum(tf.cast(mask, tf.int32), 1, exclusive=True)
    return tf.gather(tf.concat([first, unmasked_first], 1), seen, batch_dims=1)
