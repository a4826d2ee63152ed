"""Time: the forward scan, backpropagation through time, masks, zoneout and truncation.

Nothing here knows a gate. A cell (see `cell.py`) gives the equations of one step; where it gives the
first alone, TensorFlow differentiates the loop:

    states' = step(x_gates, states)                 forward, t = 1 … T
    local   = linearise(x_gates, states, states')   derivatives of every step, all t at once
    δ, errors = backward(errors', local)            linear in the errors, t = T … 1

The error of a step's gates, δ_t = ∂L/∂x_gates_t, is all that the weights need: ∂L/∂U = Σ_t h_{t-1} ⊗ δ_t
is one product after the loop, and ∂L/∂W, ∂L/∂b, ∂L/∂x follow from ∂L/∂x_gates outside this file.

Outside arrays are batch-major. In here they are time-major: `x_gates` [T, B, G·H], states [B, H],
sequences of states [T, B, H].

Source: Werbos 1990 (BPTT); Williams & Peng 1990 (truncation); Krueger et al. 2017 (zoneout).
"""

import dataclasses

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util, record

from zoo.ops.masks import cleared
from zoo.ops.while_loop import loop, put, reserve, stack


@dataclasses.dataclass(frozen=True)
class Timing:
    """What a recurrence does besides its cell's equations; arrays batch-major.

    mask          [B, T] bool or None: where False, the state is carried over unchanged
    zoneout       None, or for each state a tensor [B, T, H] or scalar: the share of the old state
                  that is kept (0 or 1 drawn while training, the rate itself at inference)
    dropout       [B, H] or None: multiplies h wherever it enters a recurrent product
    weight_drop   [H, G·H] or None: multiplies the recurrent kernel
    truncate      None, or how many steps at the most an error flows back
    go_backwards  take the steps from the last to the first
    unroll        write the loop out in the graph; needs a static length
    """

    mask: tf.Tensor | None = None
    zoneout: tuple | None = None
    dropout: tf.Tensor | None = None
    weight_drop: tf.Tensor | None = None
    truncate: int | None = None
    go_backwards: bool = False
    unroll: bool = False

    def in_time(self, array):
        """[B, T, …] → [T, B, …], in the order in which the steps are taken."""
        array = tf.transpose(array, [1, 0, 2])
        return tf.reverse(array, [0]) if self.go_backwards else array

    def time_major(self):
        """The same with time-major arrays: mask [T, B, 1], zoneout [T, B, H]."""
        mask = None if self.mask is None else tf.expand_dims(self.mask, -1)
        return dataclasses.replace(self, mask=mask).changed(self.in_time)

    def changed(self, change):
        """The same with change(array) for every array that has a time axis."""
        mask, zoneout = self.mask, self.zoneout
        if mask is not None:
            mask = change(mask)
        if zoneout is not None:
            zoneout = tuple(share if share.shape.rank == 0 else change(share) for share in zoneout)
        return dataclasses.replace(self, mask=mask, zoneout=zoneout)


def unmet(layer):
    """The loop supports everything: there is never an unmet condition."""
    return None


def run(cell, inputs, states, timing, return_sequences):
    """All steps of a recurrence; differentiable in inputs, states and all the cell's weights.

    Args:    cell              the equations
             inputs            [B, T, D]
             states            initial states, each [B, H]
             timing            mask, zoneout, dropout, DropConnect, truncation
             return_sequences  whether the sequence h_1 … h_T is wanted
    Returns: the sequence [B, T, H] in the order in which the steps are taken, or None; final states
    """
    x_gates = cell.input_gates(timing.in_time(cleared(inputs, timing.mask)))
    sequence, states = recur(cell, x_gates, states, timing.time_major(), return_sequences)
    return None if sequence is None else tf.transpose(sequence, [1, 0, 2]), states


def recur(cell, x_gates, states, timing, return_sequences):
    """The recurrence alone, time-major, with its gradient written out: see the top of the file."""
    weights = cell.recurrent_weights(timing.weight_drop)
    if not cell.has_backward:
        sequences, final = scan(cell, x_gates, states, weights, timing, int(return_sequences))
        return (sequences[0] if return_sequences else None), final
    count = len(states)
    # Without a tape nothing is kept; a gradient asked for all the same computes the states again.
    keep = record.should_record_backprop([x_gates, *states, *weights])

    @tf.custom_gradient
    def recurrence(x_gates, *tensors):
        states, weights = tensors[:count], tensors[count:]
        collect = count if keep else int(return_sequences)
        sequences, final = scan(cell, x_gates, states, weights, timing, collect)

        def gradient(*upstream):
            kept = sequences
            if not keep:
                kept, _ = scan(cell, x_gates, states, weights, timing, count)
            dy = upstream[0] if return_sequences else None
            return _backpropagate(cell, x_gates, states, weights, timing, kept, dy,
                                  upstream[int(return_sequences):])

        return (sequences[:1] if return_sequences else []) + final, gradient

    if in_forward_mode(x_gates, *states, *weights):
        recurrence = tf.function(recurrence, autograph=False)  # which knows no tensor lists elsewhere
    outputs = recurrence(x_gates, *states, *weights)
    if return_sequences:
        return outputs[0], outputs[1:]
    return None, outputs


def in_forward_mode(*tensors):
    """Whether a `tf.autodiff.ForwardAccumulator` follows one of these tensors eagerly."""
    return tf.executing_eagerly() and bool(forwardprop_util.pack_tangents(tensors).tangents)


def scan(cell, x_gates, states, weights, timing, collect, steps=None):
    """Steps 1 … T, or as many as `steps` says: the sequences are zero after them.

    Returns: the sequences of the first `collect` states [T, B, H], and the final states
    """
    room = tf.shape(x_gates)[0]

    def step(t, states, sequences):
        new = cell.step(tf.gather(x_gates, t), states, weights, timing.dropout)
        new = hold(new, states, timing, t)
        return new, [put(sequence, t, state) for sequence, state in zip(sequences, new)]

    shapes = [tf.shape(state) for state in states[:collect]]
    empty = [reserve(room, shape, x_gates.dtype) for shape in shapes]
    states, sequences = loop(
        step, room if steps is None else steps, list(states), empty, timing.unroll and x_gates.shape[0])
    return [stack(s, shape, x_gates.dtype) for s, shape in zip(sequences, shapes)], states


def hold(new, old, timing, t):
    """Zoneout keeps a share of the old state; a masked step keeps all of it."""
    if timing.zoneout is not None:
        shares = [_at(share, t) for share in timing.zoneout]
        new = [share * o + (1 - share) * n for share, o, n in zip(shares, old, new)]
    if timing.mask is not None:
        unmasked = tf.gather(timing.mask, t)
        new = [tf.where(unmasked, n, o) for o, n in zip(old, new)]
    return list(new)


def _backpropagate(cell, x_gates, states, weights, timing, sequences, dy, dfinal):
    """∂L/∂x_gates, ∂L/∂states, ∂L/∂weights, given dy [T, B, H] or None and the final states' errors."""
    previous = [tf.concat([s[None], sequence], 0)[:-1] for s, sequence in zip(states, sequences)]
    new = sequences if timing.zoneout is None else None
    local = cell.linearise(x_gates, previous, new, weights, timing.dropout)
    if timing.mask is not None:
        local = [tf.where(timing.mask, a, tf.zeros([], a.dtype)) for a in local]
    errors_of = _errors_through_time if timing.truncate is None else _errors_by_lag
    delta, dstates = errors_of(cell, weights, local, timing, dy, list(dfinal), tf.shape(x_gates))
    return [delta, *dstates, *cell.weight_gradients(delta, previous, local, timing.dropout)]


def _back(cell, weights, timing, errors, local, held):
    """One step back: errors of the new states → δ and the errors of the old states. Linear."""
    if held is None:
        return cell.backward(errors, local, weights, timing.dropout)
    moved = [(1 - share) * error for share, error in zip(held, errors)]
    delta, before = cell.backward(moved, local, weights, timing.dropout)
    return delta, [b + share * error for b, share, error in zip(before, held, errors)]


def _held(timing, count, dtype):
    """For each state the share that a step copies from the old one, [T, B, 1 or H]; None if none."""
    if timing.mask is None:
        return timing.zoneout
    shares = timing.zoneout or count * [tf.zeros([], dtype)]
    return [tf.where(timing.mask, share, tf.ones([], dtype)) for share in shares]


def _errors_through_time(cell, weights, local, timing, dy, errors, shape):
    """δ_T … δ_1 in a loop: a step's errors are those from above plus those of the step after it."""
    held = _held(timing, len(errors), local[0].dtype)

    def step(s, errors, deltas):
        t = shape[0] - 1 - s
        if dy is not None:
            errors = [errors[0] + tf.gather(dy, t), *errors[1:]]
        delta, errors = _back(cell, weights, timing, errors, [tf.gather(a, t) for a in local],
                              held and [_at(share, t) for share in held])
        return errors, [put(deltas[0], t, delta)]

    empty = [reserve(shape[0], shape[1:], local[0].dtype)]
    errors, deltas = loop(step, shape[0], errors, empty, timing.unroll and local[0].shape[0])
    return stack(deltas[0], shape[1:], local[0].dtype), errors


def _errors_by_lag(cell, weights, local, timing, dy, errors, shape):
    """δ of truncated BPTT: the error of every step t flows back to t, t-1 … t-truncate, all t at once.

    δ_j = Σ_{l=0..truncate} δ_j^(l), where δ^(l) is what the errors injected l steps later have become.
    A lag moves every error one step back: one product over all steps, and a shift.
    """
    held = _held(timing, len(errors), local[0].dtype)
    last = [tf.concat([tf.zeros_like(_tail(error, shape)), error[None]], 0) for error in errors]
    if dy is not None:
        last[0] += dy

    def lag(_, carried, unused):
        delta, dstates, errors = carried[0], carried[1:1 + len(last)], carried[1 + len(last):]
        more, before = _back(cell, weights, timing, errors, local, held)
        shifted = [tf.concat([b[1:], tf.zeros_like(b[:1])], 0) for b in before]
        return [delta + more, *[d + b[0] for d, b in zip(dstates, before)], *shifted], unused

    start = [tf.zeros(shape, local[0].dtype), *[tf.zeros_like(error) for error in errors], *last]
    lags = tf.minimum(timing.truncate + 1, shape[0])
    carried, _ = loop(lag, lags, start, [], False)
    # Where there are no steps the last states are the first ones.
    return carried[0], [tf.where(shape[0] > 0, back, error)
                        for back, error in zip(carried[1:1 + len(last)], errors)]


def _tail(error, shape):
    """Room for the errors of all steps but the last: [T-1, B, H]."""
    return tf.broadcast_to(error, tf.concat([[tf.maximum(shape[0] - 1, 0)], tf.shape(error)], 0))


def _at(share, t):
    """A share at time t; a rate is the same at all times."""
    return tf.gather(share, t) if share.shape.rank == 3 else share
