"""A neural cache: what came lately comes again, after states like those that it came after.

    p_cache(w | h_t) ∝ Σ_i [w = w_i]·exp(θ·h_t·h_i)        i: the last N symbols before the t-th
    p(w | h_t) = (1 − λ)·p_model(w | h_t) + λ·p_cache(w | h_t)

h_i is what the last layer says before the symbol w_i. Where nothing has come yet, p is p_model.

Source:  Grave, Joulin & Usunier 2017
"""

import numpy as np


class NeuralCache:
    """Reads as another does, with a cache beside it, one text from its beginning to its end.

    Args:    read      ids [1, T], previous [1], states → h [1, T, H], log p of the ids [1, T], states
             size      N, symbols
             flatness  θ ≥ 0; 0 counts all states alike
             share     λ, from 0 to below 1
    """

    def __init__(self, read, size, flatness, share):
        self._read, self.size, self.flatness, self.share = read, size, flatness, share
        self.h, self.ids = None, np.zeros(0, np.int32)

    def read(self, ids, previous, states):
        """h, log p of the ids under the mixture, states after."""
        h, log_probability, after = self._read(ids, previous, states)
        rows = [np.asarray(one)[0] for one in (h, ids, log_probability)]
        return h, self.mixed(*rows)[None], after

    def mixed(self, h, ids, log_probability):
        """log p [T] of the ids [T] that came after h [T, H], by what the model says of them [T]."""
        known = len(self.ids)
        self.h = h if self.h is None else np.concatenate([self.h, h])
        self.ids = np.concatenate([self.ids, ids])
        there, cached = self._cached(h, ids, known)
        share = np.where(there, self.share, 0.0)
        self.h, self.ids = self.h[-self.size:], self.ids[-self.size:]
        return np.log((1 - share) * np.exp(np.float64(log_probability)) + share * cached)

    def _cached(self, h, ids, known):
        """Whether there is a cache [T], and p_cache of the ids [T]. They are remembered already."""
        age = known + np.arange(len(ids))[:, None] - np.arange(len(self.ids))
        inside = (age > 0) & (age <= self.size)
        scores = np.where(inside, self.flatness * np.float64(h) @ np.float64(self.h).T, -np.inf)
        weights = np.exp(scores - scores.max(1, keepdims=True, initial=-1e30))
        total = np.maximum(weights.sum(1), 1e-300)
        return inside.any(1), (weights * (self.ids == ids[:, None])).sum(1) / total
