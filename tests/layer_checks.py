"""What every recurrent layer is held to: random cases, the oracle's answer, and the comparison.

A check takes the layer it checks, so an engine, a wrapper or Keras's own layer can stand in.
"""
import dataclasses
import functools

import keras
import numpy as np
import reference
import tensorflow as tf

import zoo

CELLS = ("simple_rnn", "gru", "gru_reset_before", "lstm")
MASKS = ("none", "right-padded", "left-padded", "with holes", "a fully masked row")
B, T, D, H = 4, 7, 3, 5

CLASSES = {"simple_rnn": ("SimpleRNN", {}), "gru": ("GRU", {"reset_after": True}),
           "gru_reset_before": ("GRU", {"reset_after": False}), "lstm": ("LSTM", {})}
NORMALIZED = tuple(f"normalized_{cell}" for cell in CELLS)
CLASSES |= {f"normalized_{cell}": (name, {**options, "layer_normalization": True})
            for cell, (name, options) in CLASSES.items()}
WEIGHTS = ("kernel", "recurrent_kernel", "bias", "gain", "state_gain", "state_bias")

EXACT = 1e-10  # float64 against float64
AGREEMENT = 1e-5  # float32 against float64, as the layer contract defines it


def layer_class(cell, library=zoo):
    return getattr(library, CLASSES[cell][0])


def make(cell, library=zoo, units=H, **options):
    """A layer that returns everything, in float64 unless told otherwise."""
    defaults = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    return layer_class(cell, library)(units, **{**defaults, **CLASSES[cell][1], **options})


@dataclasses.dataclass
class Case:
    """Random distinct numbers for everything that goes into a layer and its gradient."""
    weights: list
    x: np.ndarray
    states: list
    dy: np.ndarray
    dstates: list

    def to(self, dtype):
        """The same numbers rounded to `dtype`."""
        return Case(*([v.astype(dtype) for v in value] if isinstance(value, list)
                      else value.astype(dtype) for value in dataclasses.astuple(self)))


def case(cell, seed=0, batch=B, time=T, features=D, units=H, use_bias=True):
    """
    >>> [w.shape for w in case("gru").weights]
    [(3, 15), (5, 15), (2, 15)]
    """
    normal = np.random.default_rng(seed).normal
    gates, states = reference.CELLS[cell].gates, reference.CELLS[cell].states
    bias = (2, gates * units) if cell.endswith("gru") else (gates * units,)
    shapes = [(features, gates * units), (units, gates * units)] + [bias] * use_bias
    if cell in NORMALIZED:
        shapes += [(2, gates * units)] + [(units,)] * 2 * cell.endswith("lstm")
    scale = 1.1 / units ** 0.5  # larger ones would make long sequences chaotic
    return Case([normal(scale=scale, size=s) for s in shapes],
                normal(size=(batch, time, features)),
                [normal(size=(batch, units)) for _ in range(states)],
                normal(size=(batch, time, units)),
                [normal(size=(batch, units)) for _ in range(states)])


def mask(name, batch=B, time=T):
    """[batch, time] of booleans, or None for "none"."""
    if name == "none":
        return None
    lengths = np.arange(time, time - batch, -1).clip(1)[:, None]  # T, T-1, …
    right = np.arange(time) < lengths
    if name == "right-padded":
        return right
    if name == "left-padded":
        return right[:, ::-1]
    if name == "with holes":
        holes = np.random.default_rng(3).random((batch, time)) < 0.6
        holes[0, :] = True
        holes[1, [0, -1]] = False, False
        return holes
    if name == "a fully masked row":
        right[1] = False
        return right
    raise ValueError(f"expected one of {MASKS}, received {name!r}")


def named(outputs, states, dx, dstates, dweights):
    """One flat dictionary, so that a disagreement is reported by name."""
    found = {"outputs": outputs, "dx": dx}
    found.update({f"state {i}": s for i, s in enumerate(states)})
    found.update({f"dstate {i}": d for i, d in enumerate(dstates)})
    found.update(zip((f"d{name}" for name in WEIGHTS), dweights))
    return found


def expected(cell, given, truncate=None, **options):
    """The oracle's outputs, states and gradients."""
    forward = reference.run(cell, given.weights, given.x, states=given.states, **options)
    back = reference.gradients(cell, given.weights, given.x, given.dy, given.dstates, truncate,
                               states=given.states, **options)
    dweights = [getattr(back, name) for name in WEIGHTS[:len(given.weights)]]
    return named(forward.outputs, forward.states, back.x, back.states, dweights)


def computed(layer, given, mask=None, graph=False, jit_compile=None, training=None):
    """The layer's outputs, states and gradients, for one that returns sequences and states.

    In graph mode batch and time are unknown when the layer is traced.
    """
    ready(layer, given)
    mask = None if mask is None else tf.constant(mask)
    arrays = [to_tensors(value, layer.compute_dtype)
              for value in (given.x, given.states, given.dy, given.dstates)]
    if graph:
        found = traced(layer, len(given.states), mask is not None, jit_compile, training)(
            *arrays, mask)
    else:
        found = forward_backward(layer, training, *arrays, mask)
    return {name: value.numpy() for name, value in found.items()}


def to_tensors(value, dtype):
    return tf.nest.map_structure(lambda a: tf.constant(a, dtype), value)


def ready(layer, given):
    """Builds the layer where it is not, and copies the weights of the case into it."""
    if not layer.built:
        layer.build((None, None, given.x.shape[-1]))
    layer.set_weights(given.weights)


def forward_backward(layer, training, x, states, dy, dstates, mask):
    """One forward and one backward pass of Σ y⊙dy + Σ s⊙ds."""
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        y, *last = layer(x, initial_state=states, mask=mask, training=training)
        loss = tf.reduce_sum(y * dy) + sum(tf.reduce_sum(s * d) for s, d in zip(last, dstates))
    dx, dfirst, dweights = tape.gradient(loss, [x, states, weights])
    return named(y, last, dx, dfirst, dweights)


@functools.lru_cache(maxsize=64)
def traced(layer, states, masked, jit_compile, training):
    """`forward_backward` as one graph for every batch and length."""
    features = layer.trainable_weights[0].shape[0]
    dtype, units = layer.compute_dtype, layer.units
    sequence, state = (tf.TensorSpec((None, None, units), dtype),
                       tf.TensorSpec((None, units), dtype))
    signature = [tf.TensorSpec((None, None, features), dtype), [state] * states, sequence,
                 [state] * states] + [tf.TensorSpec((None, None), "bool")] * masked

    def function(x, states, dy, dstates, mask=None):
        return forward_backward(layer, training, x, states, dy, dstates, mask)

    function = tf.function(function, signature, autograph=False, jit_compile=jit_compile)
    return lambda *arrays: function(*arrays[:len(signature)])


def recurrent_kernel_seen(layer, units=200):
    """A recurrent kernel of ones as a call in training uses it, read off linear layers, D = H = `units`.

        x = 0, I, 0        h_2 = I        h_3 = I·U

    from either end of time. `Bidirectional` shows both kernels side by side, `Stack` their sum.
    """
    x = np.zeros((units, 3, units), "float32")
    x[:, 1] = np.eye(units)
    layer.build(x.shape)
    layer.set_weights([np.eye(units), np.ones((units, units)), np.zeros(units)]
                      * (len(layer.weights) // 3))
    return layer(x, training=True).numpy()


def assert_agree(actual, wanted, tolerance=EXACT):
    """max|a−b| ≤ tolerance·max|b| for every tensor, by name."""
    assert set(actual) == set(wanted)
    errors = {}
    for name, b in wanted.items():
        assert actual[name].shape == b.shape, (name, actual[name].shape, b.shape)
        if b.size:
            error = np.abs(np.asarray(actual[name], np.float64) - b).max()
            scale = np.abs(b).max()
            if not error <= tolerance * scale:  # so written that NaN fails too
                errors[name] = f"max|a-b| {error:.2e}, max|b| {scale:.2e}"
    assert not errors, errors


def assert_weights_agree(a, b):
    assert [w.shape for w in a] == [w.shape for w in b]
    assert all(np.array_equal(v, w) for v, w in zip(a, b))


def finite_difference(loss, value, step=1e-5):
    """∂loss/∂value by central differences, one element at a time; loss takes the array."""
    gradient = np.zeros_like(value, dtype=np.float64)
    for index in np.ndindex(value.shape):
        ends = []
        for sign in (1, -1):
            moved = np.array(value, np.float64)
            moved[index] += sign * step
            ends.append(loss(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def randomise(layer, seed=0):
    """Random distinct weights in place of the initial ones, biases too; gives the layer back."""
    normal = np.random.default_rng(seed).normal
    layer.set_weights([normal(scale=0.5, size=w.shape) for w in layer.weights])
    return layer


def assert_gradients_match_differences(loss, variables):
    """∂loss()/∂variables against central differences, in a graph and eagerly; all in float64."""
    graph = tf.function(loss, autograph=False)
    found = {"graph": gradients_of(graph, variables), "eager": gradients_of(loss, variables)}
    for n, variable in enumerate(variables):
        kept = variable.numpy()
        wanted = finite_difference(lambda a: (variable.assign(a), float(graph()))[1], kept)
        variable.assign(kept)
        assert np.abs(wanted).max() > 1e-6, f"{variable.path} has no part in the loss"
        for mode, gradients in found.items():
            name = f"{variable.path}, {mode}"
            assert_agree({name: gradients[n].numpy()}, {name: wanted}, 1e-6)


def gradients_of(loss, variables):
    with tf.GradientTape() as tape:
        value = loss()
    return tape.gradient(value, [variable.value for variable in variables])


def keras_twin(cell, **options):
    """The layer of Keras that does the same, as stock operations."""
    return make(cell, library=keras.layers, **options)


def stateful(cell, given):
    """A stateful layer with the case's weights."""
    layer = make(cell, stateful=True)
    layer.build(given.x.shape)
    layer.set_weights(given.weights)
    return layer


def in_two_calls(layer, x):
    """The outputs of a sequence that is given in two parts."""
    return np.concatenate([layer(x[:, :3])[0], layer(x[:, 3:])[0]], axis=1)
