"""The output-recurrent network against its equations in NumPy: teacher-forced, free and in between."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from conftest import diagonal, slow_but
from export import tflite
from layer_checks import (AGREEMENT, EXACT, MASKS, assert_agree, assert_weights_agree,
                          finite_difference, mask)
from zoo import OutputRecurrentRNN
from zoo.engines.native import ops as native
from zoo.layers import output_recurrent

B, T, D, H, C = 3, 6, 3, 5, 4
SEED = 11
MODES = ("teacher", "free", "sampled")
RNG = np.random.default_rng(8)
X, DZ = RNG.normal(size=(B, T, D)), RNG.normal(size=(B, T, C))
IDS = RNG.integers(0, C, (B, T))
TARGETS = RNG.dirichlet(np.ones(C), (B, T))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def one_hot(z):
    return np.eye(z.shape[-1])[z.argmax(-1)]


OUTPUTS = {"softmax": softmax, "argmax": one_hot,
           **{name: functions[0] for name, functions in reference.ACTIVATIONS.items()}}


def oracle(weights, x, targets=None, mask=None, own=None, output="softmax", activation="tanh"):
    """Logits [B, T, C], one sequence and one step at a time.

    weights  kernel, (recurrent_kernel,) bias, V, c
    own      [B, T] bool: where a step reads its own last output; None: everywhere without targets
    """
    kernel, *U, b, V, c = weights
    W, R = kernel[:x.shape[-1]], kernel[x.shape[-1]:]
    logits = np.zeros((*x.shape[:2], len(c)))
    for n, t_steps in enumerate(x):
        h, answered, right = np.zeros(len(b)), np.zeros(len(c)), np.zeros(len(c))
        for t, x_t in enumerate(t_steps):
            if mask is not None and not mask[n, t]:
                continue
            y = answered if targets is None or own is not None and own[n, t] else right
            h = OUTPUTS[activation](x_t @ W + y @ R + b + (h @ U[0] if U else 0))
            logits[n, t] = h @ V + c
            answered = OUTPUTS[output](logits[n, t])
            right = None if targets is None else targets[n, t]
    return logits


def network(dtype="float64", **options):
    """A layer with random distinct weights, those that start at zero too, and the weights in float64."""
    layer = OutputRecurrentRNN(H, C, **{"seed": SEED, "dtype": dtype, **options})
    layer.build((None, None, D))
    random = np.random.default_rng(5)
    layer.set_weights([random.normal(scale=0.6, size=w.shape) for w in layer.weights])
    return layer, [w.numpy().astype("float64") for w in layer.weights]


def coins(probability, jit_compile=False):
    """The draws of a new layer's first call. XLA has another generator of random numbers."""
    seed = keras.random.SeedGenerator(SEED)
    draw = tf.function(lambda: keras.random.uniform((B, T, 1), dtype="float32", seed=seed),
                       jit_compile=jit_compile)
    return draw().numpy()[..., 0] < probability


def given(mode, jit_compile=False):
    """Arguments of the layer, and of the oracle, for a mode."""
    if mode == "free":
        return {}, {}
    if mode == "teacher":
        return {"targets": TARGETS}, {"targets": TARGETS}
    return ({"targets": TARGETS, "training": True, "sampling": 0.5},
            {"targets": TARGETS, "own": coins(0.5, jit_compile)})


def feedback_of(output):
    return {"feedback": "argmax"} if output == "argmax" else {"output_activation": output}


# Outputs and gradients, against the oracle.

@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("mode, output", diagonal(MODES, ["softmax", "argmax", "sigmoid"]))
def test_logits_are_those_of_the_equations(mode, hidden, output):
    for name in MASKS:
        layer, weights = network(hidden=hidden, **feedback_of(output))
        ours, theirs = given(mode)
        m = mask(name, B, T)
        wanted = oracle(weights, X, mask=m, output=output, **theirs)
        assert_agree({name: layer(X, mask=m, **ours).numpy()}, {name: wanted}, EXACT)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("mode, functions", diagonal(MODES, [
    ("softmax", "tanh", "with holes"), ("argmax", "tanh", "none"), ("sigmoid", "relu", "left-padded"),
    ("linear", "sigmoid", "right-padded"), ("hard_sigmoid", "hard_sigmoid", "with holes")]))
def test_gradients_match_finite_differences(mode, functions, hidden):
    output, activation, name = functions
    layer, weights = network(hidden=hidden, activation=activation, **feedback_of(output))
    ours, theirs = given(mode)
    m, options = mask(name, B, T), {"output": output, "activation": activation, **theirs}
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, mask=m, **ours) * DZ)
    dx, *dweights = tape.gradient(loss, [x, *[w.value for w in layer.trainable_weights]])

    def loss_with(n, value):
        changed = [value if i == n else w for i, w in enumerate(weights)]
        return (oracle(changed, X, mask=m, **options) * DZ).sum()
    wanted = {n: finite_difference(lambda w: loss_with(n, w), w) for n, w in enumerate(weights)}
    wanted["x"] = finite_difference(lambda x: (oracle(weights, x, mask=m, **options) * DZ).sum(), X)
    assert_agree({"x": dx.numpy(), **{n: d.numpy() for n, d in enumerate(dweights)}}, wanted, 1e-7)


@pytest.mark.parametrize("jit_compile", slow_but([False], [False, True]))
@pytest.mark.parametrize("mode", MODES)
def test_a_graph_takes_any_batch_and_length(mode, jit_compile):
    layer, weights = network("float32", hidden=True, engine="loop")
    ours, theirs = given(mode, jit_compile)
    m, targets = mask("with holes", B, T), [ours.pop("targets")] if "targets" in ours else []
    signature = [tf.TensorSpec([None, None], tf.bool)] + [
        tf.TensorSpec([None, None, size]) for size in (D, C)[:1 + len(targets)]]
    graph = tf.function(lambda m, *arrays: layer(*arrays, mask=m, **ours), signature,
                        jit_compile=jit_compile)
    found = graph(m, *[tf.constant(array, "float32") for array in [X, *targets]]).numpy()
    assert_agree({"z": found}, {"z": oracle(weights, X, mask=m, **theirs)}, AGREEMENT)
    one = graph(tf.ones([1, 2], tf.bool), *[tf.ones([1, 2, spec.shape[-1]]) for spec in signature[1:]])
    assert one.shape == (1, 2, C)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(0, T), (B, 0)])
def test_an_empty_batch_or_sequence_gives_as_many_logits(mode, shape):
    ours, _ = given(mode)
    if "targets" in ours:
        ours["targets"] = np.zeros((*shape, C))
    for m in (None, np.zeros(shape, bool)):
        for hidden in (False, True):
            assert network(hidden=hidden)[0](np.zeros((*shape, D)), mask=m, **ours).shape == (*shape, C)


# The modes, against each other.

@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_parallel_equals_sequential_when_the_targets_are_what_was_fed_back(hidden, name):
    m = mask(name, B, T)
    layer, _ = network(hidden=hidden, feedback="argmax")
    free = layer(X, mask=m).numpy()
    assert len(np.unique(free.argmax(-1))) > 1
    assert_agree({"z": layer(X, free.argmax(-1), mask=m).numpy()}, {"z": free}, EXACT)
    layer, _ = network(hidden=hidden)
    free = layer(X, mask=m).numpy()
    assert_agree({"z": layer(X, softmax(free), mask=m).numpy()}, {"z": free}, EXACT)


def test_ids_are_read_as_one_hot_targets_and_strange_ones_as_zeros():
    layer, weights = network()
    assert_agree({"z": layer(X, IDS).numpy()}, {"z": oracle(weights, X, np.eye(C)[IDS])}, EXACT)
    absent = np.where(IDS == 1, -1, IDS)
    targets = np.eye(C)[IDS] * (IDS != 1)[..., None]
    assert_agree({"z": layer(X, absent).numpy()}, {"z": oracle(weights, X, targets)}, EXACT)


@pytest.mark.parametrize("hidden", [False, True])
def test_sampling_goes_from_teacher_forcing_to_free_running(hidden):
    layer, _ = network(hidden=hidden)
    teacher, free = layer(X, TARGETS).numpy(), layer(X).numpy()
    for sampling, wanted in [(0.0, teacher), (tf.constant(0.0), teacher), (1.0, free),
                             (tf.Variable(1.0), free)]:
        found = layer(X, TARGETS, training=True, sampling=sampling).numpy()
        assert_agree({"z": found}, {"z": wanted}, EXACT)
    assert_agree({"z": layer(X, TARGETS, sampling=1.0).numpy()}, {"z": teacher}, EXACT)


def test_draws_are_as_many_as_asked_for_and_follow_the_seed():
    first, again, other = (network(seed=seed)[0] for seed in (3, 3, 4))
    drawn = [layer._drawn((50, 200), 0.3).numpy() for layer in (first, again, other, first)]
    assert drawn[0].shape == (50, 200, 1) and set(np.unique(drawn[0])) == {0, 1}
    np.testing.assert_allclose(drawn[0].mean(), 0.3, atol=0.02)  # 4 standard deviations
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any() and (drawn[0] != drawn[3]).any()


def test_stream_equals_the_sequence():
    for options in ({}, {"hidden": True, "feedback": "argmax"}):
        layer, _ = network(**options)
        states, steps = layer.get_initial_state(B), []
        for t in range(T):
            z, states = layer.step(X[:, t], states)
            steps.append(z)
        assert_agree({"z": np.stack(steps, 1)}, {"z": layer(X).numpy()}, EXACT)


def test_stream_reads_a_corrected_answer():
    layer, weights = network()
    targets, states = np.eye(C)[IDS], layer.get_initial_state(B)
    for t in range(T):
        z, (h, _) = layer.step(X[:, t], states)
        states = h, tf.constant(targets[:, t])
    assert_agree({"z": z.numpy()}, {"z": oracle(weights, X, targets)[:, -1]}, EXACT)


# What flows through time.

def jacobian(layer, **arguments):
    """max |∂z_t/∂x_s| as [T, T]: rows t, columns s."""
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = layer(x, **arguments)
    return np.abs(tape.jacobian(z, x).numpy()).max((0, 2, 3, 5))


def test_teacher_forcing_without_hidden_recurrence_lets_nothing_flow_through_time():
    flows = jacobian(network()[0], targets=TARGETS)
    assert (np.diag(flows) > 0.01).all()
    assert not (flows - np.diag(np.diag(flows))).any()


@pytest.mark.parametrize("options, arguments", [
    ({}, {}), ({"hidden": True}, {"targets": TARGETS}), ({"hidden": True, "feedback": "argmax"}, {})])
def test_other_recurrences_let_errors_flow_to_every_earlier_step_and_no_later_one(options, arguments):
    flows = jacobian(network(**options)[0], **arguments)
    assert (flows[np.tril_indices(T)] > 0).all()
    assert not flows[np.triu_indices(T, 1)].any()


def test_no_error_flows_through_argmax_alone():
    flows = jacobian(network(feedback="argmax")[0])
    assert not (flows - np.diag(np.diag(flows))).any()


def test_teacher_forcing_without_hidden_recurrence_has_no_loop():
    def ops(hidden):
        layer, _ = network("float32", hidden=hidden, engine="loop")
        graph = tf.function(layer).get_concrete_function(
            tf.TensorSpec([None, None, D]), tf.TensorSpec([None, None, C])).graph
        return {op.type for op in graph.get_operations()} & {"While", "StatelessWhile"}
    assert not ops(False) and ops(True)


def test_engines_agree_on_the_teacher_forced_recurrence():
    if native.operations().missing:
        pytest.skip(f"no native engine: {native.operations().missing}")
    m = mask("with holes", B, T)
    found = {}
    for engine in ("loop", "native"):
        layer, weights = network("float32", hidden=True, engine=engine)
        assert layer.engine_in_use == engine
        x = tf.constant(X, "float32")
        with tf.GradientTape() as tape:
            z = layer(x, TARGETS, mask=m)
            loss = tf.reduce_sum(z * DZ.astype("float32"))
        gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
        found[engine] = {"z": z.numpy(), **{n: g.numpy() for n, g in enumerate(gradients)}}
    assert_agree(found["native"], found["loop"], AGREEMENT)
    assert_agree({"z": found["native"]["z"]}, {"z": oracle(weights, X, TARGETS, m)}, AGREEMENT)


# In Keras.

def tagger(**options):
    """Words and tags to logits, the padding masked."""
    words, tags = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(7, 6, mask_zero=True)(words)
    return keras.Model([words, tags], OutputRecurrentRNN(16, 3, **options)(x, tags))


def running_sum(count=512, length=12):
    """Words 1 … 3 and, as tags, their running sum modulo 3: only the last tag tells what came before."""
    words = np.random.default_rng(2).integers(1, 4, (count, length))
    return words, words.cumsum(1) % 3


@pytest.mark.slow
def test_what_learns_from_targets_runs_free():
    keras.utils.set_random_seed(1)
    words, tags = running_sum()
    model = tagger(feedback="argmax")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, jit_compile=False)
    losses = model.fit([words, tags], tags, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]
    embedding, layer = model.layers[1], model.layers[-1]
    assert (keras.ops.argmax(layer(embedding(words)), -1).numpy() == tags).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [False, True])
def test_it_learns_from_its_own_outputs_too(hidden):
    keras.utils.set_random_seed(1)
    layer = OutputRecurrentRNN(16, 3, hidden=hidden, seed=1)
    words, tags = running_sum(64, 6)
    x, sampling = tf.one_hot(words, 4), keras.Variable(0.5)
    layer(x, tags, training=True, sampling=sampling)
    optimizer = keras.optimizers.Adam(0.05)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            z = layer(x, tags, training=True, sampling=sampling)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(tags, z, from_logits=True))
        variables = layer.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss
    losses = [float(train()) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_the_embeddings_mask_reaches_the_layer_beside_targets():
    words, tags = running_sum(4, 5)
    words[1, 2] = words[2, 3:] = 0
    model = tagger(hidden=True)
    embedding, layer = model.layers[1], model.layers[-1]
    wanted = layer(embedding(words) * 1.0, tags, mask=words != 0)
    np.testing.assert_array_equal(layer(embedding(words), tags), wanted)
    np.testing.assert_allclose(model([words, tags]), wanted, rtol=0, atol=1e-6)
    assert not np.any(wanted[1, 2]) and np.any(wanted[1, 3])
    np.testing.assert_array_equal(layer(embedding(words), tags)._keras_mask, words != 0)


@pytest.mark.parametrize("options", [
    {}, {"hidden": True, "activation": "relu", "output_activation": "sigmoid", "engine": "loop",
         "seed": 3}, {"feedback": "argmax"}])
def test_a_model_survives_its_keras_file(tmp_path, options):
    words, tags = running_sum(4, 5)
    before = tagger(**options)
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert after.layers[-1].get_config() == before.layers[-1].get_config()
    assert options.items() <= after.layers[-1].get_config().items()
    assert_weights_agree(after.get_weights(), before.get_weights())
    np.testing.assert_array_equal(after([words, tags]), before([words, tags]))


def test_a_saved_layer_that_learnt_its_first_output_is_refused():
    config = tagger().layers[-1].get_config()
    assert OutputRecurrentRNN.from_config({**config, "learn_start": False}).get_config() == config
    with pytest.raises(ValueError, match="learn_start: expected False"):
        OutputRecurrentRNN.from_config({**config, "learn_start": True})


@pytest.mark.parametrize("hidden", [False, True])
def test_the_first_output_read_is_zero_and_is_no_weight(hidden):
    layer, weights = network(hidden=hidden)
    assert [w.shape for w in weights] == [(D + C, H), *[(H, H)] * hidden, (H,), (H, C), (C,)]
    np.testing.assert_array_equal(layer.get_initial_state(2)[1], np.zeros((2, C)))


def test_ragged_sequences_are_right_padded_and_masked():
    layer, weights = network("float32")
    m = mask("right-padded", B, T)
    x, ids = (tf.RaggedTensor.from_tensor(a, lengths=m.sum(1)) for a in (X.astype("float32"), IDS))
    assert_agree({"z": layer(x, ids).numpy()}, {"z": oracle(weights, X, np.eye(C)[IDS], m)}, AGREEMENT)
    assert_agree({"z": layer(x).numpy()}, {"z": oracle(weights, X, mask=m)}, AGREEMENT)


@pytest.mark.parametrize("dtype, tolerance", [("mixed_float16", 5e-3), ("mixed_bfloat16", 4e-2)])
@pytest.mark.parametrize("mode", MODES)
def test_mixed_precision_computes_in_sixteen_bits(mode, dtype, tolerance):
    for hidden in (False, True):
        layer, weights = network(dtype, hidden=hidden)
        ours, theirs = given(mode)
        with tf.GradientTape() as tape:
            z = layer(X, **ours)
            loss = tf.reduce_sum(tf.cast(z, tf.float32) * DZ.astype("float32"))
        assert z.dtype == layer.compute_dtype and layer.weights[0].dtype == "float32"
        assert all(g is not None for g in tape.gradient(loss, [w.value for w in layer.trainable_weights]))
        assert_agree({"z": z.numpy()}, {"z": oracle(weights, X, **theirs)}, tolerance)
    assert layer.step(X[:, 0], layer.get_initial_state(B))[0].dtype == layer.compute_dtype


# On a device.

class Tagger:
    """What `export.tflite` asks of a head."""

    def __init__(self, layer):
        self.layer, self.variables = layer, layer.variables

    def lite_signatures(self):
        layer = self.layer

        @tf.function(autograph=False, input_signature=[
            tf.TensorSpec([None, None, D], name="x"), tf.TensorSpec([None, None], tf.bool, "mask")])
        def free(x, mask):
            return {"logits": layer(x, mask=mask)}

        @tf.function(autograph=False, input_signature=[
            tf.TensorSpec([None, size], name=name) for name, size in zip("xhy", (D, H, C))])
        def step(x, h, y):
            z, (h, y) = layer.step(x, (h, y))
            return {"logits": z, "h": h, "y": y}
        return {"free": free, "step": step}


@pytest.mark.slow
@pytest.mark.parametrize("hidden, output", [(False, "softmax"), (True, "argmax")])
def test_free_running_converts_to_builtin_ops_for_any_batch_and_length(tmp_path, hidden, output):
    layer, weights = network("float32", hidden=hidden, **feedback_of(output))
    path = tmp_path / "float32.tflite"
    tflite._save(Tagger(layer), tmp_path / "model")
    path.write_bytes(tflite._flatbuffer(tmp_path / "model", "float32"))
    names = tflite.op_names(path)
    assert "WHILE" in names and not any(name.startswith(("custom", "FLEX")) for name in names)
    run = tflite.Lite(path)
    for shape in [(B, T), (1, 1), (2, 40)]:
        random = np.random.default_rng(sum(shape))
        x, m = random.normal(size=(*shape, D)).astype("float32"), random.random(shape) < 0.8
        wanted = oracle(weights, x.astype("float64"), mask=m, output=output)
        assert_agree({"z": run("free", x=x, mask=m)["logits"]}, {"z": wanted}, AGREEMENT)
    h, y = layer.get_initial_state(2)
    for t in range(3):
        found = run("step", x=x[:, t], h=h, y=y)
        h, y = found["h"], found["y"]
    wanted = oracle(weights, x[:, :3].astype("float64"), output=output)[:, -1]
    assert_agree({"z": found["logits"]}, {"z": wanted}, AGREEMENT)


# Errors.

@pytest.mark.parametrize("options, message", [
    ({"units": 0}, "units: expected a positive integer, received 0"),
    ({"outputs": 2.5}, "outputs: expected a positive integer, received 2.5"),
    ({"activation": "softmax"}, "activation: expected an elementwise activation, received 'softmax'"),
    ({"output_activation": "log_softmax"}, "output_activation: expected an elementwise activation"),
    ({"feedback": "sample"}, r"feedback: expected one of \['probabilities', 'argmax'\], received 'samp"),
    ({"feedback": "argmax", "output_activation": "sigmoid"}, "received 'argmax' with sigmoid"),
    ({"engine": "native"}, "no recurrence of hidden units, received 'native'; set hidden=True"),
    ({"engine": "fast"}, "engine: expected one of"),
    ({"hidden": True, "engine": "native", "dtype": "float64"}, "needs float32 or bfloat16, not float64")])
def test_an_option_out_of_its_range_is_one_clear_line(options, message):
    with pytest.raises(ValueError, match=message) as error:
        OutputRecurrentRNN(**{"units": H, "outputs": C, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments, message", [
    ({"sampling": 1.5}, r"sampling: expected a probability in \[0, 1\], received 1.5"),
    ({"targets": TARGETS[..., :2]}, r"or distributions \[B, T, 4\] beside .*, received \(3, 6, 2\)"),
    ({"targets": IDS[:, :-1]}, r"targets: expected ids \[B, T\] .*, received \(3, 5\)")])
def test_a_wrong_argument_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        network()[0](X, **arguments)
    assert "\n" not in str(error.value)


def test_states_of_a_stream_are_checked():
    layer, _ = network()
    with pytest.raises(ValueError, match=r"expected 2 tensors \[3, 5\], \[3, 4\], received \[3, 4\]"):
        layer.step(X[:, 0], layer.get_initial_state(B)[::-1])


def test_previous_target_skips_masked_steps():
    targets = np.arange(1.0, 1 + B * T).reshape(B, T, 1)
    for name in MASKS[1:]:
        m = mask(name, B, T)
        found = output_recurrent.previous(*map(tf.constant, (np.zeros((B, 1)), targets, m)))
        for row, (y, shown) in enumerate(zip(targets[..., 0], m)):
            last = [0, *[y[:t][shown[:t]][-1] if shown[:t].any() else 0 for t in range(1, T)]]
            np.testing.assert_array_equal(found[row, :, 0], last, err_msg=name)
