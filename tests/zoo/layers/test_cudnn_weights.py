"""Plain weights to cuDNN's buffer and back."""
import numpy as np
import pytest
import tensorflow as tf
from cudnn_checks import (GATES, arrays, deep, each_direction, each_mode, linear_layers,
                          with_gpu)
from layer_checks import D, H, case

from zoo.engines import cudnn


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


@with_gpu
@pytest.mark.parametrize("skip", (False, True))
@each_direction
@each_mode
def test_cudnn_counts_as_many_numbers_in_a_buffer(mode, directions, skip):
    found = tf.raw_ops.CudnnRNNParamsSize(
        num_layers=3, num_units=H, input_size=H, T=tf.float32, S=tf.int32, rnn_mode=mode,
        input_mode="skip_input" if skip else "linear_input",
        direction=("unidirectional", "bidirectional")[directions - 1])
    assert int(found[0]) == cudnn.buffer_size(GATES[mode], H, H, 3, directions, skip)
