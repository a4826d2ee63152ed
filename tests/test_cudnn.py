"""The cuDNN engine and layers. Without a GPU a stand-in, written from cuDNN's description, runs in its
place; tests marked `gpu` run the operation itself."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from layer_checks import (AGREEMENT, EXACT, MASKS, B, D, H, T, assert_agree, assert_weights_agree, case,
                          computed, expected, mask)

import zoo
from export.verify import graph_nodes
from zoo import engines, recurrence
from zoo.engines import cudnn

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
with_gpu = [pytest.mark.gpu, pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")]


# ---------------------------------------------------------------- cuDNN, as its reference describes it

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


@pytest.fixture
def stand_in(monkeypatch):
    """A machine with cuDNN, as far as the engine can tell."""
    operation = StandIn()
    monkeypatch.setattr(cudnn, "_unmet_machine", lambda: None)
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", operation)
    return operation


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=with_gpu)])
def machine(request):
    """The stand-in, or the operation on a GPU."""
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")


@pytest.fixture
def traceable(monkeypatch):
    """The operation itself, to be traced and not run."""
    monkeypatch.setattr(cudnn, "_unmet_machine", lambda: None)


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


# ---------------------------------------------------------------- weights

@each_direction
@each_mode
def test_the_buffer_holds_every_gate_where_cudnn_looks_for_it(mode, directions):
    weights = arrays(mode, 2, directions)
    found = linear_layers(cudnn.pack(weights), mode, H, D, 2, directions, skip=False)
    order = [1, 0, 2] if mode == "gru" else range(GATES[mode])  # reset before update
    for (W, U, b), (matrices, biases) in zip(weights, found, strict=True):
        first, second = b if mode == "gru" else (b, np.zeros_like(b))
        wanted = [np.split(a, GATES[mode], -1)[g].T for a in (W, U, first, second) for g in order]
        for a, wish in zip([*matrices, *biases], wanted, strict=True):
            np.testing.assert_array_equal(a, wish)


@pytest.mark.parametrize("skip", (False, True))
@each_direction
@each_mode
def test_unpacking_is_the_inverse_of_packing(mode, directions, skip):
    weights = arrays(mode, 3, directions)
    if skip:
        weights = [(None if n < directions else W, U, b) for n, (W, U, b) in enumerate(weights)]
    buffer = cudnn.pack(weights)
    again = cudnn.unpack(buffer, GATES[mode], H, D, 3, directions, skip)
    for before, after in zip(weights, again, strict=True):
        for a, b in zip(before, after, strict=True):
            assert a is b is None or np.array_equal(a, b)
    # all weights and, but for the GRU, a second bias
    numbers = sum(np.size(a) for w in weights for a in w if a is not None)
    numbers += 0 if mode == "gru" else len(weights) * GATES[mode] * H
    assert buffer.shape == (numbers,) == (cudnn.buffer_size(GATES[mode], H, D, 3, directions, skip),)


def test_both_biases_of_a_buffer_count():
    (_, _, bias), = cudnn.unpack(np.arange(6.), gates=1, units=1, features=3)
    assert bias == 4 + 5


def test_a_layer_without_a_bias_has_zeros_in_the_buffer():
    (W, U, _), = arrays("gru")
    np.testing.assert_array_equal(cudnn.pack([(W, U, None)])[-6 * H:], np.zeros(6 * H))


def test_a_buffer_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"buffer: expected \[6\] .*received \[7\]"):
        cudnn.unpack(np.zeros(7), gates=1, units=1, features=3)


@each_direction
@each_mode
def test_weights_of_pytorch_in_the_order_of_its_flat_buffer_give_its_outputs(mode, directions):
    torch = pytest.importorskip("torch")
    make = {"rnn_tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM,
            "rnn_relu": lambda *a, **o: torch.nn.RNN(*a, nonlinearity="relu", **o)}[mode]
    theirs = make(D, H, num_layers=2, bidirectional=directions == 2, batch_first=True).double()
    names = [f"_l{level}{side}" for level in (0, 1) for side in ("", "_reverse")[:directions]]
    order = [f"{kind}_{of}{name}" for kind in ("weight", "bias") for name in names
             for of in ("ih", "hh")]
    flat = np.concatenate([getattr(theirs, key).detach().numpy().ravel() for key in order])
    ours = deep(mode, 2, directions)
    ours.build((None, None, D))
    ours.set_weights([a for w in cudnn.unpack(flat, GATES[mode], H, D, 2, directions) for a in w])
    x = case("gru").x
    y, last = theirs(torch.tensor(x))
    found, *states = ours(x)
    np.testing.assert_allclose(found, y.detach().numpy(), atol=1e-12)
    for state, wanted in zip(states, last if mode == "lstm" else (last,), strict=True):
        np.testing.assert_allclose(tf.transpose(state, [1, 0, 2]), wanted.detach().numpy(), atol=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("skip", (False, True))
@each_direction
@each_mode
def test_cudnn_counts_as_many_numbers_in_a_buffer(mode, directions, skip):
    found = tf.raw_ops.CudnnRNNParamsSize(
        num_layers=3, num_units=H, input_size=H, T=tf.float32, S=tf.int32, rnn_mode=mode,
        input_mode="skip_input" if skip else "linear_input",
        direction=("unidirectional", "bidirectional")[directions - 1])
    assert int(found[0]) == cudnn.buffer_size(GATES[mode], H, H, 3, directions, skip)


# ---------------------------------------------------------------- masks

@each_mask
def test_compressing_moves_unmasked_steps_to_the_left(name):
    masked = np.ones((B, T), bool) if name == "none" else mask(name)
    x = case("gru").x
    found, lengths = cudnn.compress(x, masked)
    wanted = np.zeros((B, T + 1, D))
    for row, (steps, shown) in enumerate(zip(x, masked)):
        wanted[row, :shown.sum()] = steps[shown]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(lengths, masked.sum(1))


@each_mask
def test_expanding_repeats_the_last_unmasked_step(name):
    masked = np.ones((B, T), bool) if name == "none" else mask(name)
    steps = np.random.default_rng(0).normal(size=(B, T + 1, H))
    found = cudnn.expand(steps, masked)
    for row, t in np.ndindex(B, T):
        so_far = masked[row, :t + 1].sum()
        np.testing.assert_array_equal(found[row, t], steps[row, so_far - 1] if so_far else np.zeros(H))


def test_what_masked_steps_hold_reaches_nothing(stand_in):
    layer, masked, x = deep("lstm", 1, 2), EVERY, case("lstm", batch=ROWS, time=STEPS).x
    clean, *_ = passes(layer, np.where(masked[..., None], x, 0), masked)
    dirty, *_ = passes(layer, np.where(masked[..., None], x, np.nan), masked)
    assert_agree(dirty, clean)


# ---------------------------------------------------------------- the engine of the plain layers

@pytest.mark.parametrize("backwards", (False, True))
@each_padding
@each_mode
def test_the_engine_agrees_with_the_oracle(mode, masked, backwards, machine):
    layer = plain(mode, engine="cudnn", return_state=True, go_backwards=backwards)
    given, options = case(ORACLE[mode], batch=ROWS, time=STEPS), ACTIVATION.get(mode, {})
    wanted = expected(ORACLE[mode], given, mask=masked, go_backwards=backwards, **options)
    assert_agree(computed(layer, given, mask=masked), wanted)


def test_padding_and_none_can_take_turns(machine):
    """Also at equal lengths of arrays: TensorFlow remembers the first of equal calls."""
    layer, given = plain("gru", engine="cudnn"), case("gru", batch=ROWS, time=STEPS)
    layer.build((None, None, D))
    layer.set_weights(given.weights)
    longer = np.concatenate([given.x, given.x[:, :1]], 1)
    for x, masked in ((given.x, np.ones_like(EVERY)), (longer, None), (given.x, EVERY), (given.x, None)):
        wanted = reference.run("gru", given.weights, x, mask=masked).outputs
        np.testing.assert_allclose(layer(x, mask=masked), wanted, atol=1e-12)


@each_mode
def test_dropped_recurrent_weights_agree_with_the_loop(mode, machine):
    layer, given = plain(mode), case(ORACLE[mode])
    layer.build((None, None, D))
    layer.set_weights(given.weights)
    kept = np.random.default_rng(0).random(given.weights[1].shape) < 0.5
    timing = recurrence.Timing(weight_drop=tf.constant(kept / 0.5))
    found, wanted = (through(engine, layer.cell, given, timing) for engine in (cudnn, recurrence))
    assert_agree(found, wanted)
    undropped = through(cudnn, layer.cell, given, recurrence.Timing())
    assert np.abs(undropped["0"] - found["0"]).max() > 0.01


def through(engine, cell, given, timing):
    """Outputs, states and gradients of one engine's `run`."""
    with tf.GradientTape() as tape:
        sequence, last = engine.run(cell, tf.constant(given.x), [tf.constant(s) for s in given.states],
                                    timing, True)
        loss = tf.reduce_sum(sequence * given.dy)
    values = [sequence, *last, *tape.gradient(loss, [weight.value for weight in cell.weights])]
    return {str(n): value.numpy() for n, value in enumerate(values)}


def test_a_layer_without_biases_agrees_with_the_oracle(machine):
    given = case("gru", use_bias=False)
    layer = plain("gru", engine="cudnn", use_bias=False, return_state=True)
    assert_agree(computed(layer, given), expected("gru", given))


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")
@each_mode
def test_float32_agrees_without_the_rounding_of_tensor_cores(mode):
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        given, masked = case(ORACLE[mode]).to("float32"), mask("with holes")
        found = computed(plain(mode, engine="cudnn", return_state=True, dtype="float32"), given,
                         mask=masked, graph=True)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    wanted = expected(ORACLE[mode], given, mask=masked, **ACTIVATION.get(mode, {}))
    assert_agree(found, wanted, AGREEMENT)


UNMET = {
    "bfloat16": ("gru", {"dtype": "mixed_bfloat16"}, "float16, float32 or float64, not bfloat16"),
    "activation": ("lstm", {"activation": "relu"}, "activation tanh, not relu"),
    "gate": ("lstm", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation sigmoid"),
    "reset": ("gru", {"reset_after": False}, "reset_after=True, not False"),
    "zoneout": ("gru", {"zoneout": 0.1}, "zoneout=0, not 0.1"),
    "recurrent dropout": ("gru", {"recurrent_dropout": 0.1}, "recurrent_dropout=0, not 0.1"),
    "truncation": ("lstm", {"truncate": 3}, "truncate=None, not 3"),
    "unrolling": ("lstm", {"unroll": True}, "unroll=False, not True"),
    "forbidden": ("lstm", {"use_cudnn": False}, "use_cudnn=True or 'auto', not False"),
}


@pytest.mark.parametrize("why", UNMET)
def test_what_cudnn_cannot_do_is_named_and_left_to_other_engines(why, stand_in):
    mode, options, words = UNMET[why]
    with pytest.raises(ValueError, match=f"engine='cudnn' cannot run .*it needs {words}"):
        plain(mode, engine="cudnn", **options)
    assert plain(mode, **options).engine_in_use != "cudnn"
    assert plain(mode, weight_drop=0.1, dropout=0.1, go_backwards=True).engine_in_use == "cudnn"


def test_a_cell_with_equations_of_its_own_is_not_for_cudnn(stand_in):
    class Other(zoo.LSTMCell):
        pass

    class Changed(zoo.LSTM):
        cell_class = Other

    with pytest.raises(ValueError, match="not a Other"):
        Changed(H, engine="cudnn")


@pytest.mark.skipif(bool(GPU), reason="needs a machine without a GPU")
def test_without_a_gpu_auto_takes_another_engine_and_a_name_is_an_error():
    for layer in (zoo.LSTM(H), zoo.GRU(H, use_cudnn=False), zoo.CudnnLSTM(2, H)):
        assert layer.engine_in_use != "cudnn"
    with pytest.raises(ValueError, match="engine='cudnn' cannot run .*NVIDIA GPU|CUDA"):
        zoo.LSTM(H, engine="cudnn")
    with pytest.raises(ValueError, match="engine='cudnn' cannot run .*NVIDIA GPU|CUDA"):
        zoo.CudnnLSTM(2, H, engine="cudnn")


@pytest.mark.skipif(bool(GPU), reason="needs a machine without a GPU")
def test_use_cudnn_true_is_refused_when_called_as_in_keras():
    layer = zoo.Bidirectional(zoo.LSTM(H, use_cudnn=True))
    with pytest.raises(ValueError, match="use_cudnn=True cannot run .*NVIDIA GPU|CUDA"):
        layer(np.zeros((B, T, D), "float32"))


def test_use_cudnn_true_takes_cudnn_or_raises(stand_in):
    assert plain("gru", use_cudnn=True).engine_in_use == "cudnn"
    assert plain("gru", use_cudnn=True).get_config()["use_cudnn"] is True
    with pytest.raises(ValueError, match="use_cudnn=True cannot run .*zoneout"):
        plain("gru", use_cudnn=True, zoneout=0.1)(case("gru").x)


# ---------------------------------------------------------------- graphs

def operations(function, *specs):
    """The cuDNN operations that a function traces, its gradient's too."""
    graph = tf.function(function).get_concrete_function(*specs).graph
    inner = [node for f in graph.as_graph_def().library.function for node in f.node_def]
    assert not any("Cudnn" in node.op for node in inner)
    return [op for op in graph.get_operations() if "Cudnn" in op.type]


@each_mode
def test_a_stack_is_one_operation_and_one_more_for_its_gradient(mode, traceable):
    layer = deep(mode, 2, 2, dropout=0.25, seed=5)
    x = tf.TensorSpec((None, None, D), tf.float64)
    layer.build(x.shape)
    weights = [w.value for w in layer.trainable_weights]

    def gradients(x, mask=None):
        with tf.GradientTape() as tape:
            y, *states = layer(x, mask=mask, training=True)
            assert y.shape == (None, None, 2 * H) and states[0].shape == (None, 4, H)
            loss = tf.add_n([tf.reduce_sum(a) for a in (y, *states)])
        found = tape.gradient(loss, weights)
        assert [g.shape for g in found] == [w.shape for w in weights]
        return found

    for specs in ([x], [x, tf.TensorSpec((None, None), tf.bool)]):
        forward, backward = operations(gradients, *specs)
        assert forward.type == "CudnnRNNV3" and backward.type == "CudnnRNNBackpropV3"
        settings = {name: forward.get_attr(name) for name in (
            "rnn_mode", "input_mode", "direction", "dropout", "seed", "is_training", "time_major")}
        assert settings == {"rnn_mode": mode.encode(), "input_mode": b"linear_input", "seed": 5,
                            "direction": b"bidirectional", "dropout": 0.25, "is_training": True,
                            "time_major": True}
        x_in, h, c, params, lengths = forward.inputs
        assert x_in.shape == (None, None, D) and h.shape == (4, None, H)
        assert c.shape == ((4, None, H) if mode == "lstm" else ())
        assert params.shape == (cudnn.buffer_size(GATES[mode], H, D, 2, 2),)
        assert lengths.dtype == tf.int32
    forward, = operations(lambda x: layer(x)[0], x)
    assert forward.get_attr("dropout") == 0, "only training drops"


def test_the_input_mode_and_direction_reach_the_operation(traceable):
    layer = zoo.CudnnGRU(1, H, input_mode="skip")
    forward, = operations(layer, tf.TensorSpec((B, T, H), tf.float32))
    assert forward.get_attr("input_mode") == b"skip_input"
    assert forward.get_attr("direction") == b"unidirectional"


def test_exported_graphs_hold_no_cudnn(tmp_path, traceable):
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, zoo.LSTM(H)(zoo.CudnnGRU(2, H, return_sequences=True)(inputs)))
    spec = tf.TensorSpec((None, None, D), tf.float32)
    assert len(operations(model, spec)) == 2
    with engines.exporting():
        assert not operations(model, spec)
    model.export(tmp_path / "exported", verbose=False)
    tf.saved_model.save(model, tmp_path / "saved")
    for folder in ("exported", "saved"):
        assert not [node.op for node in graph_nodes(tmp_path / folder) if "Cudnn" in node.op]


def test_xla_compiles_the_layers_without_cudnn(traceable):
    layer, x = zoo.CudnnLSTM(2, H), case("lstm").x.astype("float32")
    layer.build(x.shape)
    assert not layer.supports_jit and layer.engine_in_use == "cudnn"
    with engines.exporting():
        wanted = layer(x)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(x), wanted, atol=1e-6)


# ---------------------------------------------------------------- the layers

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


def by_the_oracle(mode, weights, x, masked, states, directions):
    """Layer by layer, direction by direction, in NumPy."""
    last, options = [], {"mask": masked, "zero_output_for_mask": directions == 2}
    options.update(ACTIVATION.get(mode, {}))
    for n, arrays in enumerate(weights):
        if n % directions == 0:
            below, outputs = x, []
        found = reference.run(ORACLE[mode], arrays, below, states=[s[:, n] for s in states],
                              go_backwards=n % directions == 1, **options)
        outputs.append(found.outputs[:, ::-1] if n % directions else found.outputs)
        x = np.concatenate(outputs, -1)
        last.append(found.states)
    return [x, *(np.stack(state, 1) for state in zip(*last))]


@each_padding
@each_direction
@each_mode
def test_one_operation_agrees_with_the_layers_one_by_one_and_with_the_oracle(
        mode, directions, masked, machine):
    layer, twin = (deep(mode, 2, directions, engine=engine) for engine in ("cudnn", "loop"))
    weights, normal = arrays(mode, 2, directions), np.random.default_rng(9).normal
    for one in (layer, twin):
        one.build((None, None, D))
        one.set_weights([a for w in weights for a in w])
    x = case("gru", batch=ROWS, time=STEPS).x
    states = [tf.constant(normal(size=(ROWS, 2 * directions, H))) for _ in range(layer.state_count)]
    found, _ = passes(layer, x, masked, states)
    wanted, values = passes(twin, x, masked, states)
    assert_agree(found, wanted)
    oracle = by_the_oracle(mode, weights, x, masked, states, directions)
    for a, b in zip(values, oracle, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=EXACT * np.abs(b).max())


@each_direction
@each_mode
def test_weights_carry_over_to_keras_and_back(mode, directions):
    x, masked = case("gru", batch=ROWS, time=STEPS).x, tf.constant(EVERY)
    for sequences in (True, False):
        layer = deep(mode, 2, directions, return_sequences=sequences, return_state=False)
        layer.build(x.shape)
        layer.set_weights([a for w in arrays(mode, 2, directions) for a in w])
        below, above = (twin(mode, keras.layers, directions, s) for s in (True, sequences))
        below.build(x.shape), above.build((None, None, directions * H))
        half = 3 * directions
        below.set_weights(layer.get_plain_weights()[:half])
        above.set_weights(layer.get_plain_weights()[half:])
        np.testing.assert_allclose(
            above(below(x, mask=masked), mask=masked), layer(x, mask=masked), atol=1e-12)
    again = deep(mode, 2, directions)
    again.build(x.shape)
    again.set_plain_weights([*below.get_weights(), *above.get_weights()])
    assert_weights_agree(again.get_weights(), layer.get_weights())


def twin(mode, library, directions, sequences):
    layer = plain(mode, library, return_sequences=sequences)
    return library.Bidirectional(layer, dtype="float64") if directions == 2 else layer


@each_direction
@each_mode
def test_weights_carry_over_to_a_stack_and_back(mode, directions):
    stack = zoo.Stack([twin(mode, zoo, directions, s) for s in (True, False)], dtype="float64")
    layer, again = (deep(mode, 2, directions, return_sequences=False, return_state=False)
                    for _ in range(2))
    x, masked = case("gru", batch=ROWS, time=STEPS).x, tf.constant(EVERY)
    for one in (layer, again, stack):
        one.build(x.shape)
    stack.set_weights(layer.get_plain_weights())
    np.testing.assert_allclose(stack(x, mask=masked), layer(x, mask=masked), atol=1e-12)
    again.set_plain_weights(stack.get_weights())
    assert_weights_agree(again.get_weights(), layer.get_weights())


@each_direction
@each_mode
def test_skipping_is_a_first_kernel_of_identities(mode, directions, machine):
    x, masked = np.random.default_rng(0).normal(size=(ROWS, STEPS, H)), EVERY
    for engine in ("cudnn", "loop"):
        skip = deep(mode, 2, directions, input_mode="skip", engine=engine)
        linear = deep(mode, 2, directions, engine="loop")
        skip.build(x.shape), linear.build(x.shape)
        assert len(skip.weights) == len(linear.weights) - directions
        linear.set_weights(skip.get_plain_weights())
        np.testing.assert_array_equal(linear.get_weights()[0], np.tile(np.eye(H), GATES[mode]))
        for found, wanted in zip(skip(x, mask=masked), linear(x, mask=masked), strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-12)
        again = deep(mode, 2, directions, input_mode="skip", engine=engine)
        again.build(x.shape)
        again.set_plain_weights(skip.get_plain_weights())
        assert_weights_agree(again.get_weights(), skip.get_weights())


def test_auto_skips_wherever_it_can():
    wide, narrow = (zoo.CudnnGRU(1, H, input_mode="auto") for _ in range(2))
    wide.build((None, None, H)), narrow.build((None, None, D))
    assert len(wide.weights) == 2 and len(narrow.weights) == 3


def test_dropout_acts_between_layers_and_only_in_training():
    share, units = 0.4, 50
    x = np.ones((8, 1, units), "float32")

    def trained(depth):
        layer = zoo.CudnnRNNRelu(depth, units, input_mode="skip", dropout=share, seed=1)
        layer.build(x.shape)
        layer.set_plain_weights([np.eye(units), np.zeros((units, units)), np.zeros(units)] * depth)
        np.testing.assert_array_equal(layer(x), x[:, 0])
        return layer(x, training=True).numpy()

    np.testing.assert_array_equal(trained(1), x[:, 0])
    drawn = trained(2)
    np.testing.assert_allclose(np.unique(drawn), [0, 1 / (1 - share)], rtol=1e-6)
    assert abs((drawn == 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / drawn.size)


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="needs an NVIDIA GPU")
def test_a_gpu_drops_between_layers_and_only_in_training():
    x = case("gru").x
    for depth, drops in ((1, False), (2, True)):
        layer = deep("gru", depth, dropout=0.5, seed=1, engine="cudnn", return_state=False)
        still = layer(x)
        np.testing.assert_array_equal(layer(x), still)
        assert (np.abs(layer(x, training=True) - still).max() > 1e-3) is drops


@pytest.mark.parametrize("sequences", (False, True))
@pytest.mark.parametrize("returns", (False, True))
@each_direction
def test_shapes_are_known_before_running(directions, returns, sequences):
    layer = deep("lstm", 3, directions, return_sequences=sequences, return_state=returns)
    masked = tf.constant(mask("with holes"))
    found = [tuple(a.shape) for a in as_list(layer(case("lstm").x, mask=masked))]
    told = layer.compute_output_shape((B, T, D))
    symbolic = layer(keras.Input((T, D), batch_size=B, dtype="float64"))
    assert found == (list(told) if returns else [told]) == [tuple(s.shape) for s in as_list(symbolic)]
    masks = layer.compute_mask(None, masked)
    shown = masked if sequences else None
    assert masks[0] is shown and masks[1:] == [None, None] if returns else masks is shown


def as_list(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


@each_direction
def test_the_states_of_a_call_go_on_in_the_next(directions):
    """Forward in time, that is: with one direction a sequence can be read in two parts."""
    layer, x = deep("lstm", 3, directions), case("lstm").x
    whole, *last = layer(x)
    start, *states = layer(x[:, :4])
    rest, *finally_ = layer(x[:, 4:], initial_state=states)
    agree = np.allclose(tf.concat([start, rest], 1), whole, atol=1e-12)
    assert agree == np.allclose(finally_, last, atol=1e-12) == (directions == 1)


def test_one_layer_hands_its_states_to_another_in_a_functional_model():
    inputs = keras.Input((None, D), dtype="float64")
    encoder, decoder = deep("lstm", 2), deep("lstm", 2, return_state=False)
    _, *states = encoder(inputs)
    model, x = keras.Model(inputs, decoder(inputs, initial_state=states)), case("lstm").x
    _, *states = encoder(x)
    np.testing.assert_allclose(model(x), decoder(x, initial_state=states), atol=1e-12)
    assert np.abs(model(x) - decoder(x)).max() > 1e-3


@each_mode
def test_every_layer_starts_from_weights_of_its_own(mode):
    layer = LAYERS[mode](2, H, direction="bidirectional")
    layer.build((None, None, H))
    kernels, recurrent, biases = (layer.get_weights()[n::3] for n in range(3))
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1 < np.abs(kernels[2] - kernels[3]).max()
    for U, bias in zip(recurrent, biases):
        np.testing.assert_allclose(U @ U.T, np.eye(H), atol=1e-5)
        np.testing.assert_array_equal(
            bias, np.repeat([0., 1., 0., 0.], H) if mode == "lstm" else np.zeros_like(bias))


@each_mode
def test_the_configuration_survives(mode):
    layer = LAYERS[mode](2, H, "auto", "bidirectional", 0.1, 3, "he_normal", "glorot_uniform", "ones",
                         return_sequences=True, return_state=True, engine="loop", dtype="float64")
    config = layer.get_config()
    assert LAYERS[mode].from_config(config).get_config() == config
    assert config["kernel_initializer"]["class_name"] == "HeNormal" and config["seed"] == 3


@pytest.mark.parametrize("input_mode", ("linear", "skip"))
@each_mode
def test_a_model_survives_its_keras_file(mode, input_mode, tmp_path):
    before = keras.Sequential([keras.Input((None, H)), LAYERS[mode](
        2, H, input_mode, "bidirectional", return_sequences=True), LAYERS[mode](1, H)])
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), before.get_weights())
    x = np.random.default_rng(0).normal(size=(B, T, H)).astype("float32")
    np.testing.assert_array_equal(after(x), before(x))


def test_a_model_trained_with_cudnn_answers_the_same_without(stand_in, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([zoo.CudnnLSTM(2, H), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    x = case("lstm", batch=32, time=3).x.astype("float32")
    losses = model.fit(x, np.tanh(x[:, -1, :1]), batch_size=32, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0] and len(stand_in.calls) == 8
    y = model(x)
    model.save(tmp_path / "model.keras")
    monkeypatch.undo()
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].engine_in_use == engines.choose(zoo.LSTM(H))
    np.testing.assert_allclose(again(x), y, atol=1e-5)


def test_a_mask_from_an_embedding_goes_through():
    network = keras.Sequential([
        keras.layers.Embedding(11, D, mask_zero=True),
        zoo.CudnnGRU(2, H, direction="bidirectional", return_sequences=True), zoo.GRU(H)])
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    np.testing.assert_allclose(network(ids), network(np.pad(ids, ((0, 0), (0, 3)))), atol=1e-6)


def test_ragged_input_equals_padded_input_with_a_mask():
    lengths = [7, 3, 0, 5]
    x, masked = case("gru").x, np.arange(T) < np.array(lengths)[:, None]
    layer = deep("gru", 2, return_state=False)
    ragged = tf.RaggedTensor.from_tensor(x, lengths=lengths)
    np.testing.assert_allclose(layer(ragged), layer(x, mask=masked), atol=1e-12)


def test_mixed_precision_gives_half_precision():
    layer = zoo.CudnnLSTM(2, H, dtype="mixed_float16")
    assert layer(np.zeros((B, T, D), "float32")).dtype == tf.float16
    assert {w.dtype for w in layer.weights} == {"float32"}


BAD = {
    "no layers": ({"num_layers": 0}, "num_layers: expected a positive integer, received 0"),
    "half a unit": ({"units": 0.5}, "units: expected a positive integer, received 0.5"),
    "input": ({"input_mode": "direct"}, "input_mode: expected one of .*received 'direct'"),
    "direction": ({"direction": "both"}, "direction: expected one of .*received 'both'"),
    "dropout": ({"dropout": 1}, "dropout: expected a rate"),
    "engine": ({"engine": "steam"}, "engine: expected one of .*received 'steam'"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_arguments_are_named(bad):
    options, words = BAD[bad]
    with pytest.raises(ValueError, match=words):
        zoo.CudnnGRU(**{"num_layers": 2, "units": H, **options})


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=f"input_mode='skip': expected .*units, {H}, received {D}"):
        zoo.CudnnGRU(1, H, "skip")(case("gru").x)
    layer = deep("lstm", 2)
    layer.build((None, None, D))
    with pytest.raises(ValueError, match=r"initial_state: expected 2 of shape \[4, 2, 5\], received"):
        layer(case("lstm").x, initial_state=np.zeros((2, B, H)))
    with pytest.raises(ValueError, match="weights: expected 6 arrays, .*received 2"):
        layer.set_plain_weights([1, 2])
    skip = deep("rnn_tanh", input_mode="skip")
    skip.build((None, None, H))
    with pytest.raises(ValueError, match=r"kernel \[I … I\]"):
        skip.set_plain_weights([2 * np.eye(H), np.eye(H), np.zeros(H)])
