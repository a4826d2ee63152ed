"""Gradient flow: how an error fades or grows on its way back through time.

    ∂L/∂s_{t-1} = J_tᵀ·∂L/∂s_t                  J_t = ∂s_t/∂s_{t-1}
    ∂L/∂s_t = (J_T … J_{t+1})ᵀ·∂L/∂s_T          for a loss on the last state alone

The state s is h, or h and c side by side for an LSTM; N is its width, H or 2H. What is measured is the
recurrence of a cell alone: a layer's mask, zoneout, dropout, direction and truncation take no part.
It is a diagnostic: the steps are written out one by one.

Source: Bengio et al. 1994; Pascanu et al. 2013.
"""

import numpy as np
import tensorflow as tf

from zoo.cells.cell import Cell


def errors_through_time(layer, x, dy, states=None):
    """∂L/∂s_t for t = 0 … T, by the cell's own hand-written backward step.

        ∂L/∂s_{t-1} = backward(∂L/∂s_t),  and dy_t is added to ∂L/∂h_t

    h and c of an LSTM are two states side by side: the error of each is what comes back through it from
    the steps after t. (The whole ∂L/∂c_t has ∂L/∂h_t·∂h_t/∂c_t besides.)

    Args:    layer   a recurrent layer or cell of the zoo, built or not
             x       [B, T, D], in the order in which the steps are taken
             dy      ∂L/∂y: [B, T, H], or [B, H] for a loss on the last step alone
             states  the first states, each [B, H]; zeros when left out
    Returns: an array [B, T+1, H] for h, and for an LSTM another one for c
    Raises:  ValueError: not a layer or cell of the zoo, a step without a gradient of its own, shapes that
             do not fit
    Source:  Werbos 1990

    >>> from zoo import LSTM
    >>> dh, dc = errors_through_time(LSTM(4), np.ones([2, 5, 3]), np.ones([2, 4]))
    >>> tuple(dh.shape), bool(tf.reduce_all(dh[:, -1] == 1))
    ((2, 6, 4), True)
    """
    cell, x_gates, states = _unrolled(layer, x, states)
    dy = _at_every_step(dy, states[0])
    errors = [tf.zeros_like(state[0]) for state in states]
    local, weights, path = _local(cell, x_gates, states), cell.recurrent_weights(), []
    for t in reversed(range(len(dy))):
        errors = [errors[0] + dy[t], *errors[1:]]
        path.append(errors)
        _, errors = cell.backward(errors, [a[t] for a in local], weights, None)
    path.append(errors)
    return [tf.stack(steps[::-1], 1) for steps in zip(*path)]


def gradient_norms(layer, x, dy, states=None):
    """‖∂L/∂s_t‖ for t = 0 … T: an array [B, T+1] for h, and for an LSTM another one for c.

    Args and errors are those of `errors_through_time`.

    >>> from zoo import SimpleRNN
    >>> still = SimpleRNN(2, recurrent_initializer="zeros")     # no recurrence: nothing flows back
    >>> gradient_norms(still, np.ones([1, 3, 1]), np.array([[3.0, 4.0]]))[0].numpy().tolist()
    [[0.0, 0.0, 0.0, 5.0]]
    """
    return [tf.norm(errors, axis=-1) for errors in errors_through_time(layer, x, dy, states)]


def jacobians(layer, x, states=None):
    """J_t = ∂s_t/∂s_{t-1} of every step: row k is the derivative of unit k.

    The backward step takes e_k to row k, since ∂L/∂s_{t-1} = J_tᵀ·∂L/∂s_t; all k and t go in at once.

    Args:    layer, x, states  as `errors_through_time`
    Returns: [B, T, N, N]
    Raises:  ValueError: not a layer or cell of the zoo, a step without a gradient of its own, shapes that
             do not fit

    >>> from zoo import SimpleRNN
    >>> linear = SimpleRNN(2, activation="linear")
    >>> J = jacobians(linear, np.ones([1, 3, 1]))
    >>> bool(tf.reduce_all(J == tf.transpose(linear.cell.recurrent_kernel.value)))
    True
    """
    cell, x_gates, states = _unrolled(layer, x, states)
    T, B, H = states[0][1:].shape
    N = H * len(states)
    units = tf.broadcast_to(tf.eye(N, dtype=x_gates.dtype)[:, None, None], [N, T, B, N])
    errors = tf.split(units, len(states), -1)
    _, rows = cell.backward(errors, _local(cell, x_gates, states), cell.recurrent_weights(), None)
    return tf.transpose(tf.concat(rows, -1), [2, 1, 0, 3])


def jacobian_products(jacobians):
    """∂s_T/∂s_t = J_T … J_{t+1} for t = 0 … T; the last one is the identity.

    The product of row 9 of docs/equations.md; `gradient_norms` has its norms without the matrices.

    Args:    jacobians  [B, T, N, N]
    Returns: [B, T+1, N, N]

    >>> jacobian_products(np.array([2.0, 3.0, 5.0]).reshape(1, 3, 1, 1))[0, :, 0, 0].numpy().tolist()
    [30.0, 15.0, 5.0, 1.0]
    """
    jacobians = tf.convert_to_tensor(jacobians)
    products = [tf.eye(jacobians.shape[-1], batch_shape=jacobians.shape[:1], dtype=jacobians.dtype)]
    for J in reversed(tf.unstack(jacobians, axis=1)):
        products.append(products[-1] @ J)
    return tf.stack(products[::-1], 1)


def spectral_radii(recurrent_kernel):
    """max |eigenvalue| of each gate's block of a recurrent kernel: [H, G·H] → [G].

    Raises:  ValueError: another shape

    >>> spectral_radii([[2.0, 1.0], [0.0, -4.0]])
    array([4.])
    """
    return np.abs(np.linalg.eigvals(_blocks(recurrent_kernel))).max(-1)


def with_spectral_radius(recurrent_kernel, radius):
    """A recurrent kernel scaled so that each gate's block [H, H] has the spectral radius wanted.

        U_gate ← U_gate·radius / max |eigenvalue of U_gate|

    Args:    recurrent_kernel  [H, G·H]
             radius            a positive number
    Returns: [H, G·H], a NumPy array
    Raises:  ValueError: another shape; a radius that is not positive; a block whose eigenvalues are all 0
    Source:  Jaeger 2001

    >>> with_spectral_radius([[2.0, 1.0], [0.0, -4.0]], 0.5).tolist()
    [[0.25, 0.125], [0.0, -0.5]]
    """
    if not (radius > 0 and np.isfinite(radius)):
        raise ValueError(f"radius: expected a positive number, received {radius!r}")
    found = spectral_radii(recurrent_kernel)
    if not found.all():
        raise ValueError("recurrent_kernel: expected blocks that can be scaled to a spectral radius, "
                         f"received blocks with the radii {found.tolist()}; initialise it otherwise")
    blocks = _blocks(recurrent_kernel) * (radius / found)[:, None, None]
    return np.concatenate(blocks, -1)


def _blocks(recurrent_kernel):
    """[H, G·H] → [G, H, H]."""
    kernel = np.asarray(recurrent_kernel)
    if kernel.ndim != 2 or not kernel.size or kernel.shape[1] % kernel.shape[0]:
        raise ValueError(f"recurrent_kernel: expected [H, G·H], received {list(kernel.shape)}")
    return np.stack(np.split(kernel, kernel.shape[1] // kernel.shape[0], -1))


def _unrolled(layer, x, states):
    """The cell, its input gates [T, B, G·H], and every state from the first to the last [T+1, B, H]."""
    cell = getattr(layer, "cell", layer)
    if not isinstance(cell, Cell):
        raise ValueError("expected a recurrent layer or cell of the zoo, received "
                         f"{type(layer).__module__}.{type(layer).__name__}")
    if not cell.has_backward:
        raise ValueError("expected a cell whose step has linearise, backward and weight_gradients, "
                         f"received {type(cell).__name__}, whose step has none")
    x = tf.convert_to_tensor(x, cell.compute_dtype)
    if x.shape.rank != 3 or 0 in x.shape:
        raise ValueError(f"x: expected [B, T, D], none of them 0, received {x.shape.as_list()}")
    if not layer.built:
        layer.build(x.shape)
    x_gates, weights = cell.input_gates(tf.transpose(x, [1, 0, 2])), cell.recurrent_weights()
    path = [[tf.convert_to_tensor(state, cell.compute_dtype) for state in states]
            if states else cell.get_initial_state(x.shape[0])]
    for now in tf.unstack(x_gates):
        path.append(cell.step(now, path[-1], weights))
    return cell, x_gates, [tf.stack(steps) for steps in zip(*path)]


def _local(cell, x_gates, states):
    """The local derivatives of every step: what the backward step needs."""
    before, after = [state[:-1] for state in states], [state[1:] for state in states]
    return cell.linearise(x_gates, before, after, cell.recurrent_weights(), None)


def _at_every_step(dy, h):
    """∂L/∂y as [T, B, H] for states h [T+1, B, H]."""
    dy = tf.convert_to_tensor(dy, h.dtype)
    T, B, H = h[1:].shape
    if dy.shape == (B, H):
        return tf.concat([tf.zeros_like(h[2:]), dy[None]], 0)
    if dy.shape != (B, T, H):
        raise ValueError(f"dy: expected {[B, T, H]} or {[B, H]}, received {dy.shape.as_list()}")
    return tf.transpose(dy, [1, 0, 2])
