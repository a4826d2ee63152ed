"""Bidirectional against the oracle run both ways, and against Keras's wrapper."""
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import diagonal
from layer_checks import (CELLS, MASKS, B, D, H, T, assert_agree, assert_weights_agree, case,
                          keras_twin, make, mask, recurrent_kernel_seen)

import zoo

each_cell = pytest.mark.parametrize("cell", CELLS)
each_cell_and_mask = pytest.mark.parametrize("cell, name", diagonal(CELLS, MASKS))
MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


def both(cell, merge_mode="concat", library=zoo, **options):
    """A wrapper of a layer that returns everything, in float64, built, with random weights."""
    one = (make if library is zoo else keras_twin)(cell, **options)
    wrapper = (zoo if library is zoo else keras.layers).Bidirectional(
        one, merge_mode=merge_mode, dtype="float64")
    wrapper.build((None, None, D))
    wrapper.set_weights(case(cell, seed=1).weights + case(cell, seed=2).weights)
    return wrapper


def states_for(cell, batch=B):
    """Forward states, then backward states."""
    return case(cell, seed=1, batch=batch).states + case(cell, seed=2, batch=batch).states


def oracle(cell, x, masked=None, sequences=True, states=None):
    """Forward and backward results in the order of time; masked steps zero in sequences."""
    results = []
    for i, backwards in enumerate((False, True)):
        weights = case(cell, seed=1 + i).weights
        count = reference.CELLS[cell].states
        own = states and states[count * i:count * (i + 1)]
        results.append(reference.run(cell, weights, x, mask=masked, states=own,
                                     go_backwards=backwards, zero_output_for_mask=sequences))
    forward, backward = results
    if sequences:
        return forward.outputs, backward.outputs[:, ::-1], forward.states + backward.states
    return forward.outputs[:, -1], backward.outputs[:, -1], forward.states + backward.states


@pytest.mark.parametrize("sequences", (False, True))
@each_cell_and_mask
def test_outputs_and_states_match_the_oracle(cell, name, sequences):
    x, masked, states = case(cell).x, mask(name), states_for(cell)
    wrapper = both(cell, return_sequences=sequences)
    y, *last = wrapper(x, mask=masked, initial_state=list(map(tf.constant, states)))
    forward, backward, wanted = oracle(cell, x, masked, sequences, states)
    assert_agree({"y": y.numpy()}, {"y": np.concatenate([forward, backward], axis=-1)})
    assert_agree(numbered(last), numbered(wanted))


def numbered(arrays):
    return {str(i): np.asarray(a) for i, a in enumerate(arrays)}


@pytest.mark.parametrize("sequences", (False, True))
@pytest.mark.parametrize("merge", MERGES)
def test_merge_modes_match_their_formulas(merge, sequences):
    x, masked = case("gru").x, mask("with holes")
    wrapper = both("gru", merge, return_sequences=sequences, return_state=False)
    forward, backward, _ = oracle("gru", x, masked, sequences)
    assert_agree({"y": wrapper(x, mask=masked).numpy()}, {"y": MERGES[merge](forward, backward)})


@pytest.mark.parametrize("state", (False, True))
def test_without_merging_both_outputs_come_back(state):
    x, masked = case("lstm").x, mask("left-padded")
    found = both("lstm", None, return_state=state)(x, mask=masked)
    forward, backward, states = oracle("lstm", x, masked)
    assert_agree(numbered(found), numbered([forward, backward, *states * state]))


@each_cell_and_mask
def test_everything_equals_keras_with_the_same_weights(cell, name):
    """Outputs, states and all gradients, masked steps included."""
    found, wanted = (everything(both(cell, library=library), cell, mask(name))
                     for library in (zoo, keras.layers))
    assert_agree(found, wanted)


def everything(wrapper, cell, masked):
    given = case(cell)
    x, states = tf.constant(given.x), list(map(tf.constant, states_for(cell)))
    random = np.random.default_rng(9)
    weights = [w.value for w in wrapper.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        outputs = wrapper(x, mask=masked, initial_state=states)
        loss = sum(tf.reduce_sum(y * random.normal(size=y.shape)) for y in outputs)
    return numbered([*outputs, *tape.gradient(loss, [x, *states, *weights])])


def test_weights_have_the_names_order_and_shapes_of_keras():
    found, wanted = (
        [(w.path.split("/")[-1], w.path.split("/")[-3].split("_")[0], w.shape)
         for w in both("lstm", library=library).weights] for library in (zoo, keras.layers))
    assert found == wanted


def test_masked_steps_are_zeros_only_in_sequences():
    for sequences in (True, False):
        wrapper = both("lstm", return_sequences=sequences)
        assert wrapper.forward_layer.zero_output_for_mask is sequences
        assert wrapper.backward_layer.zero_output_for_mask is sequences


@pytest.mark.parametrize("merge", (*MERGES, None))
@pytest.mark.parametrize("sequences", (False, True))
@pytest.mark.parametrize("state", (False, True))
def test_shapes_and_masks_are_those_of_keras(merge, sequences, state):
    options = {"return_sequences": sequences, "return_state": state}
    ours, theirs = (both("lstm", merge, library=library, **options)
                    for library in (zoo, keras.layers))
    x = case("lstm").x
    found, wanted = ours(x), theirs(x)
    assert ([tuple(a.shape) for a in tf.nest.flatten(found)]
            == [tuple(a.shape) for a in tf.nest.flatten(wanted)])
    symbolic = ours(keras.Input((None, D), dtype="float64"))
    assert ([tuple(a.shape)[-1] for a in tf.nest.flatten(symbolic)]
            == [tuple(a.shape)[-1] for a in tf.nest.flatten(wanted)])


def test_a_second_wrapper_reads_the_mask_of_the_first():
    """Two padded lengths of the same batch give the same answer."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([
        keras.layers.Embedding(11, D, mask_zero=True),
        zoo.Bidirectional(zoo.LSTM(H, return_sequences=True)), zoo.Bidirectional(zoo.GRU(H))])
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0]])
    np.testing.assert_allclose(network(ids), network(np.pad(ids, ((0, 0), (0, 3)))), atol=1e-6)


@each_cell
def test_the_configuration_survives(cell):
    wrapper = both(cell, "ave", zoneout=0.1, truncate=3)
    again = zoo.Bidirectional.from_config(wrapper.get_config())
    assert again.get_config() == wrapper.get_config()
    assert again.merge_mode == "ave" and again.backward_layer.go_backwards
    assert again.forward_layer.truncate == again.backward_layer.truncate == 3


def test_a_model_survives_its_keras_file(tmp_path):
    before = keras.Sequential([
        keras.Input((None, D)), zoo.Bidirectional(zoo.GRU(H), merge_mode="sum")])
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert_weights_agree(after.get_weights(), before.get_weights())
    x = case("gru").x.astype("float32")
    np.testing.assert_array_equal(after(x), before(x))


def test_each_direction_drops_weights_of_its_own():
    """Without a seed of the layer's, which would be that of both directions, as in Keras."""
    keras.utils.set_random_seed(0)
    layer = zoo.SimpleRNN(200, activation="linear", weight_drop=0.5)
    forward, backward = np.split(recurrent_kernel_seen(zoo.Bidirectional(layer)), 2, axis=-1)
    for drawn in (forward, backward):
        assert set(np.unique(drawn)) == {0, 2} and abs(drawn.mean() - 1) < 0.02
    assert abs((forward == backward).mean() - 0.5) < 0.01


@pytest.mark.parametrize("wish", (False, "auto"))
def test_the_wish_for_cudnn_reaches_both_directions(wish):
    wrapper = zoo.Bidirectional(zoo.GRU(H, use_cudnn=wish))
    assert [layer.use_cudnn for layer in wrapper.directions] == [wish, wish]


def test_outputs_have_the_type_of_the_wrapper_as_in_keras():
    x = np.zeros((B, T, D), "float32")
    for library in (zoo, keras.layers):
        wrapper = library.Bidirectional(library.GRU(H, return_state=True, dtype="float32"),
                                        dtype="mixed_float16")
        assert [y.dtype for y in wrapper(x)] == [tf.float16, tf.float32, tf.float32]


def test_another_layer_may_read_backwards():
    wrapper = zoo.Bidirectional(
        zoo.LSTM(H, return_sequences=True),
        backward_layer=zoo.GRU(4, return_sequences=True, go_backwards=True))
    assert tuple(wrapper(np.zeros((B, T, D), "float32")).shape) == (B, T, H + 4)


def test_keras_may_wrap_our_layers():
    """Keras's own wrapper gives the same, and its fused path does not take them."""
    ours = both("lstm")
    theirs = keras.layers.Bidirectional(make("lstm"), dtype="float64")
    theirs.build((None, None, D))
    theirs.set_weights(ours.get_weights())
    for a, b in zip(ours(case("lstm").x), theirs(case("lstm").x)):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_the_directions_start_with_different_weights():
    wrapper = zoo.Bidirectional(zoo.LSTM(H))
    wrapper.build((None, None, D))
    weights = wrapper.get_weights()
    assert np.abs(weights[0] - weights[3]).max() > 1e-3


def test_ragged_input_equals_padded_input_with_a_mask():
    lengths = [7, 3, 0, 5]
    x, masked = case("gru").x, np.arange(T) < np.array(lengths)[:, None]
    wrapper = both("gru", return_state=False)
    ragged = tf.RaggedTensor.from_tensor(x, lengths=lengths)
    np.testing.assert_allclose(wrapper(ragged), wrapper(x, mask=masked), atol=1e-12)


def test_mixed_precision_gives_half_precision():
    wrapper = zoo.Bidirectional(
        zoo.GRU(H, dtype="mixed_bfloat16"), merge_mode="ave", dtype="mixed_bfloat16")
    assert wrapper(np.zeros((B, T, D), "float32")).dtype == tf.bfloat16


@pytest.mark.parametrize("states, message", [
    ([(B, H)] * 2, "received 2"), ([(B, H)] * 5, "received 5"), ([], "received 0"),
    ([(B + 1, H)] * 4, r"received \[5, 5\]"), ([(B, H + 1)] * 4, r"received \[4, 6\]")])
def test_states_that_do_not_fit_are_refused_in_one_line(states, message):
    wrapper = zoo.Bidirectional(zoo.LSTM(H))
    with pytest.raises(ValueError, match=rf"^initial_state: expected 4 tensors.*{message}$"):
        wrapper(tf.zeros((B, T, D)), initial_state=[tf.zeros(shape) for shape in states])


def test_directions_may_have_states_of_their_own():
    wrapper = zoo.Bidirectional(
        zoo.LSTM(H, return_state=True),
        backward_layer=zoo.GRU(4, go_backwards=True, return_state=True))
    x, states = tf.ones((B, T, D)), [tf.ones((B, size)) for size in (H, H, 4)]
    _, *found = wrapper(x, initial_state=states)
    wanted = [*wrapper.forward_layer(x, initial_state=states[:2])[1:],
              *wrapper.backward_layer(x, initial_state=states[2:])[1:]]
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, two)
    assert len(wrapper.compute_mask(x)) == 4


def test_the_first_of_several_masks_is_passed_on():
    masked = tf.constant(mask("with holes"))
    wrapper = both("gru", return_state=False)
    assert wrapper.compute_mask(None, [masked, None]) is masked


@keras.saving.register_keras_serializable("tests")
class Thrice(keras.layers.Layer):
    """Makes three wrappers of one layer whenever it is made, so while it is loaded, too."""

    def __init__(self, **options):
        super().__init__(**options)
        one = zoo.GRU(H)
        self.wrappers = [zoo.Bidirectional(one) for _ in range(3)]

    def call(self, x):
        return sum(wrapper(x) for wrapper in self.wrappers)


def test_wrappers_of_one_layer_share_nothing_while_a_model_is_loaded(tmp_path):
    before = keras.Sequential([keras.Input((T, D)), Thrice()])
    before.save(tmp_path / "model.keras")
    after = keras.saving.load_model(tmp_path / "model.keras")
    assert len({id(one) for wrapper in after.layers[0].wrappers for one in wrapper.directions}) == 6
    np.testing.assert_array_equal(before(tf.ones((B, T, D))), after(tf.ones((B, T, D))))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="merge_mode.*median|[Mm]erge.mode.*median"):
        zoo.Bidirectional(zoo.LSTM(H), merge_mode="median")
    with pytest.raises(ValueError, match="go_backwards"):
        zoo.Bidirectional(zoo.LSTM(H), backward_layer=zoo.LSTM(H))
    with pytest.raises(ValueError, match="return_sequences"):
        zoo.Bidirectional(zoo.LSTM(H), backward_layer=zoo.LSTM(
            H, go_backwards=True, return_sequences=True))
    with pytest.raises(ValueError):
        zoo.Bidirectional("lstm")
