"""PyTorch's recurrent weights in our stacks: against PyTorch, and against its answers, stored here."""
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import assert_agree, assert_weights_agree

import zoo
from zoo.weights import pytorch

KINDS = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}  # blocks of H rows
B, T, D, H = 3, 4, 5, 3
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="no PyTorch: pip install 'recurrent-zoo[benchmarks]'")


def numbers(shape, start):
    """Distinct numbers in [-0.5, 0.7], the same on every machine."""
    return 0.6 * np.sin(np.arange(np.prod(shape)) * 1.7 + start).reshape(shape) + 0.1


def state_dict(kind, layers=1, directions=1, bias=True, inputs=D, units=H, prefix=""):
    """Names and shapes as PyTorch documents them."""
    rows, found = KINDS[kind] * units, {}
    for n, way in itertools.product(range(layers), ("", "_reverse")[:directions]):
        width = directions * units if n else inputs
        shapes = {"weight_ih": (rows, width), "weight_hh": (rows, units)}
        if bias:
            shapes.update({"bias_ih": (rows,), "bias_hh": (rows,)})
        for name, shape in shapes.items():
            found[f"{prefix}{name}_l{n}{way}"] = numbers(shape, len(found))
    return found


def given(kind, layers=1, directions=1, batch=B, steps=T, inputs=D, units=H):
    """x, and h_0 (and c_0)."""
    shape = layers * directions, batch, units
    return (numbers((batch, steps, inputs), 0.5),
            *(numbers(shape, n + 0.3) for n in range(1 + (kind == "lstm"))))


def stack_of(kind, weights, dtype="float64", **options):
    if KINDS[kind] == 1:
        options["activation"] = kind
    return pytorch.from_state_dict(weights, dtype=dtype, **options)


def theirs(torch, kind, weights, layers, directions, units=H, dtype="float64"):
    """PyTorch's layer with the weights in it."""
    name = {1: "RNN", 3: "GRU", 4: "LSTM"}[KINDS[kind]]
    options = {"nonlinearity": kind} if name == "RNN" else {}
    layer = getattr(torch.nn, name)(
        weights["weight_ih_l0"].shape[1], units, layers, bias="bias_ih_l0" in weights, batch_first=True,
        bidirectional=directions == 2, dtype=getattr(torch, dtype), **options)
    layer.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    return layer


def run_theirs(torch, layer, x, *first):
    """output, h_n (, c_n) as arrays."""
    x, *first = map(torch.from_numpy, (x, *first))
    with torch.no_grad():
        output, last = layer(x, tuple(first) if len(first) > 1 else first[0] if first else None)
    return [tensor.numpy() for tensor in (output, *(last if isinstance(last, tuple) else [last]))]


def assert_same(found, wanted, tolerance=1e-12):
    named = ({name: np.asarray(array) for name, array in zip(("output", "h_n", "c_n"), arrays)}
             for arrays in (found, wanted))
    assert_agree(*named, tolerance)


# ---------------------------------------------------------------- against PyTorch

@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("directions", (1, 2))
@pytest.mark.parametrize("layers", (1, 2, 3))
@each_kind
def test_outputs_and_final_states_are_those_of_pytorch(torch, kind, layers, directions, bias):
    weights = state_dict(kind, layers, directions, bias)
    x, *first = given(kind, layers, directions)
    layer, stack = theirs(torch, kind, weights, layers, directions), stack_of(kind, weights)
    for states in ((), first):
        assert_same(pytorch.run(stack, x, *states), run_theirs(torch, layer, x, *states))


@pytest.mark.parametrize("engine", ("loop", "auto"))
@each_kind
def test_in_float32_they_agree_to_one_part_in_a_million(torch, kind, engine):
    weights = {name: weight.astype("float32") for name, weight in state_dict(kind, 2, 2).items()}
    x, *first = (array.astype("float32") for array in given(kind, 2, 2))
    wanted = run_theirs(torch, theirs(torch, kind, weights, 2, 2, dtype="float32"), x, *first)
    stack = stack_of(kind, weights, dtype="float32", engine=engine)
    assert_same(pytorch.run(stack, x, *first), wanted, 1e-6)


@pytest.mark.parametrize("batch, steps", [(1, 1), (7, 2)])
@each_kind
def test_a_torch_module_of_a_model_is_read_by_its_prefix(torch, kind, batch, steps):
    """Weights as PyTorch draws them, torch tensors as its state dict holds them."""
    layer = theirs(torch, kind, state_dict(kind, 2, 2), 2, 2)
    layer.reset_parameters()
    model = torch.nn.ModuleDict({"rnn": layer, "head": torch.nn.Linear(2 * H, 2)})
    x, *first = given(kind, 2, 2, batch, steps)
    stack = stack_of(kind, model.state_dict(), prefix="rnn.")
    assert_same(pytorch.run(stack, x, *first), run_theirs(torch, layer, x, *first))


@pytest.mark.parametrize("directions", (1, 2))
@each_kind
def test_a_mask_does_what_a_packed_sequence_does(torch, kind, directions):
    weights, lengths = state_dict(kind, 2, directions), [4, 2, 1]
    x, *_ = given(kind)
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    with torch.no_grad():
        output, last = theirs(torch, kind, weights, 2, directions)(
            pack(torch.from_numpy(x), lengths, batch_first=True))
    wanted = [pad(output, batch_first=True)[0], *(last if kind == "lstm" else [last])]
    stack = stack_of(kind, weights)
    assert_same(pytorch.run(stack, x, mask=tf.sequence_mask(lengths, T)), wanted)


# ---------------------------------------------------------------- always

# output, h_n (, c_n) of torch.nn for two layers and directions, D = H = 2, one sequence of two steps.
STORED = {
    "tanh": [
        [0.25333833838174663, 0.9021798496175499, -0.3616843275965031, -0.7798501653325182,
         -0.44553501294331005, 0.8870550171674023, 0.11718803394748348, -0.7468370450415055],
        [0.7056815521455523, -0.7639260273263793, 0.14639573694606536, 0.9397244947951128,
         -0.44553501294331005, 0.8870550171674023, -0.3616843275965031, -0.7798501653325182]],
    "relu": [
        [1.0248226983311597, 2.1200332893478055, 0.13757890672745832, 0.0,
         0.0, 2.624411541620731, 0.33900994189808126, 0.0],
        [1.6175187242947855, 0.0, 0.17900742817896925, 1.7236749485080751,
         0.0, 2.624411541620731, 0.13757890672745832, 0.0]],
    "gru": [
        [0.3494408717324163, 0.48107910477698107, 0.6568405894575597, -0.11394910486095766,
         0.16427317512604023, 0.4638518980558857, 0.3582944645090525, -0.10134598226966442],
        [0.31005632935880933, 0.16446626142405046, 0.4510102061221997, 0.5395823594293947,
         0.16427317512604023, 0.4638518980558857, 0.6568405894575597, -0.11394910486095766]],
    "lstm": [
        [0.1598728791172657, 0.16175023332180377, 0.35880241101278953, 0.0804417520258198,
         -0.05684200589624042, 0.17388523295293215, 0.1559191635433965, 0.24323084678496282],
        [0.3455441479543097, -0.17980426975045838, 0.20610604890129947, 0.24793667857189672,
         -0.05684200589624042, 0.17388523295293215, 0.35880241101278953, 0.0804417520258198],
        [0.687052793284652, -0.23708993761139832, 0.5200291012743806, 0.7781062415397035,
         -0.08019102209585141, 0.4614437871263386, 0.795351495164384, 0.09756002716807485]]
}


@each_kind
def test_the_stored_answers_are_those_of_pytorch(torch, kind):
    weights, arrays = stored_case(kind)
    found = run_theirs(torch, theirs(torch, kind, weights, 2, 2, units=2), *arrays)
    assert_same([np.ravel(array) for array in found], STORED[kind])


@each_kind
def test_outputs_and_final_states_are_the_stored_ones(kind):
    weights, arrays = stored_case(kind)
    output, *last = pytorch.run(stack_of(kind, weights), *arrays)
    assert output.shape == (1, 2, 4) and all(state.shape == (4, 1, 2) for state in last)
    assert_same([np.ravel(array) for array in (output, *last)], STORED[kind])


def stored_case(kind):
    sizes = {"inputs": 2, "units": 2}
    return state_dict(kind, 2, 2, **sizes), given(kind, 2, 2, 1, 2, **sizes)


def test_a_file_of_arrays_is_read_by_its_prefix(tmp_path):
    weights = state_dict("gru", 2, prefix="encoder.rnn.")
    np.savez(tmp_path / "weights.npz", **weights, **{"head.weight": numbers((2, H), 9)})
    stack = pytorch.from_state_dict(np.load(tmp_path / "weights.npz"), "encoder.rnn.", dtype="float64")
    wanted = pytorch.from_state_dict(state_dict("gru", 2), dtype="float64")
    assert_weights_agree(stack.get_weights(), wanted.get_weights())


@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("directions", (1, 2))
@each_kind
def test_sizes_are_those_of_the_shapes(kind, directions, bias):
    stack = stack_of(kind, state_dict(kind, 3, directions, bias), dropout=0.2)
    assert len(stack.layers) == 3 and stack.dropout == 0.2
    for layer in stack.layers:
        assert isinstance(layer, zoo.Bidirectional) is (directions == 2)
        cell = getattr(layer, "forward_layer", layer).cell
        assert (cell.gates, cell.units, cell.use_bias) == (KINDS[kind], H, bias)
        assert cell.activation.__name__ == ("relu" if kind == "relu" else "tanh")
    assert len(stack.weights) == 3 * directions * (2 + bias)


def made(*names, dtype="float64", **options):
    """Bidirectional layers with one output at the end."""
    layers = [getattr(zoo, name)(H, return_sequences=n < len(names) - 1, dtype=dtype, **options)
              for n, name in enumerate(names)]
    return zoo.Stack([zoo.Bidirectional(layer, dtype=dtype) for layer in layers], dtype=dtype)


def test_weights_load_into_a_stack_of_the_same_layers():
    weights = state_dict("lstm", 2, 2)
    stack = made("LSTM", "LSTM")
    pytorch.load_state_dict(stack, weights)
    full = pytorch.from_state_dict(weights, dtype="float64")
    assert_weights_agree(stack.get_weights(), full.get_weights())
    x, *_ = given("lstm")
    _, h_n, _ = pytorch.run(full, x)
    np.testing.assert_allclose(stack(x), np.concatenate([h_n[2], h_n[3]], -1), atol=1e-12)


def test_a_loaded_stack_survives_its_keras_file(tmp_path):
    stack = pytorch.from_state_dict(state_dict("gru", 2, 2), return_state=False)
    before = keras.Sequential([keras.Input((None, D)), stack])
    before.save(tmp_path / "model.keras")
    x = given("gru")[0].astype("float32")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), before(x))


@pytest.mark.parametrize("stack, layer, received", [
    (made("LSTM", "LSTM"), 0, "LSTM"),
    (made("GRU"), 1, "None"),
    (made("GRU", "GRU", "GRU"), 2, "Bidirectional"),
    (made("GRU", "GRU", use_bias=False), 0, "use_bias=False"),
    (made("GRU", "GRU", reset_after=False), 0, "reset_after=False"),
    (made("GRU", "GRU", go_backwards=True), 0, "go_backwards=True.*go_backwards=False"),
    (zoo.Stack([zoo.GRU(H, return_sequences=True), zoo.GRU(H)]), 0, "GRU"),
    (zoo.Stack([zoo.Bidirectional(zoo.GRU(H + 1))]), 0, "units=4"),
    (zoo.Stack([zoo.Bidirectional(zoo.GRU(H), merge_mode="sum")]), 0, "merge_mode='sum'")])
def test_layers_of_another_kind_are_refused_in_one_line(stack, layer, received):
    with pytest.raises(ValueError, match=rf"^stack: expected as layer {layer}.* received .*{received}"):
        pytorch.load_state_dict(stack, state_dict("gru", 2, 2))


def test_a_stack_built_for_other_inputs_is_refused():
    stack = made("GRU")
    stack.build((None, None, D + 1))
    with pytest.raises(ValueError, match="^stack: expected one built for 5 .* received one for 6$"):
        pytorch.load_state_dict(stack, state_dict("gru", 1, 2))


def test_weights_that_are_none_are_refused_in_one_line():
    weights = state_dict("gru", 2)
    refused({"fc.weight": np.ones((2, 2))}, "names such as weight_ih_l0, received .*fc.weight")
    refused(state_dict("gru", prefix="rnn."), "received .*rnn.weight_ih_l0.*; set prefix")
    refused({**weights, "weight_hr_l0": np.ones((2, H))}, "without projection, received weight_hr_l")
    refused({k: v for k, v in weights.items() if k != "bias_hh_l1"}, r"also \['bias_hh_l1'\]")
    refused({k: v for k, v in weights.items() if not k.endswith("_l0")}, "also .*weight_ih_l0")
    refused({**weights, "weight_hh_l0": np.ones((2 * H, H))}, r"G = 1 .*, received \[6, 3\]")
    refused({**weights, "bias_ih_l1": np.ones(H)}, r"shapes .* in layer 1, received .*\(3,\)")


def refused(weights, message):
    with pytest.raises(ValueError, match=f"^state_dict: expected .*{message}") as error:
        pytorch.from_state_dict(weights)
    assert "\n" not in str(error.value)


def test_states_come_only_from_layers_that_return_them():
    stack = pytorch.from_state_dict(state_dict("lstm"), return_state=False)
    with pytest.raises(ValueError, match=r"^stack: expected return_state=True .*received \[False\]$"):
        pytorch.run(stack, given("lstm")[0])
    stack = pytorch.from_state_dict(state_dict("lstm"))
    with pytest.raises(ValueError, match="^initial_state: expected 2 tensors .*received 1$"):
        pytorch.run(stack, *given("lstm")[:2])
