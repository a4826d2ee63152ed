"""A softmax over a large vocabulary that spends little on rare words.

Words are numbered by falling frequency. The c_1 most frequent ones stand in the *head*, with one symbol
for each of n *clusters* of rarer ones, the *tails*, cluster i from c_i to c_{i+1}:

    p(w|h) = p_0(w)                   w < c_1                p_0 = softmax(h·K_0ᵀ + b_0)    [c_1 + n]
    p(w|h) = p_0(c_1 + i−1)·p_i(w)    c_i ≤ w < c_{i+1}      p_i = softmax(h·P_i·K_iᵀ + b_i)

It is a distribution over all words, exactly. Training and scoring need p_i only for the rows whose
target is in cluster i, and P_i [D, D/f^i] makes it cheaper the rarer its words are.
"""

import itertools

import keras
import tensorflow as tf

from zoo.cells.arguments import is_count
from zoo.layers.sequences import autocast
from zoo.layers.softmax import Softmax, of_words
from zoo.ops.cross_entropy import cross_entropy
from zoo.ops.ranges import in_range, is_inside


@keras.saving.register_keras_serializable("zoo")
class AdaptiveSoftmax(Softmax):
    """log p of words given h, with the methods of `Softmax`.

    Args:    vocabulary_size  V
             cutoffs  [c_1, c_2, …], rising, between 1 and V−1
             factor   f ≥ 1: the tail of cluster i has D/f^i features
             tied     the kernels K are rows of the network's embedding, [V, D], which every method
                      then takes; there are no P
    Call:    h [..., D] → log p(w|h) of all words, [..., V] float32
    Weights: kernel_i [words, D/f^i], projection_i [D, D/f^i], bias_i; tied: kernel_clusters [n, D]
    Raises:  ValueError: cutoffs or a factor out of range; embeddings that are missing or not wanted
    Source:  Grave et al. 2017; tied: Press & Wolf 2017

    >>> softmax = AdaptiveSoftmax(10, [4, 6])
    >>> log_p = softmax(tf.ones([1, 2, 8]))
    >>> [round(float(p), 4) for p in tf.reduce_sum(tf.exp(log_p[0]), 1)]
    [1.0, 1.0]
    >>> loss = softmax.loss(tf.ones([1, 2, 8]), tf.constant([[3, 9]]))
    >>> bool(abs(loss + log_p[0, 0, 3] + log_p[0, 1, 9]) < 1e-5)
    True
    """

    def __init__(self, vocabulary_size, cutoffs, factor=4, tied=False, **kwargs):
        super().__init__(vocabulary_size, tied, **kwargs)
        self.cutoffs, self.factor = list(cutoffs), factor
        bounds = [0, *self.cutoffs, vocabulary_size]
        rising = all(is_count(high - low) for low, high in itertools.pairwise(bounds))
        if not (self.cutoffs and rising):
            raise ValueError(f"cutoffs: expected rising numbers between 1 and {vocabulary_size - 1}, "
                             f"received {self.cutoffs}")
        if factor < 1:
            raise ValueError(f"factor: expected 1 or more, received {factor}")
        self.tails = list(itertools.pairwise(bounds))[1:]
        self.supports_jit = False  # how many rows a tail is computed for is known only at run time

    def build(self, h_shape):
        width, head = h_shape[-1], self.cutoffs[0]
        widths = [max(1, int(width / self.factor**n)) for n in range(len(self.tails) + 1)]
        words = [head + len(self.tails), *(high - low for low, high in self.tails)]
        self.biases = [self.add_weight(name=f"bias_{n}", shape=(count,), initializer="zeros")
                       for n, count in enumerate(words)]
        if self.tied:
            self.clusters = self.add_weight(name="kernel_clusters", shape=(len(self.tails), width))
        else:
            self.kernels = [self.add_weight(name=f"kernel_{n}", shape=shape)
                            for n, shape in enumerate(zip(words, widths))]
            self.projections = [self.add_weight(name=f"projection_{n}", shape=(width, narrow))
                                for n, narrow in enumerate(widths[1:], 1)]
        self.built = True

    @autocast
    def call(self, h, embeddings=None):
        shape = tf.concat([tf.shape(h)[:-1], [self.vocabulary_size]], 0)
        h, embeddings = self._given(tf.reshape(h, [-1, h.shape[-1]]), embeddings)
        head = tf.nn.log_softmax(self._head(h, embeddings))
        words, clusters = head[:, :self.cutoffs[0]], head[:, self.cutoffs[0]:]
        tails = [clusters[:, n:n + 1] + tf.nn.log_softmax(self._tail(n, h, embeddings))
                 for n in range(len(self.tails))]
        return tf.reshape(tf.concat([words, *tails], 1), shape)

    @autocast
    def loss(self, h, targets, embeddings=None):
        """−log p, summed over all targets [B, T] but padding; see `cross_entropy`.

        Raises:  a target outside 0 … V-1, see `zoo.ops.ranges.in_range`
        """
        targets, _ = in_range("targets", targets, self.vocabulary_size)
        return sum(tf.reduce_sum(cross_entropy(logits, symbols))
                   for _, logits, symbols in self._choices(h, targets, embeddings))

    @autocast
    def log_probability(self, h, targets, embeddings=None):
        """log p of the targets [B, T], 0 where they are padding, 0: h [B, T, D] → [B, T].

        −∞ for a number outside 0 … V-1, which is no word.
        """
        found = tf.zeros([tf.size(targets)])
        words = tf.where(is_inside(targets, self.vocabulary_size), targets, tf.zeros_like(targets))
        for rows, logits, symbols in self._choices(h, words, embeddings):
            chosen = tf.gather(tf.nn.log_softmax(logits), symbols, batch_dims=1)
            found = tf.tensor_scatter_nd_add(found, rows, chosen)
        return of_words(tf.reshape(found, tf.shape(targets)), targets, self.vocabulary_size)

    def _choices(self, h, targets, embeddings):
        """What the targets' probabilities are products of, each for those rows alone that it concerns.

        Returns: [(rows [N, 1] of the flat targets, logits, the numbers of the right ones [N])]: of the
                 head, then of each tail
        """
        h, targets = tf.reshape(h, [-1, h.shape[-1]]), tf.cast(tf.reshape(targets, [-1]), tf.int32)
        h, embeddings = self._given(h, embeddings)
        cluster = sum(tf.cast(targets >= cutoff, tf.int32) for cutoff in self.cutoffs)
        symbols = tf.where(cluster > 0, self.cutoffs[0] + cluster - 1, targets)
        rows = tf.where(targets > 0)
        choices = [(rows, self._head(tf.gather_nd(h, rows), embeddings), tf.gather_nd(symbols, rows))]
        for n, (low, _) in enumerate(self.tails):
            rows = tf.where(tf.equal(cluster, n + 1))
            choices.append((rows, self._tail(n, tf.gather_nd(h, rows), embeddings),
                            tf.gather_nd(targets, rows) - low))
        return choices

    def rows(self, words):
        """As those of `Softmax`; a cluster's symbol in the head has its number as its name."""
        names = [[*words[:self.cutoffs[0]], *range(len(self.tails))],
                 *(words[low:high] for low, high in self.tails)]
        kernels = [] if self.tied else self.kernels
        return [(weight, 0, names[n]) for weights in (self.biases, kernels)
                for n, weight in enumerate(weights)]

    def _given(self, h, embeddings):
        if self.tied != (embeddings is not None):
            raise ValueError(f"embeddings: expected {'a table [V, D]' if self.tied else 'none'} with "
                             f"tied={self.tied}, received {'none' if self.tied else 'some'}")
        if not self.built:
            self.build(h.shape)
        if embeddings is not None:
            embeddings = tf.cast(embeddings, self.compute_dtype)
        return tf.cast(h, self.compute_dtype), embeddings

    def _head(self, h, embeddings):
        if self.tied:
            kernel = tf.concat([embeddings[:self.cutoffs[0]], self.clusters], 0)
        else:
            kernel = self.kernels[0]
        return _logits(h, kernel, self.biases[0])

    def _tail(self, n, h, embeddings):
        if self.tied:
            low, high = self.tails[n]
            return _logits(h, embeddings[low:high], self.biases[n + 1])
        return _logits(tf.matmul(h, self.projections[n]), self.kernels[n + 1], self.biases[n + 1])

    def get_config(self):
        return {**super().get_config(), "cutoffs": self.cutoffs, "factor": self.factor}


def _logits(h, kernel, bias):
    return tf.cast(tf.matmul(h, kernel, transpose_b=True) + bias, tf.float32)
