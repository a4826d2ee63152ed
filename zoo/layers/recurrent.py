"""The Keras layers around a recurrence: what is the same for all cells, then SimpleRNN, GRU and LSTM."""

import keras
import tensorflow as tf

from zoo import engines
from zoo.cells.arguments import arguments_of, is_count, rate, serialized
from zoo.cells.cell import Cell
from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell
from zoo.cells.simple_rnn import SimpleRNNCell
from zoo.engines.loop import Timing
from zoo.layers.sequences import OverSequences, as_list, check_states, first


class Recurrent(OverSequences):
    """A recurrent layer: a cell, and time. A subclass names its `cell_class`, a subclass of `Cell`.

    SimpleRNN, GRU and LSTM are drop-ins for the Keras layers of their names: arguments, weights, masks,
    states, configuration. Beyond Keras:

    Args:    zoneout   share of a state's units that keep their old value at a step, in [0, 1)
             weight_drop  share of the recurrent kernel's weights that a call in training sets to zero,
                       the same for all sequences and steps (DropConnect), in [0, 1)
             layer_normalization  of the products that the gates are made of, see `Cell`
             truncate  None, or how many steps at the most an error flows back: for every t,
                       ∂L_t/∂U sums δ_j ⊗ h_{j-1} over j = t-truncate … t
             engine    "auto", or the name of an engine (see `zoo.engines`)
             use_cudnn  "auto", False, or True: a call that cannot run on cuDNN raises
             recurrent_dropout draws one mask a sequence, the same for all gates and steps
    Call:    sequences  [B, T, D], or a `tf.RaggedTensor` [B, (T), D]: right-padded and masked
             mask       [B, T] bool, any pattern: a masked step leaves the state as it is, whatever
                        the sequences hold there, NaN included
             initial_state  one tensor [B, H] a state
    Returns: the last output [B, H] or all of them [B, T, H]; then, with `return_state`, the states
    Raises:  ValueError: an option out of its range, an engine that cannot run it, states
             that do not fit; AttributeError: an option of the cell set on the layer
    Source:  zoneout, Krueger et al. 2017; DropConnect, Wan et al. 2013, in recurrence Merity et al. 2018;
             one dropout mask a sequence, Gal & Ghahramani 2016; truncation, Williams & Peng 1990
    """

    cell_class = Cell
    cell_name = "cell"
    options = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll",
               "zero_output_for_mask", "zoneout", "weight_drop", "truncate", "engine", "use_cudnn",
               "activity_regularizer")

    def __init__(self, units, return_sequences=False, return_state=False, go_backwards=False,
                 stateful=False, unroll=False, zero_output_for_mask=False, zoneout=0.0,
                 weight_drop=0.0, truncate=None, engine="auto", use_cudnn="auto", **kwargs):
        cell = {name: kwargs.pop(name) for name in self.cell_class.options if name in kwargs}
        kwargs.pop("implementation", None)  # Keras chooses between its own two loops with it.
        super().__init__(**kwargs)
        self.cell = self.cell_class(units, dtype=self.dtype_policy, name=self.cell_name,
                                    trainable=self.trainable, **cell)
        if truncate is not None and not self.cell.has_backward:
            raise ValueError("truncate: expected a cell whose step has linearise, backward and "
                             f"weight_gradients, received {type(self.cell).__name__}, whose step has "
                             "none; leave truncate out")
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.zoneout = rate("zoneout", zoneout)
        self.weight_drop = rate("weight_drop", weight_drop)
        self.truncate = checked_truncation(truncate)
        self.engine = engines.check(engine)
        self.use_cudnn = cudnn_wish(use_cudnn, engine)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.states = None
        # As in Keras, only a call refuses use_cudnn=True where cuDNN cannot run.
        # XLA refuses TensorFlow's own gradient of a loop.
        self.supports_jit = (use_cudnn is not True and engines.choose(self) == "loop"
                             and (bool(unroll) or self.cell.has_backward))

    @property
    def engine_in_use(self):
        """The name of the engine that a call would run on now."""
        return engines.choose(self)

    @property
    def state_size(self):
        return self.cell.states * [self.cell.units]

    def __getattr__(self, name):
        """The cell's options read as the layer's own: `layer.units`, `layer.activation` …"""
        if name in type(self).cell_class.options and "cell" in self.__dict__:
            return getattr(self.cell, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name, value):
        """As in Keras, the cell's options cannot be set here, where nothing would read them."""
        if name in type(self).cell_class.options:
            raise AttributeError(f"{name} belongs to the cell: set it as an argument of "
                                 f"{type(self).__name__}, or set layer.cell.{name}")
        super().__setattr__(name, value)

    def build(self, sequences_shape, initial_state_shape=None):
        if not self.cell.built:
            self.cell.build((sequences_shape[0], sequences_shape[-1]))
            self.cell.built = True
        if self.stateful and self.states is None:
            self._make_states(sequences_shape[0])
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})
        self.built = True

    def _make_states(self, batch_size):
        if batch_size is None:
            raise ValueError("stateful: expected a fixed batch size, received None; give the input "
                             "a batch_shape, as in keras.Input(batch_shape=(32, None, 8))")
        shape = batch_size, self.cell.units
        variables = [keras.Variable(keras.ops.zeros(shape), trainable=False, name=f"state_{n}",
                                    dtype=self.variable_dtype) for n in range(self.cell.states)]
        # Untracked, as in Keras: states are neither weights nor part of a saved file.
        object.__setattr__(self, "states", variables)

    def reset_state(self):
        """Set the states that a stateful layer carries from call to call to zero."""
        for state in self.states or ():
            state.assign(tf.zeros_like(state.value))

    reset_states = reset_state

    def get_initial_state(self, batch_size):
        return self.cell.get_initial_state(batch_size)

    def _check_states(self, batch, initial_state=None, **_):
        super()._check_states(batch, initial_state)
        if initial_state is None and self.stateful and self.states is not None:
            check_states("the states of a stateful layer", self.states, self.state_size, batch)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if self.unroll and sequences.shape[1] is None:
            raise ValueError("unroll: expected sequences of a fixed length, received [B, None, D]; give "
                             "the input a length, as in keras.Input((100, 8)), or set unroll=False")
        mask = None if mask is None else tf.cast(mask, tf.bool)
        x = tf.cast(tf.convert_to_tensor(sequences), self.compute_dtype)  # it may be a variable
        states = self._first_states(initial_state, tf.shape(x)[0])
        timing = self.timing(x, mask, training)
        if training and self.cell.dropout:
            ones = tf.ones(tf.gather(tf.shape(x), [0, 2]), x.dtype)
            x *= tf.expand_dims(self.cell.drawn(ones, self.cell.dropout), 1)
        sequence, states = engines.ENGINES[self.engine_in_use].run(
            self.cell, x, states, timing, self.return_sequences)
        if self.stateful:
            for variable, state in zip(self.states, states):
                variable.assign(tf.cast(state, variable.dtype))
        output = self._output(sequence, states[0], mask)
        return (output, *states) if self.return_state else output

    def _first_states(self, states, batch_size):
        if states is None:
            states = self.states if self.stateful else self.get_initial_state(batch_size)
        return [tf.cast(tf.convert_to_tensor(state), self.compute_dtype) for state in as_list(states)]

    def timing(self, x, mask, training):
        """What a call does besides the cell's equations, freshly drawn; for inputs x [B, T, D]."""
        dropout = weight_drop = zoneout = None
        if training and self.cell.recurrent_dropout:
            ones = tf.ones([tf.shape(x)[0], self.cell.units], x.dtype)
            dropout = self.cell.drawn(ones, self.cell.recurrent_dropout)
        if training and self.weight_drop:
            ones = tf.ones_like(self.cell.recurrent_matrix())
            weight_drop = self.cell.drawn(ones, self.weight_drop)
        if self.zoneout:
            shape = tf.concat([tf.shape(x)[:2], [self.cell.units]], 0)
            zoneout = tuple(self._zoneout(shape, x.dtype, training) for _ in range(self.cell.states))
        return Timing(
            mask, zoneout, dropout, weight_drop, self.truncate, self.go_backwards, self.unroll)

    def _zoneout(self, shape, dtype, training):
        """Which units keep their state: drawn for every step while training, else the expectation."""
        if not training:
            return tf.constant(self.zoneout, dtype)
        drawn = keras.random.uniform(shape, dtype="float32", seed=self.cell.seed_generator)
        return tf.cast(drawn < self.zoneout, dtype)

    def _output(self, sequence, last, mask):
        """Masked steps repeat the output before them: zeros before the first unmasked step."""
        output = sequence if self.return_sequences else last
        return output if mask is None else tf.where(self._shown(mask), output, tf.zeros_like(output))

    def _shown(self, mask):
        """Where the outputs are shown: [B, T, 1], or [B, 1] for the last one alone."""
        if self.go_backwards:
            mask = tf.reverse(mask, [1])
        if self.return_sequences and not self.zero_output_for_mask:
            mask = tf.cumsum(tf.cast(mask, tf.int32), 1) > 0
        if self.return_sequences:
            return tf.expand_dims(mask, -1)
        return tf.reduce_any(mask[:, -1:] if self.zero_output_for_mask else mask, 1, keepdims=True)

    def compute_mask(self, sequences, mask=None):
        shown = first(mask) if self.return_sequences else None
        return [shown, *self.cell.states * [None]] if self.return_state else shown

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        state = (sequences_shape[0], self.cell.units)
        output = (*sequences_shape[:2], self.cell.units) if self.return_sequences else state
        return (output, *self.cell.states * [state]) if self.return_state else output

    def get_config(self):
        cell = {name: serialized(getattr(self.cell, name)) for name in self.cell.options}
        own = {name: serialized(getattr(self, name)) for name in self.options}
        return {**super().get_config(), **cell, **own}


def checked_truncation(truncate):
    """A truncation length; raises ValueError for what is none."""
    if truncate is not None and not is_count(truncate):
        raise ValueError(f"truncate: expected None or a number of steps, received {truncate!r}")
    return truncate


def cudnn_wish(use_cudnn, engine):
    """Check Keras's wish for cuDNN, and that it is not at odds with the engine's name."""
    if use_cudnn not in (True, False, "auto"):
        raise ValueError(f"use_cudnn: expected True, False or 'auto', received {use_cudnn!r}")
    if use_cudnn is True and engine not in ("auto", "cudnn"):
        raise ValueError(f"use_cudnn: expected False or 'auto' with engine={engine!r}, received True")
    return use_cudnn


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.SimpleRNN)
class SimpleRNN(Recurrent):
    """The simple recurrent network over a sequence; a drop-in for `keras.layers.SimpleRNN`.

        h_t = φ(x_t·W + h_{t-1}·U + b)

    Args:    as `keras.layers.SimpleRNN`; and `zoneout`, `weight_drop`, `layer_normalization`, `truncate`,
             `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`
    Raises:  ValueError: an option out of its range, an engine that cannot run it
    Source:  Elman 1990

    >>> tuple(SimpleRNN(4, return_sequences=True)(keras.ops.ones((2, 5, 3))).shape)
    (2, 5, 4)
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.GRU)
class GRU(Recurrent):
    """The gated recurrent unit over a sequence; a drop-in for `keras.layers.GRU`.

        z = σ(x_t·W_z + h_{t-1}·U_z + b_z)        r = σ(x_t·W_r + h_{t-1}·U_r + b_r)
        n = φ(x_t·W_n + r·(h_{t-1}·U_n + b'_n) + b_n)         (`reset_after`, else (r·h_{t-1})·U_n)
        h_t = z·h_{t-1} + (1 - z)·n

    Weights as Keras has them: `kernel` [D, 3H], `recurrent_kernel` [H, 3H], gates z r n, `bias` [2, 3H]
    with `reset_after`, else [3H].

    Args:    as `keras.layers.GRU`; and `zoneout`, `weight_drop`, `layer_normalization`, `truncate`,
             `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`
    Raises:  ValueError: an option out of its range, an engine that cannot run it
    Source:  Cho et al. 2014

    >>> tuple(GRU(4, reset_after=False)(keras.ops.ones((2, 5, 3))).shape)
    (2, 4)
    """

    cell_class = GRUCell
    cell_name = "gru_cell"


@keras.saving.register_keras_serializable("zoo")
@arguments_of(keras.layers.LSTM)
class LSTM(Recurrent):
    """Long short-term memory over a sequence; a drop-in for `keras.layers.LSTM`.

        i, f, o = σ(x_t·W + h_{t-1}·U + b)        g = φ(x_t·W + h_{t-1}·U + b)
        c_t = f·c_{t-1} + i·g
        h_t = o·φ(c_t)

    Weights as Keras has them: `kernel` [D, 4H], `recurrent_kernel` [H, 4H], `bias` [4H], gates i f g o.

    Args:    as `keras.layers.LSTM`; and `zoneout`, `weight_drop`, `layer_normalization`, `truncate`,
             `engine`, see `Recurrent`
    Call:    sequences [B, T, D] → [B, H], or [B, T, H] with `return_sequences`; states (h, c)
    Raises:  ValueError: an option out of its range, an engine that cannot run it
    Source:  Hochreiter & Schmidhuber 1997; Gers et al. 2000

    >>> sequence, h, c = LSTM(4, return_sequences=True, return_state=True)(keras.ops.ones((2, 5, 3)))
    >>> tuple(sequence.shape), tuple(c.shape)
    ((2, 5, 4), (2, 4))
    """

    cell_class = LSTMCell
    cell_name = "lstm_cell"
