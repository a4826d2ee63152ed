"""What a recurrent layer does besides its equations: frozen weights, cells of one's own, no steps."""
import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import gradient_flow
from zoo.cells.lstm import LSTMCell
from zoo.cells.simple_rnn import SimpleRNNCell

x = tf.random.stateless_normal([2, 5, 3], [1, 2])
FROZEN = {
    "simple_rnn": lambda **more: zoo.SimpleRNN(4, **more), "gru": lambda **more: zoo.GRU(4, **more),
    "lstm": lambda **more: zoo.LSTM(4, **more),
    "output_recurrent": lambda **more: zoo.OutputRecurrentRNN(4, 2, **more),
    "cudnn": lambda **more: zoo.CudnnLSTM(num_layers=2, units=4, **more)}


@pytest.mark.parametrize("name", FROZEN)
def test_what_is_frozen_stays_so(name):
    later = FROZEN[name]()
    later(x)
    later.trainable = False
    for layer in (FROZEN[name](trainable=False), type(later).from_config(later.get_config())):
        model = keras.Sequential([layer])
        model(x)
        assert model.weights and not model.trainable_weights and not layer.trainable_weights
        layer.trainable = True
        assert len(model.trainable_weights) == len(later.weights)


@pytest.mark.parametrize("decoder, inputs", [
    (lambda: zoo.Decoder(zoo.LSTM(4, trainable=False), trainable=False), (x, tf.ones([2, 6]))),
    (lambda: zoo.AttentionDecoder(zoo.LSTM(4, trainable=False), trainable=False),
     (x, tf.ones([2, 4, 6]), tf.ones([2, 6])))])
def test_what_a_decoder_makes_is_frozen_with_it(decoder, inputs):
    decoder = decoder()
    decoder(*inputs)
    assert decoder.weights and not [weight for weight in decoder.weights if weight.trainable]


def test_inputs_of_a_width_that_the_graph_does_not_know_are_dropped():
    layer = zoo.GRU(4, dropout=0.5)
    layer(x)
    call = tf.function(lambda x: layer(x, training=True),
                       input_signature=[tf.TensorSpec([None, None, None], tf.float32)])
    assert call(x).shape == (2, 4)


class Half(SimpleRNNCell):
    """A step of its own with its gradient, in which the weights enter as before."""

    def step(self, x_gates, states, weights, dropout=None):
        return super().step(x_gates, states, weights, dropout)

    def linearise(self, x_gates, states, new, weights, dropout):
        return super().linearise(x_gates, states, new, weights, dropout)

    def backward(self, errors, local, weights, dropout):
        return super().backward(errors, local, weights, dropout)


def test_a_gradient_that_comes_with_its_step_is_taken():
    assert Half(3).has_backward


class Doubled(LSTMCell):
    """Other equations, and no gradient of their own."""

    def step(self, x_gates, states, weights, dropout=None):
        h, c = super().step(x_gates, states, weights, dropout)
        return 2 * h, c


class DoubledLSTM(zoo.LSTM):
    cell_class = Doubled


def test_a_cell_with_a_step_of_its_own_has_the_gradient_of_that_step():
    layer = DoubledLSTM(4)
    layer(x)
    assert not layer.cell.has_backward and zoo.LSTM(4).cell.has_backward and not layer.supports_jit
    kernel = layer.cell.recurrent_kernel

    def loss(value):
        kernel.assign(value)
        return float(tf.reduce_sum(layer(x) ** 2))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x) ** 2)
    found, start = tape.gradient(total, kernel.value).numpy(), kernel.numpy()
    for place in ((0, 0), (3, 7), (2, 13)):
        moved = np.zeros_like(start)
        moved[place] = 1e-2
        assert found[place] == pytest.approx((loss(start + moved) - loss(start - moved)) / 2e-2, abs=2e-3)


@pytest.mark.parametrize("options", [{"truncate": 2}, {"dropout": 0.3}, {"zero_output_for_mask": True}])
@pytest.mark.parametrize("engine", ["loop", "auto"])
def test_sequences_without_steps_leave_the_first_states(options, engine):
    if options.get("truncate") and engine == "auto":
        pytest.skip("the same engine")
    layer, state = zoo.GRU(4, engine=engine, return_state=True, **options), tf.ones([2, 4])
    empty, mask = tf.zeros([2, 0, 3]), tf.zeros([2, 0], tf.bool)
    with tf.GradientTape() as tape:
        tape.watch(state)
        output, last = layer(empty, initial_state=state, mask=mask, training=True)
    np.testing.assert_array_equal(output, np.zeros([2, 4]))
    np.testing.assert_array_equal(last, state)
    np.testing.assert_array_equal(tape.gradient(last, state), np.ones([2, 4]))


def test_a_decoder_takes_ragged_inputs_by_their_name():
    decoder, c = zoo.Decoder(zoo.GRU(4)), tf.ones([2, 6])
    ragged = tf.RaggedTensor.from_tensor(x, lengths=[5, 3])
    (found, states), (wanted, last) = decoder(inputs=ragged, vector=c), decoder(
        x, c, inputs_mask=tf.sequence_mask([5, 3], 5))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(states, last, atol=1e-6)


def test_a_stack_refuses_an_order_that_does_not_fit_the_mask():
    back, front = zoo.LSTM(3, go_backwards=True, return_sequences=True), zoo.LSTM(3)
    with pytest.raises(ValueError, match="mask: expected none where a layer below another has go_back"):
        zoo.Stack([back, front])(x, mask=tf.ones([2, 5], tf.bool))
    assert zoo.Stack([back, front])(x).shape == (2, 3)
    with pytest.raises(ValueError, match="residual: expected go_backwards=False"):
        zoo.Stack([zoo.LSTM(3, return_sequences=True), back], residual=True)
    last = zoo.LSTM(3, go_backwards=True)
    stack = zoo.Stack([zoo.LSTM(3, return_sequences=True), last], residual=True)
    assert stack(x, mask=tf.ones([2, 5], tf.bool)).shape == (2, 3)


def test_an_activation_with_weights_is_refused():
    with pytest.raises(ValueError, match="activation: expected an activation without weights of its own"):
        zoo.SimpleRNN(8, activation=keras.layers.PReLU())


def test_the_flow_of_a_step_without_a_gradient_is_refused():
    with pytest.raises(ValueError, match="received Doubled, whose step has none"):
        gradient_flow.errors_through_time(DoubledLSTM(4), x, tf.ones([2, 4]))
