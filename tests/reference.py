"""The oracle: recurrent layers and their gradients in float64 NumPy, straight from the equations.

Everything else is measured against this file, so it is written to be read beside the
literature and not to be fast. It imports nothing of the project, and no TensorFlow.

    B T D H      batch, time, input and hidden size
    x            [B, T, D]
    kernel W     [D, G·H], input → hidden
    recurrent U  [H, G·H], hidden → hidden
    bias b       [G·H]; for the GRU with the reset gate after the product [2, G·H]
    gates        LSTM i f c o; GRU z r h (Keras's order)
    φ, σ         activation and recurrent activation
    m            recurrent dropout: multiplies h_{t-1} wherever it meets U
    γ, N         gain [2, G·H] and layer normalisation, N over the H units of each gate
    d…           ∂loss/∂…

Sources: Elman 1990; Hochreiter & Schmidhuber 1997, Gers et al. 2000; Cho et al. 2014;
zoneout, Krueger et al. 2017; truncation, Williams & Peng 1990; layer normalisation, Ba et al. 2016.
"""
import dataclasses

import numpy as np


def sigmoid(a):
    """1 / (1 + e^-a), written so that it never overflows."""
    return 0.5 * (1 + np.tanh(0.5 * a))


# name: (function, its derivative as a function of its own value)
ACTIVATIONS = {
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "sigmoid": (sigmoid, lambda y: y * (1 - y)),
    "relu": (lambda a: np.maximum(a, 0), lambda y: (y > 0) * 1.0),
    "linear": (lambda a: a, np.ones_like),
    "hard_sigmoid": (lambda a: np.clip(a / 6 + 0.5, 0, 1), lambda y: ((y > 0) & (y < 1)) / 6),
}


@dataclasses.dataclass
class Weights:
    """Kernel, recurrent kernel and bias, and the functions that are the layer's, not the data's.

    The gains of the products, the gain and the bias of the memory are those of layer normalisation.
    """
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    gain: np.ndarray = None
    state_gain: np.ndarray = None
    state_bias: np.ndarray = None
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"

    def phi(self, a):
        return ACTIVATIONS[self.activation][0](a)

    def dphi(self, y):
        return ACTIVATIONS[self.activation][1](y)

    def sigma(self, a):
        return ACTIVATIONS[self.recurrent_activation][0](a)

    def dsigma(self, y):
        return ACTIVATIONS[self.recurrent_activation][1](y)


class SimpleRNN:
    """h' = φ(x·W + (m⊙h)·U + b)"""
    gates, states = 1, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        h_new = w.phi(x @ w.kernel + (m * h) @ w.recurrent_kernel + w.bias)
        return (h_new,), (x, h, h_new)

    @staticmethod
    def back(dstate, saved, w, m):
        x, h, h_new = saved
        delta = dstate[0] * w.dphi(h_new)
        dx = delta @ w.kernel.T
        dh = m * (delta @ w.recurrent_kernel.T)
        return dx, (dh,), (x.T @ delta, (m * h).T @ delta, delta.sum(0))


class LSTM:
    """i f o = σ(…), g = φ(…) of x·W + (m⊙h)·U + b;  c' = f⊙c + i⊙g;  h' = o⊙φ(c')"""
    gates, states = 4, 2

    @staticmethod
    def step(x, state, w, m):
        h, c = state
        a = x @ w.kernel + (m * h) @ w.recurrent_kernel + w.bias
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, g, o = w.sigma(a_i), w.sigma(a_f), w.phi(a_g), w.sigma(a_o)
        c_new = f * c + i * g
        s = w.phi(c_new)
        return (o * s, c_new), (x, h, c, i, f, g, o, s)

    @staticmethod
    def back(dstate, saved, w, m):
        x, h, c, i, f, g, o, s = saved
        dh_new, dc_new = dstate
        dc_new = dc_new + dh_new * o * w.dphi(s)
        delta = np.concatenate([
            dc_new * g * w.dsigma(i),
            dc_new * c * w.dsigma(f),
            dc_new * i * w.dphi(g),
            dh_new * s * w.dsigma(o)], axis=1)
        dx = delta @ w.kernel.T
        dh = m * (delta @ w.recurrent_kernel.T)
        dc = dc_new * f
        return dx, (dh, dc), (x.T @ delta, (m * h).T @ delta, delta.sum(0))


class GRU:
    """The reset gate after the recurrent product (cuDNN's form), b = (b_x, b_u).

    a = x·W + b_x;  u = (m⊙h)·U + b_u
    z = σ(a_z + u_z);  r = σ(a_r + u_r);  g = φ(a_h + r⊙u_h);  h' = z⊙h + (1-z)⊙g
    """
    gates, states = 3, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        a_z, a_r, a_h = np.split(x @ w.kernel + w.bias[0], 3, axis=1)
        u_z, u_r, u_h = np.split((m * h) @ w.recurrent_kernel + w.bias[1], 3, axis=1)
        z, r = w.sigma(a_z + u_z), w.sigma(a_r + u_r)
        g = w.phi(a_h + r * u_h)
        return (z * h + (1 - z) * g,), (x, h, z, r, g, u_h)

    @staticmethod
    def back(dstate, saved, w, m):
        x, h, z, r, g, u_h = saved
        dh_new, = dstate
        da_z = dh_new * (h - g) * w.dsigma(z)
        da_h = dh_new * (1 - z) * w.dphi(g)
        da_r = da_h * u_h * w.dsigma(r)
        da = np.concatenate([da_z, da_r, da_h], axis=1)
        du = np.concatenate([da_z, da_r, da_h * r], axis=1)
        dx = da @ w.kernel.T
        dh = dh_new * z + m * (du @ w.recurrent_kernel.T)
        return dx, (dh,), (x.T @ da, (m * h).T @ du, np.stack([da.sum(0), du.sum(0)]))


class GRUResetBefore:
    """The reset gate before the recurrent product (the textbook form).

    a = x·W + b;  z = σ(a_z + (m⊙h)·U_z);  r = σ(a_r + (m⊙h)·U_r)
    g = φ(a_h + (r⊙m⊙h)·U_h);  h' = z⊙h + (1-z)⊙g
    """
    gates, states = 3, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        u_z, u_r, u_h = np.split(w.recurrent_kernel, 3, axis=1)
        a_z, a_r, a_h = np.split(x @ w.kernel + w.bias, 3, axis=1)
        z, r = w.sigma(a_z + (m * h) @ u_z), w.sigma(a_r + (m * h) @ u_r)
        g = w.phi(a_h + (r * m * h) @ u_h)
        return (z * h + (1 - z) * g,), (x, h, z, r, g)

    @staticmethod
    def back(dstate, saved, w, m):
        x, h, z, r, g = saved
        dh_new, = dstate
        u_z, u_r, u_h = np.split(w.recurrent_kernel, 3, axis=1)
        da_z = dh_new * (h - g) * w.dsigma(z)
        da_h = dh_new * (1 - z) * w.dphi(g)
        drh = da_h @ u_h.T
        da_r = drh * m * h * w.dsigma(r)
        da = np.concatenate([da_z, da_r, da_h], axis=1)
        dx = da @ w.kernel.T
        dh = dh_new * z + m * (da_z @ u_z.T + da_r @ u_r.T + drh * r)
        du = np.concatenate(
            [(m * h).T @ da_z, (m * h).T @ da_r, (r * m * h).T @ da_h], axis=1)
        return dx, (dh,), (x.T @ da, du, da.sum(0))


class Normalized:
    """y = γ⊙N(a) with N(a) = (a - mean a) / √(var a + ε) over each gate's units; back by its Jacobian.

    ∂N_i/∂a_j = ((i = j) - 1/H - N_i·N_j/H) / √(var a + ε)
    """

    def __init__(self, a, gain, units, epsilon=1e-3):
        groups = a.reshape(len(a), -1, units)
        deviation = np.sqrt(groups.var(axis=2, keepdims=True) + epsilon)
        n = (groups - groups.mean(axis=2, keepdims=True)) / deviation
        self.jacobian = (np.eye(units) - 1 / units - n[..., :, None] * n[..., None, :] / units
                         ) / deviation[..., None]  # [B, G, H, H]
        self.gain, self.n = gain, n.reshape(a.shape)
        self.y = gain * self.n

    def back(self, dy):
        """∂L/∂a and ∂L/∂γ."""
        dn = (dy * self.gain).reshape(self.jacobian.shape[:3])
        da = np.einsum("bgi,bgij->bgj", dn, self.jacobian)
        return da.reshape(dy.shape), (dy * self.n).sum(0)


def normalized_products(x, h, w):
    """γ_x⊙N(x·W) and γ_u⊙N(h·U)."""
    units = w.recurrent_kernel.shape[0]
    return (Normalized(x @ w.kernel, w.gain[0], units),
            Normalized(h @ w.recurrent_kernel, w.gain[1], units))


def back_through_products(da, du, a, u, x, h, w):
    """From the errors of both normalised products: ∂L/∂x, ∂L/∂h, ∂L/∂W, ∂L/∂U, ∂L/∂γ."""
    (da, dgain_a), (du, dgain_u) = a.back(da), u.back(du)
    return (da @ w.kernel.T, du @ w.recurrent_kernel.T, x.T @ da, h.T @ du,
            np.stack([dgain_a, dgain_u]))


class NormalizedSimpleRNN:
    """h' = φ(γ_x⊙N(x·W) + γ_u⊙N((m⊙h)·U) + b)"""
    gates, states = 1, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        a, u = normalized_products(x, m * h, w)
        h_new = w.phi(a.y + u.y + w.bias)
        return (h_new,), (a, u, x, h, h_new)

    @staticmethod
    def back(dstate, saved, w, m):
        a, u, x, h, h_new = saved
        delta = dstate[0] * w.dphi(h_new)
        dx, dmh, dW, dU, dgain = back_through_products(delta, delta, a, u, x, m * h, w)
        return dx, (m * dmh,), (dW, dU, delta.sum(0), dgain)


class NormalizedLSTM:
    """As the LSTM with γ_x⊙N(x·W) and γ_u⊙N((m⊙h)·U);  h' = o⊙φ(γ_c⊙N(c') + b_c)"""
    gates, states = 4, 2

    @staticmethod
    def step(x, state, w, m):
        h, c = state
        a, u = normalized_products(x, m * h, w)
        a_i, a_f, a_g, a_o = np.split(a.y + u.y + w.bias, 4, axis=1)
        i, f, g, o = w.sigma(a_i), w.sigma(a_f), w.phi(a_g), w.sigma(a_o)
        c_new = f * c + i * g
        memory = Normalized(c_new, w.state_gain, c.shape[1])
        s = w.phi(memory.y + w.state_bias)
        return (o * s, c_new), (a, u, x, h, c, i, f, g, o, s, memory)

    @staticmethod
    def back(dstate, saved, w, m):
        a, u, x, h, c, i, f, g, o, s, memory = saved
        dh_new, dc_new = dstate
        ds = dh_new * o * w.dphi(s)
        dc_read, dstate_gain = memory.back(ds)
        dc_new = dc_new + dc_read
        delta = np.concatenate([
            dc_new * g * w.dsigma(i),
            dc_new * c * w.dsigma(f),
            dc_new * i * w.dphi(g),
            dh_new * s * w.dsigma(o)], axis=1)
        dx, dmh, dW, dU, dgain = back_through_products(delta, delta, a, u, x, m * h, w)
        return (dx, (m * dmh, dc_new * f),
                (dW, dU, delta.sum(0), dgain, dstate_gain, ds.sum(0)))


class NormalizedGRU:
    """As the GRU with a = γ_x⊙N(x·W) + b_x;  u = γ_u⊙N((m⊙h)·U) + b_u"""
    gates, states = 3, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        a, u = normalized_products(x, m * h, w)
        a_z, a_r, a_h = np.split(a.y + w.bias[0], 3, axis=1)
        u_z, u_r, u_h = np.split(u.y + w.bias[1], 3, axis=1)
        z, r = w.sigma(a_z + u_z), w.sigma(a_r + u_r)
        g = w.phi(a_h + r * u_h)
        return (z * h + (1 - z) * g,), (a, u, x, h, z, r, g, u_h)

    @staticmethod
    def back(dstate, saved, w, m):
        a, u, x, h, z, r, g, u_h = saved
        dh_new, = dstate
        da_z = dh_new * (h - g) * w.dsigma(z)
        da_h = dh_new * (1 - z) * w.dphi(g)
        da_r = da_h * u_h * w.dsigma(r)
        da = np.concatenate([da_z, da_r, da_h], axis=1)
        du = np.concatenate([da_z, da_r, da_h * r], axis=1)
        dx, dmh, dW, dU, dgain = back_through_products(da, du, a, u, x, m * h, w)
        dbias = np.stack([da.sum(0), du.sum(0)])
        return dx, (dh_new * z + m * dmh,), (dW, dU, dbias, dgain)


class NormalizedGRUResetBefore:
    """As the GRU with the reset gate before: γ_u⊙N of (m⊙h)·U_z, (m⊙h)·U_r and (r⊙m⊙h)·U_h."""
    gates, states = 3, 1

    @staticmethod
    def step(x, state, w, m):
        h, = state
        H = h.shape[1]
        a = Normalized(x @ w.kernel, w.gain[0], H)
        a_z, a_r, a_h = np.split(a.y + w.bias, 3, axis=1)
        U_zr, U_h, gain = w.recurrent_kernel[:, :2 * H], w.recurrent_kernel[:, 2 * H:], w.gain[1]
        u_zr = Normalized((m * h) @ U_zr, gain[:2 * H], H)
        u_z, u_r = np.split(u_zr.y, 2, axis=1)
        z, r = w.sigma(a_z + u_z), w.sigma(a_r + u_r)
        u_h = Normalized((r * m * h) @ U_h, gain[2 * H:], H)
        g = w.phi(a_h + u_h.y)
        return (z * h + (1 - z) * g,), (a, u_zr, u_h, x, h, z, r, g)

    @staticmethod
    def back(dstate, saved, w, m):
        a, u_zr, u_h, x, h, z, r, g = saved
        dh_new, = dstate
        H = h.shape[1]
        U_zr, U_h = w.recurrent_kernel[:, :2 * H], w.recurrent_kernel[:, 2 * H:]
        da_z = dh_new * (h - g) * w.dsigma(z)
        da_h = dh_new * (1 - z) * w.dphi(g)
        du_h, dgain_h = u_h.back(da_h)
        drh = du_h @ U_h.T
        da_r = drh * m * h * w.dsigma(r)
        du_zr, dgain_zr = u_zr.back(np.concatenate([da_z, da_r], axis=1))
        da = np.concatenate([da_z, da_r, da_h], axis=1)
        dxW, dgain_x = a.back(da)
        dh = dh_new * z + m * (du_zr @ U_zr.T + drh * r)
        dU = np.concatenate([(m * h).T @ du_zr, (r * m * h).T @ du_h], axis=1)
        dgain = np.stack([dgain_x, np.concatenate([dgain_zr, dgain_h])])
        return dxW @ w.kernel.T, (dh,), (x.T @ dxW, dU, da.sum(0), dgain)


CELLS = {"simple_rnn": SimpleRNN, "gru": GRU, "gru_reset_before": GRUResetBefore, "lstm": LSTM,
         "normalized_simple_rnn": NormalizedSimpleRNN, "normalized_gru": NormalizedGRU,
         "normalized_gru_reset_before": NormalizedGRUResetBefore, "normalized_lstm": NormalizedLSTM}


@dataclasses.dataclass
class Result:
    """What a layer returns: outputs [B, T, H] and the final states, each [B, H]."""
    outputs: np.ndarray
    states: list


@dataclasses.dataclass
class Gradients:
    """∂loss/∂ everything that goes in, in the shapes that went in."""
    x: np.ndarray
    states: list
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    gain: np.ndarray = None
    state_gain: np.ndarray = None
    state_bias: np.ndarray = None


class Layer:
    """One cell over time: masks, direction, dropout, zoneout and truncation.

    Args:    cell                     a name from CELLS
             weights                  kernel, recurrent kernel, bias (may be left out); those of the
                                      normalised cells in the order of `Weights`
             mask                     [B, T]; where it is false the state is carried over and the
                                      output repeated, zeros before the first true step
             states                   first states, each [B, H]; zeros when left out
             go_backwards             last step first; the outputs come in that order too
             zero_output_for_mask     zeros instead of the repeated output
             dropout_mask             [B, D], multiplies x at every step
             recurrent_dropout_mask   [B, H], multiplies h_{t-1} where it meets U
             zoneout                  share k of the old state that is kept,
                                      s = k⊙s_old + (1-k)⊙s_new: a number (the expectation), or
                                      draws [states, T, B, H], steps in the order of processing
    """

    def __init__(self, cell, weights, x, mask=None, states=None, go_backwards=False,
                 zero_output_for_mask=False, dropout_mask=1.0, recurrent_dropout_mask=1.0,
                 zoneout=0.0, activation="tanh", recurrent_activation="sigmoid"):
        self.cell = CELLS[cell]
        weights = [np.asarray(w, np.float64) for w in weights]
        bias = weights[2] if len(weights) > 2 else np.zeros((2, 1) if cell == "gru" else 1)
        self.w = Weights(*weights[:2], bias, *weights[3:], activation=activation,
                         recurrent_activation=recurrent_activation)
        self.direction = -1 if go_backwards else 1
        self.dropout_mask = np.asarray(dropout_mask, np.float64)
        self.m = np.asarray(recurrent_dropout_mask, np.float64)
        x = np.asarray(x, np.float64)
        B, self.T, _ = x.shape
        H = self.w.recurrent_kernel.shape[0]
        mask = np.ones((B, self.T), bool) if mask is None else np.asarray(mask, bool)
        self.x = x[:, ::self.direction]
        self.mask = mask[:, ::self.direction].T[:, :, None]  # [T, B, 1]
        self.visible = self.mask if zero_output_for_mask else np.cumsum(self.mask, axis=0) > 0
        self.keep = np.broadcast_to(zoneout, (self.cell.states, self.T, B, H))
        zeros = [np.zeros((B, H))] * self.cell.states
        self.states = [np.asarray(s, np.float64) for s in (zeros if states is None else states)]

    def forward(self):
        """Runs through time; keeps in `self.saved` what every step's derivative needs."""
        state, outputs, self.saved = tuple(self.states), [], []
        for t in range(self.T):
            x = self.x[:, t] * self.dropout_mask
            new, saved = self.cell.step(x, state, self.w, self.m)
            mixed = [k * old + (1 - k) * s for k, old, s in zip(self.keep[:, t], state, new)]
            state = tuple(np.where(self.mask[t], s, old) for s, old in zip(mixed, state))
            outputs.append(np.where(self.visible[t], state[0], 0))
            self.saved.append(saved)
        return Result(np.stack(outputs, axis=1), list(state))

    def back(self, j, dstate):
        """From the gradient of the state after step j to that of all that went into step j."""
        dnew = tuple(self.mask[j] * (1 - k) * d for k, d in zip(self.keep[:, j], dstate))
        dcarried = [np.where(self.mask[j], k, 1) * d for k, d in zip(self.keep[:, j], dstate)]
        dx, dold, dweights = self.cell.back(dnew, self.saved[j], self.w, self.m)
        return dx * self.dropout_mask, [a + b for a, b in zip(dold, dcarried)], dweights

    def backward(self, dy, dstates=None, truncate=None):
        """∂E/∂U = Σ_t Σ_{j=t-k..t} δ_j ⊗ h_{j-1}, and likewise for all that goes into step j.

        The error of step t (that of y_t; of the final states at the last step) goes back through
        at most k = `truncate` steps: it reaches what goes into the steps t-k … t, of which the
        first states are part at step 0. So every k ≥ T-1 gives the whole gradient.
        """
        self.forward()
        last = self.T - 1
        k = last if truncate is None else truncate
        dx = np.zeros_like(self.x)
        dfirst = [np.zeros_like(s) for s in self.states]
        dweights = [np.zeros_like(w) for w in (self.w.kernel, self.w.recurrent_kernel)] + 4 * [0.0]
        for t in range(self.T):
            dstate = [np.zeros_like(s) for s in self.states]
            if t == last and dstates is not None:
                dstate = [d + 0.0 for d in dstates]
            dstate[0] = dstate[0] + np.where(self.visible[t], dy[:, t], 0)
            for j in range(t, max(t - k, 0) - 1, -1):
                dx_j, dstate, dweights_j = self.back(j, dstate)
                dx[:, j] += dx_j
                dweights = [a + b for a, b in zip(dweights, dweights_j)]
                if j == 0:
                    dfirst = [a + b for a, b in zip(dfirst, dstate)]
        return Gradients(dx[:, ::self.direction], dfirst, *dweights)


def run(cell, weights, x, **options):
    """Outputs and final states; the options are those of `Layer`.

    >>> x = np.array([[[1.0], [2.0]]])
    >>> run("simple_rnn", [[[1.0]], [[10.0]], [0.5]], x, activation="linear").outputs
    array([[[ 1.5],
            [17.5]]])
    """
    return Layer(cell, weights, x, **options).forward()


def gradients(cell, weights, x, dy, dstates=None, truncate=None, **options):
    """Gradients of Σ y⊙dy + Σ s⊙ds, s the final states; the options are those of `Layer`.

    >>> x, dy = np.array([[[1.0], [2.0]]]), np.array([[[0.0], [1.0]]])
    >>> weights = [[[1.0]], [[10.0]], [0.5]]
    >>> gradients("simple_rnn", weights, x, dy, activation="linear").x
    array([[[10.],
            [ 1.]]])
    """
    return Layer(cell, weights, x, **options).backward(dy, dstates, truncate)
