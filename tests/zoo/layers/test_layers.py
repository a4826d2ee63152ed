"""SimpleRNN, GRU (both reset forms) and LSTM against the oracle, Keras and finite differences."""
import functools

import numpy as np
import pytest
import tensorflow as tf
from conftest import diagonal
from layer_checks import (AGREEMENT, CELLS, MASKS, B, D, H, T, assert_agree, case, computed,
                          expected, keras_twin, make, mask, ready)

each_cell = pytest.mark.parametrize("cell", CELLS)
each_cell_and_mask = pytest.mark.parametrize("cell, name", diagonal(CELLS, MASKS))
each_mode = pytest.mark.parametrize("graph", (False, True), ids=("eager", "graph"))


@functools.lru_cache(maxsize=None)
def kept(cell, **options):
    """One layer for several tests, so that its graph is traced once."""
    return make(cell, **options)


@each_mode
@each_cell_and_mask
def test_outputs_states_and_gradients_match_the_oracle(cell, name, graph):
    given, masked = case(cell), mask(name)
    actual = computed(kept(cell), given, mask=masked, graph=graph)
    assert_agree(actual, expected(cell, given, mask=masked))


@each_cell_and_mask
def test_float32_agrees_with_the_float64_oracle(cell, name):
    given, masked = case(cell, seed=1).to("float32"), mask(name)
    actual = computed(kept(cell, dtype="float32"), given, mask=masked)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


@each_cell_and_mask
def test_outputs_states_and_gradients_match_keras(cell, name):
    given, masked = case(cell, seed=2), mask(name)
    wanted = computed(keras_twin(cell), given, mask=masked)
    assert_agree(computed(kept(cell), given, mask=masked), wanted)


@each_cell
def test_a_long_sequence_in_float32_agrees_with_the_oracle(cell):
    given = case(cell, batch=2, time=60, units=16).to("float32")
    masked = np.arange(60) < [[60], [41]]
    actual = computed(make(cell, units=16, dtype="float32"), given, mask=masked, graph=True)
    assert_agree(actual, expected(cell, given, mask=masked), AGREEMENT)


VARIANTS = {
    "backwards": {"go_backwards": True},
    "zeros for masked": {"zero_output_for_mask": True},
    "backwards, zeros for masked": {"go_backwards": True, "zero_output_for_mask": True},
    "relu and hard sigmoid": {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "linear and tanh": {"activation": "linear", "recurrent_activation": "tanh"},
    "expected zoneout": {"zoneout": 0.3},
    "zoneout and truncation": {"zoneout": 0.3, "truncate": 2, "go_backwards": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
@each_cell
def test_variants_match_the_oracle(cell, variant):
    options = allowed(cell, VARIANTS[variant])
    given, layer = case(cell), make(cell, **options)
    for name in ("none", "with holes"):
        actual = computed(layer, given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), **options))


def allowed(cell, options):
    """A SimpleRNN has no recurrent activation."""
    return {k: v for k, v in options.items()
            if (cell, k) != ("simple_rnn", "recurrent_activation")}


@each_cell
def test_without_bias_matches_the_oracle(cell):
    given, layer = case(cell, use_bias=False), make(cell, use_bias=False)
    assert len(layer.weights) == 0 and len(kept_after_build(layer).weights) == 2
    assert_agree(computed(layer, given), expected(cell, given))


def kept_after_build(layer):
    layer.build((None, None, D))
    return layer


@pytest.mark.parametrize("cell, activation", diagonal(CELLS, ("gelu", "softsign", "elu")))
def test_any_activation_matches_keras(cell, activation):
    """Functions whose derivative nobody wrote down: gelu's is not even one of its own value."""
    given, masked = case(cell), mask("with holes")
    wanted = computed(keras_twin(cell, activation=activation), given, mask=masked)
    assert_agree(computed(make(cell, activation=activation), given, mask=masked), wanted)


@pytest.mark.parametrize("truncate", (1, 4, T - 1, T + 3))
@each_cell
def test_truncated_gradients_match_the_double_sum(cell, truncate):
    given, layer = case(cell), make(cell, truncate=truncate)
    for name in ("none", "with holes", "a fully masked row"):
        actual = computed(layer, given, mask=mask(name))
        assert_agree(actual, expected(cell, given, mask=mask(name), truncate=truncate))


@each_cell
def test_truncated_gradients_match_in_a_graph_for_any_length(cell):
    layer = make(cell, truncate=2)
    for time in (1, 2, 3, 9):
        given = case(cell, time=time)
        actual = computed(layer, given, graph=True)
        assert_agree(actual, expected(cell, given, truncate=2))


@each_mode
@each_cell
def test_the_last_output_alone_matches_the_oracle(cell, graph):
    """Without sequences nothing need be stacked: another way through the code."""
    given = case(cell)
    for zeros in (False, True):
        layer = make(cell, return_sequences=False, return_state=False, zero_output_for_mask=zeros)
        ready(layer, given)
        run = tf.function(layer) if graph else layer
        for name in MASKS:
            options = {} if mask(name) is None else {"mask": tf.constant(mask(name))}
            wanted = expected(cell, given, mask=mask(name), zero_output_for_mask=zeros)["outputs"]
            actual = run(given.x, initial_state=list(map(tf.constant, given.states)), **options)
            np.testing.assert_allclose(actual, wanted[:, -1], atol=1e-12)


@each_cell
def test_the_gradient_of_the_last_output_alone_matches_the_oracle(cell):
    given, masked = case(cell), mask("right-padded")
    layer = make(cell, return_sequences=False, return_state=False)
    ready(layer, given)
    with tf.GradientTape() as tape:
        y = layer(given.x, initial_state=list(map(tf.constant, given.states)), mask=masked)
        loss = tf.reduce_sum(y * given.dy[:, -1])
    given.dy[:, :-1] = 0
    given.dstates = [np.zeros_like(d) for d in given.dstates]
    wanted = expected(cell, given, mask=masked)
    for gradient, name in zip(tape.gradient(loss, layer.trainable_weights),
                              ("dkernel", "drecurrent_kernel", "dbias")):
        np.testing.assert_allclose(gradient, wanted[name], atol=1e-12)


@each_cell
def test_each_gradient_alone_is_the_one_found_among_all(cell):
    """A layer that is frozen, an input that is a constant, a loss on the states only."""
    given = case(cell)
    given.dy[:] = 0
    wanted, layer = expected(cell, given), kept(cell)
    ready(layer, given)
    x, states = tf.constant(given.x), list(map(tf.constant, given.states))
    sources = {"dx": x, "dstate 0": states[0], "dkernel": layer.trainable_weights[0].value,
               "drecurrent_kernel": layer.trainable_weights[1].value}
    for name, source in sources.items():
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(source)
            _, *last = layer(x, initial_state=states)
            loss = sum(tf.reduce_sum(s * d) for s, d in zip(last, given.dstates))
        np.testing.assert_allclose(tape.gradient(loss, source), wanted[name], atol=1e-12)


@each_cell
def test_masked_inputs_do_not_matter(cell):
    """Whatever stands in the padding: outputs, states and gradients stay, and dx there is zero."""
    given, masked = case(cell), mask("with holes")
    before = computed(kept(cell), given, mask=masked)
    given.x[~masked] = 1e3
    after = computed(kept(cell), given, mask=masked)
    assert_agree(after, before)
    assert not after["dx"][~masked].any()


@each_cell
def test_states_that_are_not_given_are_zeros(cell):
    given = case(cell)
    ready(kept(cell), given)
    zeros = [tf.zeros((B, H), "float64") for _ in given.states]
    for a, b in zip(kept(cell)(given.x), kept(cell)(given.x, initial_state=zeros)):
        np.testing.assert_array_equal(a, b)


@each_mode
@pytest.mark.parametrize("cell, shape", diagonal(CELLS, [(0, T), (0, 1), (B, 1), (1, 1)]))
def test_empty_batches_and_single_steps(cell, shape, graph):
    batch, time = shape
    given = case(cell, batch=batch, time=time)
    masked = np.arange(batch * time).reshape(batch, time) % 2 == 0
    actual = computed(kept(cell), given, mask=masked, graph=graph)
    assert_agree(actual, expected(cell, given, mask=masked))


@pytest.mark.slow
@each_cell
def test_xla_gives_the_same_numbers(cell):
    given, masked = case(cell), mask("with holes")
    actual = computed(kept(cell), given, mask=masked, graph=True, jit_compile=True)
    assert_agree(actual, expected(cell, given, mask=masked))


def test_unit_forget_bias_starts_the_forget_gate_at_one():
    layer = kept_after_build(make("lstm"))
    np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0., 1., 0., 0.], H))
    layer = kept_after_build(make("lstm", unit_forget_bias=False))
    assert not layer.get_weights()[2].any()


@each_cell
def test_the_engine_in_use_is_told(cell):
    given = case(cell)
    loop, auto = make(cell, engine="loop"), make(cell)
    assert_agree(computed(loop, given), computed(auto, given))
    assert loop.engine_in_use == "loop" and isinstance(auto.engine_in_use, str)


@pytest.mark.parametrize("sequences", (False, True))
@each_cell
def test_inference_keeps_no_arrays_for_the_backward_pass(cell, sequences):
    """One list of outputs where sequences are asked for, none where only the last one is."""
    layer = make(cell, engine="loop", return_sequences=sequences, return_state=False)
    layer.build((None, None, D))
    weights = [w.value for w in layer.weights]

    def infer(x):
        return layer(x)

    def train(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x))
        return tape.gradient(loss, weights)

    assert lists(infer) == int(sequences)
    assert lists(train) > lists(infer)


def lists(function):
    """How many TensorLists the traced function makes, those in its callees included."""
    graph = tf.function(function).get_concrete_function(
        tf.TensorSpec((None, None, D), "float64")).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return sum(n.op in ("TensorListReserve", "EmptyTensorList", "TensorListFromTensor")
               for n in nodes)
