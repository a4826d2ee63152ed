"""Deep recurrent networks as one cuDNN operation, after TensorFlow's `_CudnnRNN` layers."""

import keras
import tensorflow as tf

from zoo import engines
from zoo.cells.arguments import is_count, rate, serialized
from zoo.engines import cudnn
from zoo.layers.recurrent import GRU, LSTM, SimpleRNN
from zoo.layers.sequences import OverSequences, as_list, first, static_shape
from zoo.ops.masks import cleared

INPUT_MODES = ("linear", "skip", "auto")
DIRECTIONS = {"unidirectional": 1, "bidirectional": 2}


class CudnnRecurrent(OverSequences):
    """Recurrent layers on top of each other, one or two directions each, in a single operation.

        H⁰ = x        Hˡ = [→layer_l(Hˡ⁻¹) ←layer_l(Hˡ⁻¹)], dropout between layers

    On an NVIDIA GPU all of it is one `CudnnRNNV3`, or with dropout one a layer. Anywhere else, and in
    every exported graph, the plain layers of the zoo compute the same from the same weights, one after
    the other: train on a GPU, serve anywhere.

    Weights are those of the plain layers, bottom up, the forward direction first: `kernel`,
    `recurrent_kernel`, `bias`. `get_plain_weights` and `set_plain_weights` exchange them with a `Stack`,
    or a `keras.Sequential`, of plain layers.

    Args:    num_layers, units  how many layers, and how many units each has in a direction
             input_mode    "linear"; "skip": the first layer has no kernel, x itself goes into its gates,
                           so D must be `units`; "auto": skip wherever D is `units`
             direction     "unidirectional" or "bidirectional"
             dropout       rate of the dropout between layers, in [0, 1)
             seed          of the dropout
             kernel_initializer, recurrent_initializer, bias_initializer, return_sequences, return_state,
             engine        as in the plain layer; `engine="cudnn"` raises where cuDNN cannot run
    Call:    sequences     [B, T, D], or a `tf.RaggedTensor`
             mask          [B, T] bool, any pattern, rows without a step too
             initial_state one tensor [B, num_layers·directions, H] a state, in the weights' order:
                           with the first two axes swapped, PyTorch's and cuDNN's
    Returns: the last layer's outputs [B, T, directions·H], or those of both directions' last steps
             [B, directions·H]; then, with `return_state`, the states, shaped as `initial_state`. At a
             masked step the output is repeated or, with two directions, zero, as in a stack of plain
             layers
    Raises:  ValueError: an option out of its range, states that do not fit, `input_mode="skip"` where D
             is not `units`, an engine that cannot run it
    """

    layer_class = None
    layer_options = {}
    options = ("num_layers", "units", "input_mode", "direction", "dropout", "seed",
               "kernel_initializer", "recurrent_initializer", "bias_initializer", "return_sequences",
               "return_state", "engine")

    def __init__(self, num_layers, units, input_mode="linear", direction="unidirectional",
                 dropout=0.0, seed=None, kernel_initializer="glorot_uniform",
                 recurrent_initializer="orthogonal", bias_initializer="zeros",
                 return_sequences=False, return_state=False, engine="auto", **kwargs):
        super().__init__(**kwargs)
        self.num_layers = count("num_layers", num_layers)
        self.units = count("units", units)
        self.input_mode = one_of("input_mode", input_mode, INPUT_MODES)
        self.direction = one_of("direction", direction, DIRECTIONS)
        self.dropout = rate("dropout", dropout)
        self.seed = seed
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.engine = engine
        self.between = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)
        self.layers = []
        self.supports_masking = True
        self.supports_jit = self.engine_in_use == "loop"

    @property
    def directions(self):
        return DIRECTIONS[self.direction]

    @property
    def state_count(self):
        """How many states there are: h, or h and c."""
        return self.layer_class.cell_class.states

    @property
    def engine_in_use(self):
        """The name of the engine that a call would run on now."""
        return engines.choose(self.layers[0] if self.layers else self._plain_layer(0))

    def build(self, sequences_shape, initial_state_shape=None):
        features = sequences_shape[-1]
        if self.input_mode == "skip" and features != self.units:
            raise ValueError(f"input_mode='skip': expected as many features as units, {self.units}, "
                             f"received {features}")
        self.skip = self.input_mode != "linear" and features == self.units
        sizes = cudnn.input_sizes(self.units, features, self.num_layers, self.directions, skip=False)
        for n, size in enumerate(sizes):
            layer = self._plain_layer(n, skip=self._skips(n))
            layer.build((None, None, size))
            self.layers.append(layer)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: features})
        self.built = True

    def _plain_layer(self, n, skip=False):
        """The plain layer of pseudo-layer n, not built."""
        level, backward = divmod(n, self.directions)
        make = without_kernel(self.layer_class) if skip else self.layer_class
        initializers = {name: renewed(getattr(self, name)) for name in self.options
                        if name.endswith("_initializer")}
        return make(self.units, return_sequences=True, return_state=True, go_backwards=bool(backward),
                    zero_output_for_mask=self.directions == 2, engine=self.engine,
                    dtype=self.dtype_policy, name=f"{'backward' if backward else 'forward'}_{level}",
                    trainable=self.trainable, **initializers, **self.layer_options)

    def _check_states(self, batch, initial_state=None, **_):
        if initial_state is None:
            return
        shape = [batch, self.num_layers * self.directions, self.units]
        shapes = [static_shape(state) for state in as_list(initial_state)]
        if len(shapes) != self.state_count or not all(one.is_compatible_with(shape) for one in shapes):
            raise ValueError(f"initial_state: expected {self.state_count} of shape {shape}, received "
                             f"{[list(one) for one in shapes]}")

    def call(self, sequences, initial_state=None, mask=None, training=False):
        mask = None if mask is None else tf.cast(mask, tf.bool)
        x = cleared(tf.cast(sequences, self.compute_dtype), mask)
        states = self._first_states(initial_state, tf.shape(x)[0])
        compute = self._in_one if self.engine_in_use == "cudnn" else self._layer_by_layer
        sequence, states = compute(x, states, mask, training)
        output = self._output(sequence, states[0], mask)
        return (output, *states) if self.return_state else output

    def _first_states(self, states, batch):
        if states is None:
            shape = [batch, self.num_layers * self.directions, self.units]
            return self.state_count * [tf.zeros(shape, self.compute_dtype)]
        return [tf.cast(tf.convert_to_tensor(state), self.compute_dtype) for state in as_list(states)]

    def _in_one(self, x, states, mask, training):
        if not (training and self.dropout):
            return self._as_one(self.layers, x, states, mask)
        last = []
        for n in range(0, len(self.layers), self.directions):
            x = self.between(x, training=True) if n else x
            own = slice(n, n + self.directions)
            x, new = self._as_one(self.layers[own], x, [state[:, own] for state in states], mask)
            last.append(new)
        return x, [tf.concat(state, 1) for state in zip(*last)]

    def _as_one(self, layers, x, states, mask):
        weights = [cudnn.weights_of(layer.cell) for layer in layers]
        return cudnn.recur(weights, cudnn.mode(layers[0].cell), x, states, mask, self.directions)

    def _layer_by_layer(self, x, states, mask, training):
        last = []
        for level in range(self.num_layers):
            x = self.between(x, training=training) if level else x
            outputs = []
            for layer in self.layers[len(last):len(last) + self.directions]:
                first_states = [state[:, len(last)] for state in states]
                y, *new = layer(x, initial_state=first_states, mask=mask, training=training)
                outputs.append(tf.reverse(y, [1]) if layer.go_backwards else y)
                last.append(new)
            x = tf.concat(outputs, -1)
        return x, [tf.stack(state, 1) for state in zip(*last)]

    def _output(self, sequence, h, mask):
        """The sequence, or the last layer's last steps: zero where no step is unmasked."""
        if self.return_sequences:
            return sequence
        last = tf.reshape(h[:, -self.directions:], [-1, self.directions * self.units])
        return last if mask is None else tf.where(tf.reduce_any(mask, 1, keepdims=True), last, 0)

    def get_plain_weights(self):
        """The weights of the same network made of plain layers: in "skip" mode with W = [I … I].

        With `set_plain_weights` the way from and to layers without cuDNN: row 15 of docs/equations.md.

        Returns: for each layer and direction kernel, recurrent_kernel and bias, as `Stack`'s or
                 `keras.Sequential`'s `set_weights` takes them
        """
        weights = []
        for n, layer in enumerate(self.layers):
            identity = self._skips(n) * [identities(self.units, layer.cell.gates)]
            weights += [*identity, *layer.get_weights()]
        return weights

    def set_plain_weights(self, weights):
        """The inverse of `get_plain_weights`.

        Raises:  ValueError: another number of arrays, or another kernel in "skip" mode than [I … I]
        """
        weights = list(weights)
        if len(weights) != 3 * len(self.layers):
            raise ValueError(f"weights: expected {3 * len(self.layers)} arrays, kernel, recurrent_kernel "
                             f"and bias of each layer and direction, received {len(weights)}")
        for n, layer in enumerate(self.layers):
            kernel, *others = weights[3 * n:3 * n + 3]
            if self._skips(n):
                check_identities(kernel, identities(self.units, layer.cell.gates))
            layer.set_weights(others if self._skips(n) else [kernel, *others])

    def _skips(self, n):
        return self.skip and n < self.directions

    def compute_mask(self, sequences, mask=None):
        shown = first(mask) if self.return_sequences else None
        return [shown, *self.state_count * [None]] if self.return_state else shown

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, width = sequences_shape[0], self.directions * self.units
        output = (*sequences_shape[:2], width) if self.return_sequences else (batch, width)
        state = (batch, self.num_layers * self.directions, self.units)
        return (output, *self.state_count * [state]) if self.return_state else output

    def get_config(self):
        return {**super().get_config(), **{name: serialized(getattr(self, name))
                                           for name in self.options}}


@keras.saving.register_keras_serializable("zoo")
class CudnnRNNTanh(CudnnRecurrent):
    """Simple recurrent layers with tanh, all of them in one cuDNN operation on a GPU.

        h_t = tanh(x_t·W + h_{t-1}·U + b)

    Args, Call, Returns, Raises: see `CudnnRecurrent`; state h
    Source:  Elman 1990; Appleyard et al. 2016

    >>> tuple(CudnnRNNTanh(num_layers=2, units=4)(keras.ops.ones((2, 5, 3))).shape)
    (2, 4)
    """

    layer_class = SimpleRNN


@keras.saving.register_keras_serializable("zoo")
class CudnnRNNRelu(CudnnRecurrent):
    """Simple recurrent layers with the rectifier, all of them in one cuDNN operation on a GPU.

        h_t = max(0, x_t·W + h_{t-1}·U + b)

    Args, Call, Returns, Raises: see `CudnnRecurrent`; state h
    Source:  Le et al. 2015, who start U as the identity; Appleyard et al. 2016

    >>> layer = CudnnRNNRelu(1, 3, input_mode="skip", recurrent_initializer="identity")
    >>> layer(keras.ops.ones((1, 5, 3))).numpy().tolist()
    [[5.0, 5.0, 5.0]]
    """

    layer_class = SimpleRNN
    layer_options = {"activation": "relu"}


@keras.saving.register_keras_serializable("zoo")
class CudnnGRU(CudnnRecurrent):
    """Gated recurrent units, the reset gate after the product, in one cuDNN operation on a GPU.

        z = σ(x_t·W_z + h_{t-1}·U_z + b_z)        r = σ(x_t·W_r + h_{t-1}·U_r + b_r)
        n = tanh(x_t·W_n + r·(h_{t-1}·U_n + b'_n) + b_n)
        h_t = z·h_{t-1} + (1 - z)·n

    Args, Call, Returns, Raises: see `CudnnRecurrent`; state h
    Source:  Cho et al. 2014; Appleyard et al. 2016

    >>> layer = CudnnGRU(1, 4, direction="bidirectional", return_sequences=True)
    >>> tuple(layer(keras.ops.ones((2, 5, 3))).shape)
    (2, 5, 8)
    """

    layer_class = GRU


@keras.saving.register_keras_serializable("zoo")
class CudnnLSTM(CudnnRecurrent):
    """Long short-term memory, all layers and directions in one cuDNN operation on a GPU.

        i, f, o = σ(x_t·W + h_{t-1}·U + b)        g = tanh(x_t·W + h_{t-1}·U + b)
        c_t = f·c_{t-1} + i·g
        h_t = o·tanh(c_t)

    Args, Call, Returns, Raises: see `CudnnRecurrent`; states h and c; and
             unit_forget_bias  start the forget gate's bias at one, as `LSTM` does by default; else
                           `bias_initializer` is that of every gate, as in TensorFlow's `CudnnLSTM`
    Source:  Hochreiter & Schmidhuber 1997; Appleyard et al. 2016

    >>> y, h, c = CudnnLSTM(num_layers=2, units=4, return_state=True)(keras.ops.ones((2, 5, 3)))
    >>> tuple(y.shape), tuple(c.shape)
    ((2, 4), (2, 2, 4))
    """

    layer_class = LSTM
    options = (*CudnnRecurrent.options, "unit_forget_bias")

    def __init__(self, *args, unit_forget_bias=False, **kwargs):
        self.unit_forget_bias = unit_forget_bias    # before the layers that are made of it
        super().__init__(*args, **kwargs)

    @property
    def layer_options(self):
        return {"unit_forget_bias": self.unit_forget_bias}


def renewed(initializer):
    """Another initializer of the same kind: one by itself draws the same numbers again and again."""
    known = isinstance(initializer, keras.initializers.Initializer)
    return initializer.clone() if known else initializer


def without_kernel(layer_class):
    """The class of layers that do without input matrices."""
    class Cell(cudnn.SkipInput, layer_class.cell_class):
        pass

    class Layer(layer_class):
        cell_class = Cell

    return Layer


def identities(units, gates):
    """[I … I], the kernel [H, G·H] that gives every gate its input as it is."""
    return tf.tile(tf.eye(units), [1, gates]).numpy()


def check_identities(kernel, expected):
    if kernel.shape != expected.shape or (kernel != expected).any():
        raise ValueError("weights: expected the kernel [I … I] of a layer with input_mode='skip', which "
                         "has no other, received another")


def count(name, value):
    """Check a number of layers or units."""
    if not is_count(value):
        raise ValueError(f"{name}: expected a positive integer, received {value!r}")
    return int(value)


def one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {list(allowed)}, received {value!r}")
    return value
