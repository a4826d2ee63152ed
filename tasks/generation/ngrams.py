"""What a recurrent language model has to beat: n-grams with modified Kneser–Ney smoothing."""

import numpy as np

FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])    # discounts where counts of counts give none


class KneserNey:
    """P(w | the n−1 tokens before it), interpolated over all orders down to uniform.

        P_k(w | h) = max(c(hw) − D(c(hw)), 0) / Σ_v c(hv) + γ(h)·P_{k−1}(w | h′)        P_0 = 1/V
        γ(h)       = (D_1·N_1(h•) + D_2·N_2(h•) + D_3·N_3+(h•)) / Σ_v c(hv)

    h′ is h without its first token, N_i(h•) the number of tokens that follow h just i times. c counts
    occurrences at order n; below it counts the different tokens that stand before hw, N_1+(•hw). Where
    nothing is known to follow h, P_k(w | h) = P_{k−1}(w | h′).

    Args:    order             n, at least 1
             vocabulary_size   V; None takes the largest id of training and one more
    Raises:  ValueError: an order below 1, no token, an id outside of [0, V)
    Source:  Chen & Goodman 1999

    >>> model = KneserNey(order=2).fit([0, 1, 0, 1, 0, 2])
    >>> a, b, c = np.exp([model.log_probability([0, token])[1] for token in range(3)])
    >>> bool(b > c > a), round(float(a + b + c), 9)
    (True, 1.0)
    """

    def __init__(self, order, vocabulary_size=None):
        if order < 1:
            raise ValueError(f"expected an order of at least 1, received {order}")
        self.order, self.vocabulary_size = order, vocabulary_size

    def fit(self, ids):
        """Counts the n-grams of one continuous text, ids [N]; returns itself."""
        if self.vocabulary_size is None:
            self.vocabulary_size = int(np.max(ids, initial=-1)) + 1
        ids = self._checked(ids)
        keys, numbers, counts = _grams(ids, self.order, self.vocabulary_size)
        self.tables = [_Table(*table, self.vocabulary_size, contexts) for *table, contexts in
                       zip(keys, _continuations(numbers, counts), [1, *map(len, keys)])]
        return self

    def log_probability(self, ids, history=()):
        """ln P of every token after all that stand before it in ids and in `history`: [N] → [N]."""
        history = np.asarray(history, np.int64)[max(0, len(history) - self.order + 1):]
        ids = self._checked(np.concatenate([history, np.asarray(ids, np.int64)]))
        probability = np.full(len(ids), 1 / self.vocabulary_size)
        context = np.zeros(len(ids), np.int64)           # number of the k−1 tokens before, -1 if unseen
        for table in self.tables:
            number = table.find(context, ids)
            probability = table.interpolate(probability, context, number)
            context = np.concatenate([[-1], number[:-1]])
        return np.log(probability[len(history):])

    def _checked(self, ids):
        ids = np.asarray(ids, np.int64)
        if ids.ndim != 1 or not len(ids):
            raise ValueError(f"expected tokens [N], at least one, received {list(ids.shape)}")
        if ids.min() < 0 or ids.max() >= self.vocabulary_size:
            raise ValueError(f"expected ids from 0 to {self.vocabulary_size - 1}, received "
                             f"{ids.min()} to {ids.max()}; set vocabulary_size")
        return ids


class _Table:
    """The n-grams of one order, sorted by key = (number of their context)·V + last token."""

    def __init__(self, keys, counts, vocabulary_size, contexts):
        self.keys, self.counts, self.vocabulary_size = keys, counts, vocabulary_size
        self.discounts = discounts(counts)[np.minimum(counts, 3)]
        context = keys // vocabulary_size
        self.total = np.bincount(context, counts, contexts)
        self.left = np.bincount(context, self.discounts, contexts)      # γ(h)·total(h)

    def find(self, context, ids):
        """The number of each n-gram, -1 where it is unseen."""
        wanted = context * self.vocabulary_size + ids    # negative, as no key is, after context -1
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, at, -1)

    def interpolate(self, lower, context, number):
        """P_k from P_{k−1}."""
        total = np.where(context >= 0, self.total[context], 0)
        kept = np.where(number >= 0, (self.counts - self.discounts)[number], 0)
        return np.where(total > 0, (kept + self.left[context] * lower) / np.maximum(total, 1), lower)


def discounts(counts):
    """D_0 … D_3+ of one order, from how many n-grams occur just once, twice, …: n_1, n_2, n_3, n_4.

        Y = n_1 / (n_1 + 2·n_2),    D_i = i − (i+1)·Y·n_{i+1} / n_i,    D_0 = 0

    Where that divides by zero or leaves (0, i], as on small texts, D_i = i/2: what is discounted is all
    that an unseen n-gram has.

    >>> discounts([1, 1, 1, 1, 2, 2, 3, 4]).tolist()
    [0.0, 0.5, 1.25, 1.0]

    Source:  Chen & Goodman 1999; the other values as KenLM has them, Heafield et al. 2013
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[:5].astype(float)
    if not n[1:4].all():
        return FALLBACK
    i = np.arange(1, 4)
    estimates = i - (i + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
    return np.concatenate([[0], estimates]) if np.all((estimates > 0) & (estimates <= i)) else FALLBACK


def _grams(ids, order, vocabulary_size):
    """For each order 1 … n: sorted keys, the number of the n-gram that ends at each token, occurrences.

    Its context's number and its last token make an n-gram's key, which so fits into 64 bits at any order.
    """
    keys, numbers, counts = [], [], []
    context = np.zeros(len(ids), np.int64)
    for first in range(min(order, len(ids))):            # the first token that has so many before it
        found = context * vocabulary_size + ids[first:]
        table = np.unique(found, return_inverse=True, return_counts=True)
        for column, values in zip((keys, numbers, counts), table):
            column.append(values)
        context = numbers[-1][:-1]
    return keys, numbers, counts


def _continuations(numbers, counts):
    """c of every order: occurrences at the highest, below it the different tokens that stand before."""
    for lower, higher, count in zip(numbers, numbers[1:], counts):
        _, first = np.unique(higher, return_index=True)
        yield np.bincount(lower[1:][first], minlength=len(count))
    yield counts[-1]
