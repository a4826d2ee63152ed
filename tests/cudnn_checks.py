"""What the tests of cuDNN share. Without a GPU a stand-in, written from cuDNN's description, runs in
the operation's place; tests marked `gpu` run the operation itself."""
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import MASKS, D, H, case

import zoo

LAYERS = {"rnn_tanh": zoo.CudnnRNNTanh, "rnn_relu": zoo.CudnnRNNRelu, "gru": zoo.CudnnGRU,
          "lstm": zoo.CudnnLSTM}
PLAIN = {"rnn_tanh": ("SimpleRNN", {}), "rnn_relu": ("SimpleRNN", {"activation": "relu"}),
         "gru": ("GRU", {}), "lstm": ("LSTM", {})}
ORACLE = {"rnn_tanh": "simple_rnn", "rnn_relu": "simple_rnn", "gru": "gru", "lstm": "lstm"}
ACTIVATION = {"rnn_relu": {"activation": "relu"}}
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}

# One row for every pattern: none masked, padding on the right, on the left, holes, all masked.
EVERY = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]],
                 bool)
ROWS, STEPS = EVERY.shape

each_mode = pytest.mark.parametrize("mode", LAYERS)
each_mask = pytest.mark.parametrize("name", MASKS)
each_padding = pytest.mark.parametrize("masked", (None, EVERY), ids=("no mask", "every pattern"))
each_direction = pytest.mark.parametrize("directions", (1, 2))

GPU = tf.config.list_physical_devices("GPU")
if GPU:
    tf.config.experimental.enable_tensor_float_32_execution(False)


def with_gpu(test):
    return pytest.mark.gpu(pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")(test))


def linear_layers(params, mode, units, features, layers, directions, skip):
    """What `cudnnGetRNNWeightParams` would point at: for each pseudo-layer the matrices [rows, columns]
    and biases by linear-layer id, the ids of x first, then those of h."""
    gates, at = GATES[mode], 0

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return tf.reshape(params[at - int(np.prod(shape)):at], shape)

    depths = [level for level in range(layers) for _ in range(directions)]
    matrices = []
    for level in depths:
        columns = directions * units if level else features
        of_x = [None if skip and level == 0 else take(units, columns) for _ in range(gates)]
        matrices.append(of_x + [take(units, units) for _ in range(gates)])
    biases = [[take(units) for _ in range(2 * gates)] for _ in depths]
    assert at == params.shape[0], (at, params.shape)
    return list(zip(matrices, biases))


def one_step(mode, x, h, c, matrices, biases):
    gates = GATES[mode]
    of_x = [(x if M is None else x @ tf.transpose(M)) + b for M, b in zip(matrices, biases[:gates])]
    of_h = [h @ tf.transpose(M) + b for M, b in zip(matrices[gates:], biases[gates:])]
    a = [u + v for u, v in zip(of_x, of_h)]
    if gates == 1:
        return (tf.tanh if mode == "rnn_tanh" else tf.nn.relu)(a[0]), c
    if mode == "gru":
        r, update = tf.sigmoid(a[0]), tf.sigmoid(a[1])
        return (1 - update) * tf.tanh(of_x[2] + r * of_h[2]) + update * h, c
    c = tf.sigmoid(a[1]) * c + tf.sigmoid(a[0]) * tf.tanh(a[2])
    return tf.sigmoid(a[3]) * tf.tanh(c), c


class StandIn:
    """`tf.raw_ops.CudnnRNNV3`: sequences [T, B, D], states [layers·directions, B, H]."""

    def __init__(self):
        self.padded = {}
        self.calls = []

    def __call__(self, input, input_h, input_c, params, sequence_lengths, **settings):
        self.calls.append(settings)
        mode, directions = settings["rnn_mode"], 1 + (settings["direction"] == "bidirectional")
        skip = settings["input_mode"] == "skip_input"
        assert settings["time_major"] and settings["is_training"] and not settings["dropout"]
        self.check(settings, input, input_h, sequence_lengths)
        layers = linear_layers(params, mode, input_h.shape[2], input.shape[2],
                               input_h.shape[0] // directions, directions, skip)
        x, last = input, []
        for n, (matrices, biases) in enumerate(layers):
            if n % directions == 0:
                below, outputs = x, []
            c = input_c[n] if mode == "lstm" else None
            outputs.append(self.scan(mode, below, input_h[n], c, matrices, biases, sequence_lengths,
                                     backward=n % directions == 1, last=last))
            x = tf.concat(outputs, -1)
        h, c = (tf.stack(state) if state[0] is not None else None for state in zip(*last))
        return x, h, c, None, None

    def check(self, settings, x, h, lengths):
        """What breaks the operation: no step, and padding in a call after one that had none."""
        assert int(tf.reduce_min(lengths)) >= 1
        key = (*settings.values(), x.shape[0], x.shape[2], *h.shape[::2], x.dtype)
        padded = bool(tf.reduce_any(lengths != x.shape[0]))
        assert self.padded.setdefault(key, padded) == padded

    def scan(self, mode, x, h, c, matrices, biases, lengths, backward, last):
        outputs = []
        for t in reversed(range(len(x))) if backward else range(len(x)):
            inside = tf.expand_dims(t < lengths, -1)
            new_h, new_c = one_step(mode, x[t], h, c, matrices, biases)
            h = tf.where(inside, new_h, h)
            c = None if c is None else tf.where(inside, new_c, c)
            outputs.append(tf.where(inside, h, 0))
        last.append((h, c))
        return tf.stack(outputs[::-1] if backward else outputs)


def plain(mode, library=zoo, **options):
    name, own = PLAIN[mode]
    return getattr(library, name)(H, **{"return_sequences": True, "dtype": "float64", **own, **options})


def deep(mode, depth=1, directions=1, **options):
    """A layer that returns everything, in float64."""
    direction = ("unidirectional", "bidirectional")[directions - 1]
    defaults = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    return LAYERS[mode](depth, H, direction=direction, **{**defaults, **options})


def arrays(mode, depth=1, directions=1, seed=0):
    """Random plain weights, layer by layer, direction by direction."""
    return [case(ORACLE[mode], seed=seed + n, features=D if n < directions else directions * H).weights
            for n in range(depth * directions)]


def passes(layer, x, masked, states=None):
    """Outputs, states and gradients, by name; and the gradient of the states."""
    x = tf.constant(x)
    if not layer.built:
        layer.build(x.shape)
    shape = [len(x), layer.num_layers * layer.directions, layer.units]
    states = [tf.zeros(shape, x.dtype)] * layer.state_count if states is None else states
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        values = layer(x, initial_state=states, mask=masked)
        loss = tf.add_n([tf.reduce_sum(v * np.random.default_rng(n).normal(size=v.shape))
                         for n, v in enumerate(values)])
    gradients = tape.gradient(loss, [x, *states, *weights])
    return {str(n): a.numpy() for n, a in enumerate([*values, *gradients])}, values
