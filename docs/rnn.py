"""A recurrent network in NumPy, forward and backward, one sequence at a time: read it beside guide.md.

    h_t = tanh(x_t·W + h_{t-1}·U + b)     ŷ_t = softmax(h_t·V + c)     L = Σ_t −ln ŷ_t[y_t]

    python -m docs.rnn            # learns eight symbols by heart
"""
import numpy as np


class RNN:
    """D inputs, H hidden units, C classes. Weights: W [D, H], U [H, H], b [H], V [H, C], c [C]."""

    def __init__(self, D, H, C, seed=0):
        normal = np.random.default_rng(seed).normal
        self.W, self.U = normal(size=(D, H)) / D ** 0.5, normal(size=(H, H)) / H ** 0.5
        self.V, self.b, self.c = normal(size=(H, C)) / H ** 0.5, np.zeros(H), np.zeros(C)

    def forward(self, x):
        """x [T, D] → h [T + 1, H], which begins with h_0 = 0, and ŷ [T, C]."""
        h = np.zeros((len(x) + 1, len(self.b)))
        for t in range(1, len(h)):
            h[t] = np.tanh(x[t - 1] @ self.W + h[t - 1] @ self.U + self.b)
        z = h[1:] @ self.V + self.c
        e = np.exp(z - z.max(1, keepdims=True))
        return h, e / e.sum(1, keepdims=True)

    def loss(self, x, y):
        return -np.log(self.forward(x)[1][range(len(y)), y]).sum()

    def backward(self, x, y):
        """∂L/∂W, ∂L/∂U, ∂L/∂b, ∂L/∂V, ∂L/∂c: one pass from the last step to the first."""
        h, p = self.forward(x)
        dz = p - np.eye(len(self.c))[y]                     # (1) ∂L/∂z_t = ŷ_t − y_t
        delta, dh = np.zeros((len(x), len(self.b))), 0
        for t in range(len(x), 0, -1):
            dh = dz[t - 1] @ self.V.T + dh                  # (2) from this step's loss, and from t + 1
            delta[t - 1] = dh * (1 - h[t] ** 2)             # (3) δ_t: back through tanh
            dh = delta[t - 1] @ self.U.T                    # (4) to h_{t-1}
        return x.T @ delta, h[:-1].T @ delta, delta.sum(0), h[1:].T @ dz, dz.sum(0)     # (5)

    def truncated(self, x, y, k):
        """The same, where the error of each step t flows back to the steps t, t−1 … t−k alone."""
        h, p = self.forward(x)
        dz = p - np.eye(len(self.c))[y]
        dW, dU, db = np.zeros_like(self.W), np.zeros_like(self.U), np.zeros_like(self.b)
        for t in range(1, len(h)):
            delta = (dz[t - 1] @ self.V.T) * (1 - h[t] ** 2)
            for j in range(t, max(t - k, 1) - 1, -1):
                dW, dU, db = dW + np.outer(x[j - 1], delta), dU + np.outer(h[j - 1], delta), db + delta
                delta = (delta @ self.U.T) * (1 - h[j - 1] ** 2)
        return dW, dU, db, h[1:].T @ dz, dz.sum(0)


if __name__ == "__main__":
    x, y, rnn = np.eye(5)[[1, 2, 3, 2, 0, 2, 4, 2]], [1, 0, 2, 3, 1, 3, 0, 1], RNN(5, 10, 4)
    for step in range(201):
        if step % 50 == 0:
            print(f"step {step:3}  loss {rnn.loss(x, y):.3f}")
        for weight, gradient in zip((rnn.W, rnn.U, rnn.b, rnn.V, rnn.c), rnn.backward(x, y)):
            weight -= 0.1 * gradient
