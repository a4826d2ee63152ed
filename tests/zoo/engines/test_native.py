"""The compiled engine against the oracle and the loop, how it is built, and how it behaves."""
import concurrent.futures
import functools
import os
import pathlib
import platform
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from layer_checks import (AGREEMENT, CELLS, MASKS, D, assert_agree, case, computed, expected,
                          keras_twin, make, mask, ready)

import zoo
from conftest import diagonal, slow_but
from zoo import engines
from zoo.engines import loop
from zoo.engines.native import build, ops, selftest

each_cell = pytest.mark.parametrize("cell", CELLS)
each_mode = pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))

# No axis a multiple of a vector, one that is, fewer rows than a block, several blocks, single steps.
SHAPES = [(1, 1, 1, 1), (1, 5, 3, 16), (2, 3, 1, 7), (7, 4, 5, 33), (13, 2, 2, 64), (5, 1, 4, 70),
          (20, 3, 6, 100)]
MANY = 136  # units: 17 vectors of 8, of 16 no whole number
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture(autouse=True, scope="module")
def engine():
    """The engine by its name, where a compiler is at hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "ENGINES", {**engines.ENGINES, "native": ops})
        try:
            build.find_compiler()
        except build.BuildError as error:
            pytest.skip(str(error))
        if ops.unmet_here():
            pytest.skip(f"the native engine needs {ops.unmet_here()}")
        assert ops.operations().missing is None
        yield


@pytest.fixture
def several_threads(monkeypatch):
    """Small batches go to several threads too."""
    monkeypatch.setattr(ops, "threads", lambda: 3)


def compiled(cell, **options):
    return make(cell, engine="native", dtype="float32", **options)


@functools.lru_cache(maxsize=None)
def kept(cell):
    """One layer for several tests, so that its graph is traced once."""
    return compiled(cell)


# ---------------------------------------------------------------- numbers

@each_mode
@pytest.mark.parametrize("cell, name", diagonal(CELLS, MASKS))
def test_outputs_states_and_gradients_agree_with_the_oracle(cell, name, graph):
    given, masked = case(cell).to("float32"), mask(name)
    actual = computed(kept(cell), given, mask=masked, graph=graph)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


@each_shape
@each_cell
def test_every_shape_agrees_with_the_oracle(cell, shape, several_threads):
    batch, time, features, units = shape
    given = case(cell, 1, batch, time, features, units).to("float32")
    masked = mask("with holes", batch, time) if batch > 1 and time > 1 else None
    actual = computed(compiled(cell, units=units), given, mask=masked)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


VARIANTS = {
    "backwards": {"go_backwards": True},
    "zeros for masked": {"zero_output_for_mask": True},
    "expected zoneout": {"zoneout": 0.3},
    "backwards with zoneout": {"go_backwards": True, "zoneout": 0.2},
}


@pytest.mark.parametrize("variant", VARIANTS)
@each_cell
def test_variants_agree_with_the_oracle(cell, variant):
    given, options = case(cell, seed=2).to("float32"), VARIANTS[variant]
    for name in ("none", "with holes"):
        actual = computed(compiled(cell, **options), given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), **options), AGREEMENT)


def test_a_relu_network_agrees_with_the_oracle():
    given = case("simple_rnn", units=37).to("float32")
    actual = computed(compiled("simple_rnn", units=37, activation="relu"), given, mask=mask("with holes"))
    wanted = expected("simple_rnn", given, mask=mask("with holes"), activation="relu")
    assert_agree(actual, wanted, AGREEMENT)


@each_cell
def test_layers_without_a_bias_agree_with_the_oracle(cell):
    given = case(cell, use_bias=False).to("float32")
    assert_agree(computed(compiled(cell, use_bias=False), given), expected(cell, given), AGREEMENT)


@each_cell
def test_a_long_sequence_agrees_with_the_oracle(cell, several_threads):
    given = case(cell, batch=9, time=150, units=48).to("float32")
    masked = np.arange(150) < np.arange(150, 15, -15)[:, None]
    actual = computed(compiled(cell, units=48), given, mask=masked)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


HALF_SHAPES = [(4, 7, 3, 5), (7, 4, 5, 33), (40, 3, 20, 72), (2, 40, 9, 136)]


@pytest.mark.parametrize("shape", HALF_SHAPES, ids=str)
@each_cell
def test_bfloat16_agrees_with_the_oracle_to_its_accuracy(cell, shape, several_threads):
    batch, time, features, units = shape
    given = case(cell, 1, batch, time, features, units).to("float32")
    masked = mask("with holes", batch, time)
    layer = make(cell, engine="native", dtype="mixed_bfloat16", units=units)
    found = {name: a.astype("float32") for name, a in computed(layer, given, mask=masked).items()}
    assert_agree(found, expected(cell, given, mask=masked), 2 ** -6)
    assert all(weight.dtype == "float32" for weight in layer.weights)


@each_cell
def test_bfloat16_rounds_the_factors_and_not_the_sums(cell):
    """One step of a single row from h = 0: what is left is x·W, whose factors are given in bfloat16."""
    x, W = (np.asarray(tf.cast(normal, tf.bfloat16), "float32") for normal in (
        selftest.normal(1, [1, 1, 64]), selftest.normal(2, [64, 32 * reference.CELLS[cell].gates])))
    given = case(cell, 0, 1, 1, 64, 32).to("float32")
    given.x[:], given.weights[0] = x, W / 8
    given.states = [0 * state for state in given.states]
    given.weights[-1] *= 0
    layer = make(cell, engine="native", dtype="mixed_bfloat16", units=32)
    ready(layer, given)
    spy = []
    forward = ops.operations().forward
    with pytest.MonkeyPatch.context() as patch:  # before the results become bfloat16
        patch.setattr(ops.operations(), "forward", lambda *a, **b: spy.append(forward(*a, **b)) or spy[0])
        layer(x)
    assert_agree({"h": spy[0][1].numpy()}, {"h": expected(cell, given)["state 0"]}, AGREEMENT)


def few_rows(cell, batch, **options):
    """So few rows and so many units and steps that the threads share out the units, see native.cc."""
    products = batch * (D + MANY) * MANY * reference.CELLS[cell].gates
    return case(cell, batch=batch, time=2 ** 22 // products + 1, units=MANY, **options).to("float32")


def holes(batch, time):
    """Every row misses other steps, the last one among them."""
    return (np.arange(time) + 3 * np.arange(batch)[:, None] + 1) % 5 > 0


@pytest.mark.parametrize("cell, batch", diagonal(CELLS, (1, 2, 3)))
def test_threads_that_share_out_the_units_agree_with_the_oracle(cell, batch, several_threads):
    given = few_rows(cell, batch)
    masked = holes(*given.x.shape[:2])
    for options in ({"mask": None}, {"mask": masked, "go_backwards": True}):
        layer = compiled(cell, units=MANY, go_backwards=options.get("go_backwards", False))
        actual = computed(layer, given, mask=options["mask"])
        assert_agree(actual, expected(cell, given, **options), AGREEMENT)


@each_cell
def test_threads_that_share_out_the_units_drop_and_hold_as_the_loop_does(cell, several_threads):
    given = few_rows(cell, 2)
    draws = np.random.default_rng(4).random
    zoneout = tuple(tf.constant(draws(given.dy.shape) < 0.3, tf.float32) for _ in given.states)
    dropout = tf.constant((draws(given.states[0].shape) < 0.8) / 0.8, tf.float32)
    timing = loop.Timing(tf.constant(holes(*given.x.shape[:2])), zoneout, dropout)
    assert_agree(*both_engines(cell, given, timing, units=MANY), 2 * AGREEMENT)  # both are float32


@each_cell
def test_sharing_out_the_units_changes_no_bit(cell, monkeypatch):
    given, layer = few_rows(cell, 1), compiled(cell, units=MANY)
    monkeypatch.setattr(ops, "threads", lambda: 1)
    one = computed(layer, given)
    for threads in (2, 3, 5, 5, 5):  # more than there are cores: some come late, or never
        monkeypatch.setattr(ops, "threads", lambda: threads)
        found = computed(layer, given)
        assert all(np.array_equal(found[name], one[name]) for name in one)


@each_cell
def test_calls_at_the_same_time_do_not_disturb_each_other(cell, several_threads):
    cases = [few_rows(cell, 1, seed=seed) for seed in range(6)]
    for given in cases:
        given.weights = cases[0].weights
    layer = compiled(cell, units=MANY)
    wanted = [computed(layer, given) for given in cases]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as executor:
        for found, one in zip(executor.map(functools.partial(computed, layer), cases), wanted):
            assert all(np.array_equal(found[name], one[name]) for name in one)


def both_engines(cell, given, timing, sequences=True, **options):
    """Outputs and gradients of the loop and of the engine for one `Timing`."""
    layer = compiled(cell, **options)
    ready(layer, given)
    tensors = [tf.constant(a) for a in (given.x, *given.states)] + [w.value for w in layer.weights]
    return [differentiated(engine, layer.cell, tensors, given, timing, sequences)
            for engine in (ops, loop)]


def differentiated(engine, cell, tensors, given, timing, sequences):
    x, states = tensors[0], tensors[1:1 + len(given.states)]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        y, last = engine.run(cell, x, states, timing, sequences)
        loss = sum(tf.reduce_sum(s * d) for s, d in zip(last, given.dstates))
        loss += tf.reduce_sum(y * given.dy) if sequences else 0.
    assert sequences or y is None
    values = [*last, *tape.gradient(loss, tensors)] + ([y] if sequences else [])
    return {str(n): value.numpy() for n, value in enumerate(values)}


@pytest.mark.parametrize("sequences", (True, False), ids=("sequences", "last"))
@each_cell
def test_drawn_zoneout_dropout_and_dropconnect_masks_agree_with_the_loop(cell, sequences):
    given = case(cell, seed=3).to("float32")
    draws = np.random.default_rng(4).random
    zoneout = tuple(tf.constant(draws(given.dy.shape) < 0.3, tf.float32) for _ in given.states)
    dropout = tf.constant((draws(given.states[0].shape) < 0.8) / 0.8, tf.float32)
    weight_drop = tf.constant((draws(given.weights[1].shape) < 0.8) / 0.8, tf.float32)
    for name in ("none", "with holes"):
        masked = None if mask(name) is None else tf.constant(mask(name))
        timing = loop.Timing(masked, zoneout, dropout, weight_drop, go_backwards=True)
        assert_agree(*both_engines(cell, given, timing, sequences), AGREEMENT)


@pytest.mark.parametrize("cell, option", diagonal(CELLS, (
    "dropout", "recurrent_dropout", "weight_drop", "zoneout")))
def test_the_same_seed_draws_what_it_draws_on_the_loop(cell, option):
    given = case(cell, seed=6).to("float32")
    one, two, sure = (
        computed(make(cell, dtype="float32", engine=engine, seed=8, **options), given, training=True)
        for engine, options in (("native", {option: 0.4}), ("loop", {option: 0.4}), ("loop", {})))
    assert_agree(one, two, AGREEMENT)
    assert np.abs(one["outputs"] - sure["outputs"]).max() > 1e-3


@each_cell
def test_an_empty_batch_gives_what_the_loop_gives(cell):
    given = case(cell, batch=0).to("float32")
    assert_agree(*both_engines(cell, given, loop.Timing()), AGREEMENT)


@each_cell
def test_no_steps_leave_states_and_their_errors_as_they_are(cell):
    given = case(cell, time=0).to("float32")
    found = computed(kept(cell), given)
    assert found["outputs"].shape == (4, 0, 5) and found["dx"].shape == (4, 0, 3)
    for n, (state, error) in enumerate(zip(given.states, given.dstates)):
        assert np.array_equal(found[f"state {n}"], state)
        assert np.array_equal(found[f"dstate {n}"], error)
    assert not any(found[name].any() for name in ("dkernel", "drecurrent_kernel", "dbias"))


@pytest.mark.parametrize("cell, value", diagonal(CELLS, (np.nan, np.inf, -np.inf, 1e30, -3e38, 1e-42)))
def test_odd_numbers_give_what_the_loop_gives(cell, value):
    given = case(cell, seed=5).to("float32")
    given.x[1, 2, 0] = value
    given.states[0][2, 1] = value
    layer = compiled(cell)
    ready(layer, given)
    (y, states), (wanted, wanted_states) = [
        engine.run(layer.cell, tf.constant(given.x), list(map(tf.constant, given.states)),
                   loop.Timing(), True) for engine in (ops, loop)]
    for a, b in zip([y, *states], [wanted, *wanted_states]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)


@each_cell
def test_not_a_number_in_one_row_leaves_the_other_rows_alone(cell, several_threads):
    given = case(cell, batch=8, units=20).to("float32")
    clean = computed(compiled(cell, units=20), given)["outputs"]
    given.x[3, 0] = np.nan
    spoilt = computed(compiled(cell, units=20), given)["outputs"]
    assert np.isnan(spoilt[3]).all()
    assert np.array_equal(np.delete(spoilt, 3, 0), np.delete(clean, 3, 0))


@each_cell
def test_a_result_does_not_depend_on_the_run_or_on_the_threads(cell, monkeypatch):
    given = case(cell, batch=24, time=30, units=96).to("float32")
    layer = compiled(cell, units=96)
    monkeypatch.setattr(ops, "threads", lambda: 1)
    one = computed(layer, given)
    monkeypatch.setattr(ops, "threads", lambda: 3)  # 24 rows are other shares then
    first, *others = [computed(layer, given) for _ in range(5)]
    assert all(np.array_equal(one[name], other[name]) for other in (first, *others) for name in one)


def gates_shown(x):
    """σ(x) out of the operation: the output gate of an LSTM whose other gates are open, with c = 30."""
    layer = compiled("lstm", units=len(x))
    given = case("lstm", batch=1, time=1, features=1, units=len(x)).to("float32")
    bias = np.concatenate([np.full(3 * len(x), 40), x]).astype("float32")
    given.weights = [0 * given.weights[0], 0 * given.weights[1], bias]
    given.states = [np.full([1, len(x)], 30, "float32") for _ in "hc"]
    return computed(layer, given)["outputs"][0, 0]


def test_a_gate_is_exact_in_relative_terms():
    x = np.concatenate([np.linspace(-87.33, 20, 1000), [0, -1e-30, 3e38]]).astype("float32")
    wanted = 1 / (1 + np.exp(-x.astype("float64")))
    found = np.concatenate([gates_shown(part) for part in np.array_split(x, 8)])  # U is [units, 4·units]
    np.testing.assert_allclose(found, wanted, rtol=3e-7)


def test_a_gate_that_is_shut_is_zero_and_one_that_is_not_a_number_shows():
    found = gates_shown(np.array([-89, -1e4, -3e38, -np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 1, np.nan])


# ---------------------------------------------------------------- in TensorFlow

@each_cell
def test_a_gradient_asked_of_a_function_traced_without_a_tape_is_right(cell):
    given = case(cell).to("float32")
    layer = compiled(cell)
    ready(layer, given)
    function = tf.function(lambda x: layer(x)[0])
    x = tf.constant(given.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    zeros = case(cell).to("float32")
    for state in (*zeros.states, *zeros.dstates):
        state[:] = 0
    np.testing.assert_allclose(tape.gradient(y, x, given.dy), expected(cell, zeros)["dx"], 1e-4, 1e-5)


@each_cell
def test_shapes_are_known_in_a_graph(cell):
    layer = compiled(cell)
    layer.build((None, None, 3))
    spec = tf.TensorSpec((4, None, 3), tf.float32)
    sequence, *states = tf.function(lambda x: layer(x)).get_concrete_function(spec).structured_outputs
    assert sequence.shape.as_list() == [4, None, 5]
    assert all(state.shape == (4, 5) for state in states)


@pytest.mark.slow
@each_cell
def test_it_trains_under_fit_as_the_loop_does(cell):
    losses = []
    for engine in ("native", "loop"):
        keras.utils.set_random_seed(1)
        layer = make(cell, engine=engine, dtype="float32", return_sequences=False, return_state=False)
        model = keras.Sequential([keras.layers.Embedding(20, 6, mask_zero=True),
                                  zoo.Bidirectional(layer), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        ids = np.random.default_rng(0).integers(0, 20, (32, 9))
        history = model.fit(ids, ids.mean(1), epochs=3, batch_size=8, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_it_runs_in_the_replicas_of_a_strategy():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        layer = zoo.LSTM(6, engine="native")
        layer.build((None, None, 3))

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])[0]

    x = tf.ones([2, 4, 3])
    gradient = tf.function(lambda x: strategy.run(step, (x,)))(x)
    np.testing.assert_allclose(gradient, step(x), rtol=1e-5)


def test_a_state_of_another_batch_is_an_error_not_a_crash():
    layer = compiled("lstm")
    layer.build((None, None, 3))

    @tf.function(input_signature=[tf.TensorSpec([None, 5])])  # the batch is known only to the operation
    def step(h):
        return layer(tf.ones([4, 2, 3]), initial_state=[h, h])

    with pytest.raises(tf.errors.InvalidArgumentError, match="state h of 20 elements, received 5"):
        step(tf.ones([1, 5]))


def resident_bytes():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs /proc")
def test_ten_thousand_calls_leak_nothing():
    layer = compiled("lstm", units=32)
    layer.build((None, None, 16))

    @tf.function
    def steps(count):
        x = tf.ones([4, 8, 16])
        for _ in tf.range(count):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x)[0])
            x -= 1e-3 * tape.gradient(loss, x)
        return x

    steps(tf.constant(1000))
    before = resident_bytes()
    steps(tf.constant(10000))
    assert resident_bytes() - before < 8e6  # one [4, 8, 128] kept a call would be 160 MB


# ---------------------------------------------------------------- gradients of gradients

def as_in_keras(cell):
    """Our layer and Keras's with the same weights; inputs and first states."""
    given = case(cell, time=4).to("float32")
    ours, theirs = compiled(cell), keras_twin(cell, dtype="float32")
    for layer in (ours, theirs):
        layer.build((None, None, 3))
        layer.set_weights(given.weights)
    return ours, theirs, [tf.constant(a) for a in (given.x, *given.states)]


def penalized(layer, x, *states, mask=None):
    """∂‖∂L/∂(x, states, weights)‖²/∂ the same, L the sum of all outputs squared."""
    sources = [x, *states, *[weight.value for weight in layer.weights]]
    with tf.GradientTape() as outer:
        outer.watch(sources)
        with tf.GradientTape() as inner:
            inner.watch(sources)
            outputs = layer(x, initial_state=list(states), mask=mask)
            loss = tf.add_n([tf.reduce_sum(y ** 2) for y in outputs])
        first = inner.gradient(loss, sources)
        penalty = tf.add_n([tf.reduce_sum(d ** 2) for d in first])
    return outer.gradient(penalty, sources)


def assert_same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("cell, graph", diagonal(CELLS, (False, True)))
def test_a_gradient_penalty_is_that_of_keras(cell, graph):
    ours, theirs, tensors = as_in_keras(cell)
    wanted = penalized(theirs, *tensors)
    assert_same((tf.function(penalized) if graph else penalized)(ours, *tensors), wanted)


@pytest.mark.parametrize("cell", slow_but(["gru"], CELLS))
def test_a_gradient_penalty_of_a_function_is_that_of_keras(cell):
    ours, theirs, tensors = as_in_keras(cell)
    function = tf.function(ours)
    function.weights = ours.weights
    assert_same(penalized(function, *tensors), penalized(theirs, *tensors))


@pytest.mark.parametrize("cell, options", diagonal(CELLS, (
    {"go_backwards": True}, {"zoneout": 0.3}, {"use_bias": False}, {"return_sequences": False})), ids=str)
def test_a_gradient_penalty_with_options_is_that_of_the_loop(cell, options):
    given = case(cell, time=4, use_bias=options.get("use_bias", True)).to("float32")
    tensors = [tf.constant(a) for a in (given.x, *given.states)]
    found = []
    for engine in ("native", "loop"):
        layer = make(cell, engine=engine, dtype="float32", **options)
        ready(layer, given)
        found.append(penalized(layer, *tensors, mask=tf.constant(mask("with holes", time=4))))
    assert_same(*found)


@pytest.mark.parametrize("cell, engine", diagonal(CELLS, ["native", "loop"]))
def test_forward_mode_is_that_of_keras(cell, engine):
    ours, theirs, (x, *states) = as_in_keras(cell)
    ours.engine = engine
    found = []
    for layer in (ours, theirs):
        with tf.autodiff.ForwardAccumulator([x, *states], [tf.sin(a) for a in (x, *states)]) as forward:
            outputs = layer(x, initial_state=states)
        found.append(forward.jvp(outputs))
    assert_same(*found)


@each_cell
def test_vectorized_jacobians_are_those_of_keras(cell):
    found = []
    ours, theirs, (x, *states) = as_in_keras(cell)
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            tape.watch(x)
            last = layer(x, initial_state=states)[1]
        found.append(tape.batch_jacobian(last, x))
    assert_same(*[[jacobian] for jacobian in found])


def statements(text):
    """What Python prints that runs these statements on a layer and an input; it ends, and well."""
    start = """
import os, resource, threading
import numpy as np, tensorflow as tf, zoo
x = tf.constant(np.random.default_rng(0).normal(size=(32, 40, 32)), tf.float32)
layer = zoo.LSTM(64, engine="native", seed=1)
layer.build(x.shape)
pages = lambda field: int(open("/proc/self/statm").read().split()[field]) * resource.getpagesize()
"""
    done = subprocess.run([sys.executable, "-c", start + text], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


needs_linux = pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs Linux")


@pytest.mark.slow
@needs_linux
def test_memory_that_runs_out_is_an_error_not_a_crash():
    assert statements("""
big, y = zoo.LSTM(2500, engine="native", recurrent_initializer="zeros"), tf.zeros([2, 2, 16])
big.build(y.shape)
layer(x)
resource.setrlimit(resource.RLIMIT_AS, (pages(0) + (60 << 20), -1))
try:
    big(y)
except tf.errors.ResourceExhaustedError as error:
    print("use" in str(error), np.isfinite(layer(x)).all())
""") == ["True", "True"]


@pytest.mark.slow
@needs_linux
def test_without_more_threads_the_caller_computes_the_same():
    assert statements("""
from zoo.engines.native import ops as native
native.operations()
native.threads = lambda: 1
alone = layer(x).numpy()
native.threads = lambda: 3
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setuid(12345)
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print(np.array_equal(layer(x), alone))
""") == ["True"]


@pytest.mark.slow
@needs_linux
def test_a_child_made_by_fork_has_threads_and_all_cores_of_its_own():
    assert statements("""
from zoo.engines.native import ops as native
native.threads = lambda: 3
wanted = layer(x).numpy()
cores = os.sched_getaffinity(0)
child = os.fork()
if child == 0:
    same = all(np.array_equal(layer(x), wanted) for _ in range(3))
    print(same, os.sched_getaffinity(0) == cores, len(os.listdir("/proc/self/task")), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(np.array_equal(layer(x), wanted))
""") == ["True", "True", "3", "True"]


@pytest.mark.slow
@needs_linux
def test_a_fork_while_another_thread_loads_the_engine_does_not_hang_the_child():
    assert statements("""
from zoo.engines.native import ops
held, done = threading.Event(), threading.Event()
def hold():
    with ops._lock:
        held.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    print(zoo.LSTM(4).engine_in_use, flush=True)
    os._exit(0)
os.waitpid(child, 0)
done.set()
thread.join()
""") == ["native"]


@pytest.mark.slow
@needs_linux
def test_many_threads_that_call_keep_no_memory_each():
    (grown,) = statements("""
from concurrent.futures import ThreadPoolExecutor
big, y = zoo.LSTM(1024, engine="native", recurrent_initializer="zeros"), tf.zeros([1, 2, 1024])
big(y)
before, gate = pages(1), threading.Barrier(16)
def call(_):
    gate.wait()
    big(y)
with ThreadPoolExecutor(16) as pool:
    list(pool.map(call, range(16)))
    print(pages(1) - before)
""")
    assert int(grown) < 200e6  # W and U are 17 MB each: kept by every thread, 537 MB


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    """`native_checks.cc` compiled."""
    return compiled_checks(tmp_path_factory.mktemp("checks") / "checks")


def compiled_checks(path, *flags):
    names = [f'-DZOO_{way.upper()}="{way.capitalize()}"' for way in ops.WAYS]
    main = pathlib.Path(__file__).with_name("native_checks.cc")
    build.call([*build.find_compiler(), *ops.FLAGS, "-O1", *flags, *names, f"-I{ops.FOLDER}",
                f"-I{tf.sysconfig.get_include()}", *map(str, (main, *ops.SOURCES)), "-o", str(path)])
    return path


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize("name", ("agree", "memory", "fork"))
def test_the_engine_without_tensorflow_passes_its_checks(checks, name):
    done = subprocess.run([checks, name], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.slow
@needs_linux
def test_bfloat16_is_right_on_what_any_processor_has(checks, tmp_path):
    units = [build.call([checks, "halves"]).strip()]
    for n, without in enumerate((["-mno-amx-bf16"], ["-mno-amx-bf16", "-mno-avx512bf16"])):
        if platform.machine() == "x86_64":
            units.append(build.call([compiled_checks(tmp_path / str(n), *without), "halves"]).strip())
    assert units[-1] == "float32" or platform.machine() != "x86_64"
    assert set(units) <= {"amx", "avx512_bf16", "float32"}


@pytest.mark.slow
@needs_linux
def test_a_smaller_cache_changes_the_blocks_and_no_bit(checks, tmp_path):
    small = compiled_checks(tmp_path / "small", "-DZOO_L2=8192")  # none of the weights fits
    assert build.call([small, "agree"]) == ""
    assert build.call([small, "bits"]) == build.call([checks, "bits"])


# ---------------------------------------------------------------- what it cannot run

@pytest.mark.parametrize("layer, options, condition", [
    ("LSTM", {"activation": "relu"}, "activation tanh, not relu"),
    ("GRU", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation sigmoid, not hard_sigmoid"),
    ("SimpleRNN", {"activation": "softsign"}, "activation tanh or relu, not softsign"),
    ("LSTM", {"dtype": "float64"}, "float32 or bfloat16, not float64"),
    ("GRU", {"dtype": "mixed_float16"}, "float32 or bfloat16, not float16"),
    ("LSTM", {"truncate": 5}, "truncate=None, not 5"),
    ("GRU", {"layer_normalization": True}, "layer normalisation off"),
])
def test_an_unmet_condition_is_named(layer, options, condition):
    with pytest.raises(ValueError, match=condition):
        getattr(zoo, layer)(4, engine="native", **options)


def test_a_cell_with_other_equations_is_not_run():
    class Other(zoo.LSTMCell):
        pass

    layer = zoo.LSTM(4)
    layer.cell = Other(4)
    assert "not a Other" in ops.unmet(layer)


def test_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setenv("ZOO_NATIVE", "0")
    with pytest.raises(ValueError, match="ZOO_NATIVE"):
        zoo.LSTM(4, engine="native")
    monkeypatch.setattr(engines, "ENGINES", {"native": ops, "loop": loop})
    assert zoo.LSTM(4).engine_in_use == "loop"


# ---------------------------------------------------------------- the build

@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has not asked for the operations yet, and an empty cache."""
    monkeypatch.setattr(ops, "_operations", functools.cache(ops._operations.__wrapped__))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "recurrent-zoo"


def compiler(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_failed_build_says_what_the_compiler_said(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", compiler(tmp_path / "cc", "echo no such luck >&2; exit 1"))
    with pytest.raises(ValueError, match="no such luck"):
        zoo.LSTM(4, engine="native")
    assert not list(fresh.iterdir())


def test_without_a_build_auto_uses_the_loop_and_says_so_once(fresh, monkeypatch, tmp_path):
    messages = []
    monkeypatch.setattr(ops.logging, "warning", lambda text, *values: messages.append(text % values))
    monkeypatch.setenv("CXX", compiler(tmp_path / "cc", "exit 1"))
    monkeypatch.setattr(engines, "ENGINES", {"native": ops, "loop": loop})
    assert [zoo.LSTM(4).engine_in_use for _ in range(3)] == 3 * ["loop"]
    assert len(messages) == 1 and "using the loop" in messages[0]


def test_no_compiler_is_said_in_words(fresh, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert "install g++" in ops.operations().missing


def test_a_cache_folder_that_cannot_be_had_is_said_in_words(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "cannot use the cache folder" in ops.operations().missing


@pytest.mark.slow
@pytest.mark.parametrize("source, right, wrong, judge", [
    (0, "o * tanh(c)", "o * c", "the loop for LSTMCell"),
    (-1, "g * g - old", "g - old", "the formula of Adam")])
def test_a_build_that_disagrees_is_not_kept(fresh, monkeypatch, tmp_path, source, right, wrong, judge):
    sources, path = list(ops.SOURCES), tmp_path / "wrong.cc"
    assert right in sources[source].read_text()
    path.write_text(sources[source].read_text().replace(right, wrong))
    sources[source] = path
    monkeypatch.setattr(ops, "SOURCES", sources)
    monkeypatch.setattr(ops, "FLAGS", (*ops.FLAGS, "-O0"))
    assert f"disagrees with {judge}" in ops.operations().missing
    assert not list(fresh.iterdir())


@pytest.mark.slow
def test_a_damaged_library_is_built_anew(fresh, monkeypatch):
    monkeypatch.setattr(ops, "FLAGS", (*ops.FLAGS, "-O0", "-DDAMAGED"))
    with ops.library().new() as (_, path, _):
        pathlib.Path(path).write_text("half")
    library, = fresh.iterdir()
    assert ops.operations().missing is None
    assert [*fresh.iterdir()] == [library] and library.stat().st_size > 10_000


def test_a_library_without_the_operations_is_refused(tmp_path):
    source, path = tmp_path / "plain.cc", tmp_path / "plain.so"
    source.write_text("int nothing;")
    build.call([*build.find_compiler(), "-shared", "-fPIC", str(source), "-o", str(path)])
    with pytest.raises(build.BuildError, match="cannot load .*plain.so"):
        ops.load(path, "abc")


@pytest.mark.parametrize("error", (build.BuildError("no luck"), OSError("no luck"), KeyError("no luck")))
def test_whatever_goes_wrong_auto_uses_the_loop_and_a_named_engine_says_why(fresh, monkeypatch, error):
    def fails():
        raise error
    monkeypatch.setattr(ops, "load_or_build", fails)
    monkeypatch.setattr(engines, "ENGINES", {"native": ops, "loop": loop})
    assert zoo.LSTM(4).engine_in_use == "loop"
    with pytest.raises(ValueError, match="no luck"):
        zoo.LSTM(4, engine="native")


@pytest.mark.slow
def test_the_locale_does_not_matter(tmp_path):
    """Sources hold letters that ASCII has not."""
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    program = "import zoo; print(zoo.LSTM(4).engine_in_use)"
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True,
                           encoding="utf-8", check=True)
    assert found.stdout == "native\n"


def test_the_check_of_a_build_draws_no_random_numbers():
    keras.utils.set_random_seed(3)
    wanted = [draw() for draw in DRAWS]
    keras.utils.set_random_seed(3)
    selftest.check(ops.operations())
    assert [draw() for draw in DRAWS] == wanted


DRAWS = (random.random, np.random.random, lambda: float(tf.random.uniform([])),
         lambda: float(keras.random.uniform([])))
