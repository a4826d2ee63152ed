"""Truncated BPTT against its definition: for every t a pass of its own, at most k steps back, in NumPy.

    Row 8 of the equations:
    ∂E/∂U = Σ_t Σ_{j=t-k..t} δ_j^(t) ⊗ h_{j-1}    ∂E/∂W = Σ_t Σ_j δ_j^(t) ⊗ x_j    ∂E/∂b = Σ_t Σ_j δ_j^(t)

Written once more beside `reference.py`, one sequence and one step at a time as a reader of the formula
would, with outer products instead of matrix products over a batch.
"""
import dataclasses

import numpy as np
import pytest
import reference
import tensorflow as tf
from conftest import diagonal
from layer_checks import CELLS, H, T, assert_agree, case, computed, make, ready
from reference import sigmoid

import zoo

LENGTHS = (1, 4, T - 1, T, T + 3)
NAMES = ("dkernel", "drecurrent_kernel", "dbias")


# One step: the new state, and a function from its error to (∂W, ∂U, ∂b, the error of the old state).

def simple_rnn(x, W, U, b, h):
    """h' = tanh(x·W + h·U + b): made of the same step's x, not of x_{t-1} (row 1 of the equations)."""
    new = np.tanh(x @ W + h @ U + b)

    def back(dh):
        delta = (1 - new ** 2) * dh
        return np.outer(x, delta), np.outer(h, delta), delta, (U @ delta,)

    return (new,), back


def gru(x, W, U, b, h):
    """r = σ(x·W_r + h·U_r + b_r) has a U_r of its own, as each gate (row 12 of the equations)."""
    (xz, xr, xn), (uz, ur, un) = np.split(x @ W + b[0], 3), np.split(h @ U + b[1], 3)
    z, r = sigmoid(xz + uz), sigmoid(xr + ur)
    n = np.tanh(xn + r * un)

    def back(dh):
        dz, dn = dh * (h - n) * z * (1 - z), dh * (1 - z) * (1 - n ** 2)
        dr = dn * un * r * (1 - r)
        delta, inner = np.concatenate([dz, dr, dn]), np.concatenate([dz, dr, dn * r])
        return np.outer(x, delta), np.outer(h, inner), np.stack([delta, inner]), (dh * z + U @ inner,)

    return (z * h + (1 - z) * n,), back


def gru_reset_before(x, W, U, b, h):
    (xz, xr, xn), (Uz, Ur, Un) = np.split(x @ W + b, 3), np.split(U, 3, 1)
    z, r = sigmoid(xz + h @ Uz), sigmoid(xr + h @ Ur)
    n = np.tanh(xn + (r * h) @ Un)

    def back(dh):
        dz, dn = dh * (h - n) * z * (1 - z), dh * (1 - z) * (1 - n ** 2)
        dr = (Un @ dn) * h * r * (1 - r)
        delta = np.concatenate([dz, dr, dn])
        dU = np.concatenate([np.outer(h, dz), np.outer(h, dr), np.outer(r * h, dn)], 1)
        return np.outer(x, delta), dU, delta, (dh * z + Uz @ dz + Ur @ dr + r * (Un @ dn),)

    return (z * h + (1 - z) * n,), back


def lstm(x, W, U, b, h, c):
    ai, af, ag, ao = np.split(x @ W + h @ U + b, 4)
    i, f, g, o = sigmoid(ai), sigmoid(af), np.tanh(ag), sigmoid(ao)
    new = f * c + i * g

    def back(dh, dc):
        dc = dc + dh * o * (1 - np.tanh(new) ** 2)
        delta = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g ** 2),
                                dh * np.tanh(new) * o * (1 - o)])
        return np.outer(x, delta), np.outer(h, delta), delta, (U @ delta, dc * f)

    return (o * np.tanh(new), new), back


STEPS = {"simple_rnn": simple_rnn, "gru": gru, "gru_reset_before": gru_reset_before, "lstm": lstm}


def double_sum(cell, given, k):
    """∂E/∂W, ∂E/∂U, ∂E/∂b of E = Σ_t y_t·dy_t, summed over the sequences."""
    total = [np.zeros_like(weight) for weight in given.weights]
    for x, dy, *state in zip(given.x, given.dy, *given.states):
        backs = []
        for x_t in x:
            state, back = STEPS[cell](x_t, *given.weights, *state)
            backs.append(back)
        for t in range(len(x)):
            error = dy[t], *[np.zeros(H) for _ in state[1:]]     # E_t alone
            for j in range(t, max(0, t - k) - 1, -1):
                *terms, error = backs[j](*error)
                total = [a + term for a, term in zip(total, terms)]
    return dict(zip(NAMES, total))


def weight_gradients(cell, given, truncate):
    """The same of the layer, whose final states have no loss of their own."""
    without = dataclasses.replace(given, dstates=[np.zeros_like(d) for d in given.dstates])
    found = computed(make(cell, truncate=truncate), without)
    return {name: found[name] for name in NAMES}


@pytest.mark.parametrize("cell, k", diagonal(CELLS, LENGTHS))
def test_truncated_weight_gradients_are_the_double_sum(cell, k):
    given = case(cell, seed=3)
    assert_agree(weight_gradients(cell, given, k), double_sum(cell, given, k))


@pytest.mark.parametrize("cell", CELLS)
def test_from_the_length_less_one_on_the_double_sum_is_the_whole_gradient(cell):
    given = case(cell, seed=4)
    whole = weight_gradients(cell, given, None)
    for k in (T - 1, T, T + 3):
        assert_agree(double_sum(cell, given, k), whole)
    shorter = double_sum(cell, given, T - 2)
    assert all(np.abs(shorter[name] - whole[name]).max() > 1e-6 for name in NAMES)


def test_a_squared_loss_on_the_last_step_is_a_sum_over_the_way_back():
    """∂L_3/∂W_s = Σ_k ∂L_3/∂O_3·∂O_3/∂S_3·(Π_{j=k+1..3} ∂S_j/∂S_{j-1})·∂S_k/∂W_s.

    Rows 7 to 9 of the equations. L_3 = ½·‖Y_3 − O_3‖² is squared: else ∂L_3/∂O_3 would not know how
    far off the output is. Every ∂S_j/∂S_{j-1} is a matrix, diag(1 − S_j²)·W_sᵀ in this order, not a bare
    tanh′ before W_s, and δ comes after the diag. `truncate=k` keeps the k + 1 terms nearest to the loss.
    """
    given, draw = case("simple_rnn", batch=1, time=3), np.random.default_rng(6)
    (W, U, b), V, target = given.weights, draw.normal(size=(H, 2)), draw.normal(size=2)
    S = [given.states[0][0]]
    for x in given.x[0]:
        S.append(np.tanh(x @ W + S[-1] @ U + b))
    loss = 0.5 * ((target - S[3] @ V) ** 2).sum()
    error, dW, dU = V @ (S[3] @ V - target), np.zeros_like(W), np.zeros_like(U)
    for k, j in enumerate((3, 2, 1)):
        delta = np.diag(1 - S[j] ** 2) @ error
        dW, dU = dW + np.outer(given.x[0, j - 1], delta), dU + np.outer(S[j - 1], delta)
        error = (np.diag(1 - S[j] ** 2) @ U.T).T @ error
        if k:                                                   # a truncation to 0 steps is refused
            assert_agree(squared(k, given, V, target), {"loss": np.array(loss), "W": dW, "U": dU})


def squared(k, given, V, target):
    """L = ½·‖target − h_T·V‖² and its gradients, by a layer that truncates to k steps."""
    layer = make("simple_rnn", truncate=k, return_state=False, return_sequences=False)
    ready(layer, given)
    weights = [weight.value for weight in layer.trainable_weights[:2]]
    with tf.GradientTape() as tape:
        last = layer(tf.constant(given.x), initial_state=[tf.constant(s) for s in given.states])
        loss = tf.reduce_sum((target - last @ V) ** 2) / 2
    dW, dU = tape.gradient(loss, weights)
    return {"loss": loss.numpy(), "W": dW.numpy(), "U": dU.numpy()}


# Rows 1 and 8 in one network: words as one-hot vectors in, probabilities of words out.

def bptt(x, y, W, U, V, bh, by, k):
    """Σ_t −log ŷ_t[y_t] and its gradients. What is easily got wrong:

    1. The bias belongs to the state, tanh(W·x + U·h + bh), and is not multiplied: U·(h + bh).
    2. The error goes back through the recurrent kernel U, not W, which leads to the input.
    3. It goes back through 1 − h_{j-1}², of the state that the step read.
    4. The loss of a sequence is the sum over its steps: with the mean, no (ŷ_t − y_t) would stand alone
       in the gradients of V and by.
    """
    h = [np.zeros(len(bh))]     # h[t] is h_{t-1}: the first state comes first
    for word in x:
        h.append(np.tanh(W[:, word] + U @ h[-1] + bh))          # 1
    scores = np.exp(np.array(h[1:]) @ V.T + by)
    output = scores / scores.sum(1, keepdims=True)
    loss = -np.log(output[range(len(y)), y]).sum()              # 4
    output[range(len(y)), y] -= 1
    dW, dU, dV, dbh, dby = (np.zeros_like(weight) for weight in (W, U, V, bh, by))
    for t in range(len(x)):
        dV += np.outer(output[t], h[t + 1])
        dby += output[t]
        delta = (V.T @ output[t]) * (1 - h[t + 1] ** 2)
        for j in range(t, max(0, t - k) - 1, -1):
            dW[:, x[j]] += delta
            dU += np.outer(delta, h[j])
            dbh += delta
            delta = (U.T @ delta) * (1 - h[j] ** 2)             # 2, 3
    return {"loss": np.array(loss), "W": dW, "U": dU, "V": dV, "bh": dbh, "by": dby}


@pytest.mark.parametrize("k", (1, 4, 7, 9))
def test_a_network_of_words_has_the_gradients_of_truncated_bptt_by_hand(k):
    """As many words as units: a W in the place of U would fit, and give other numbers."""
    x, y, words = [1, 2, 3, 2, 0, 2, 4, 2], [1, 0, 2, 3, 1, 3, 0, 1], 5
    normal = np.random.default_rng(7).normal
    W, U, V, bh, by = (normal(scale=0.7, size=shape) for shape in (
        (words, words), (words, words), (words, words), (words,), (words,)))
    layer = zoo.SimpleRNN(words, return_sequences=True, truncate=k, dtype="float64")
    layer.build((None, None, words))
    layer.set_weights([W.T, U.T, bh])
    head = tf.constant(V), tf.constant(by)
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(head)
        h = layer(tf.one_hot([x], words, dtype=tf.float64))[0]
        logits = tf.matmul(h, head[0], transpose_b=True) + head[1]
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    dW, dU, dbh, dV, dby = (a.numpy() for a in tape.gradient(loss, [*weights, *head]))
    assert_agree({"loss": loss.numpy(), "W": dW.T, "U": dU.T, "V": dV, "bh": dbh, "by": dby},
                 bptt(x, y, W, U, V, bh, by, k))


@pytest.mark.parametrize("cell", CELLS)
def test_the_double_sum_is_that_of_the_oracle(cell):
    """Two writings of one formula: a slip in either would show."""
    given = case(cell, seed=5)
    oracle = reference.gradients(cell, given.weights, given.x, given.dy, truncate=2, states=given.states)
    assert_agree({name: getattr(oracle, name[1:]) for name in NAMES}, double_sum(cell, given, 2))
