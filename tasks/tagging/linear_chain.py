"""The linear chain over features of tokens: the weights of a tagger's `WindowFeatures` are fitted.

    minimise  −Σ log p(y|x) + λ/2·(|W|² + |A|²)        z_t = Σ_f W[bucket_f(t)]

over the sentences, by L-BFGS; W [V, L] stands for W·P there, A for the weights of the CRF, if there is
one. The sum is convex: its minimum depends on no seed, but where sentences are drawn. A network learns
beside half of W, which stays as it is, and goes on from A.

Source: Lafferty et al. 2001; Sha & Pereira 2003 (L-BFGS, the penalty)
"""

import time

import numpy as np
import scipy.optimize
import scipy.sparse
import tensorflow as tf

from tasks.training import workers
from zoo.layers.window_features import COUNT, buckets_of

PENALTY = 2.0               # λ
ITERATIONS, CLOSE = 60, 1e-5    # most of L-BFGS; the relative change of the sum that ends it
REMEMBERED = 5              # gradients that L-BFGS keeps; with them it holds 30 arrays of W's size
MOST_WEIGHTS = 1 << 22      # of W: about 1 GB then
BESIDE = 0.5                # the share of W that counts beside a network, which learns more then
MOST_TOKENS = 500_000       # where there are more, some sentences are drawn
MOST_SCORES = 1 << 25       # one for each label of a token; likewise
GROUP = 256                 # sentences of similar length, side by side


def can_fit(buckets, labels):
    """Whether W is small enough; else it is trained with the network."""
    return buckets * labels <= MOST_WEIGHTS


def fit(network, data, seed=0):
    """Fit W and the CRF's weights to a `Sentences`. W is not trained any more then.

    Weights that an earlier model gave stay, and are trained on.
    """
    if not can_fit(network.features.buckets, len(network.labels)) or np.any(network.features.table):
        return
    seconds = time.perf_counter()
    chain = Chain(network, data, some(data.lengths, len(network.labels), seed))
    [found] = workers.shared(minimum, [chain])
    network.features.give(chain.assigned(found) * (BESIDE if network.embedding else 1))
    print(f"features of tokens: fitted in {time.perf_counter() - seconds:.0f} s")


def minimum(chain):
    """The parameters of the least sum, by the first of several workers."""
    return scipy.optimize.minimize(
        chain, chain.parameters(), jac=True, method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "maxcor": REMEMBERED, "ftol": CLOSE}).x


def some(lengths, labels, seed):
    """Rows of sentences by their lengths: all, or as many as the limits allow."""
    most = min(MOST_TOKENS, MOST_SCORES // labels)
    drawn = np.random.default_rng(seed).permutation(len(lengths))
    kept = drawn[np.cumsum(lengths[drawn]) - lengths[drawn] < most]
    return kept[np.argsort(lengths[kept], kind="stable")]


class Chain:
    """The sum and its gradient, of all parameters as one array: W [V, L], then the CRF's weights."""

    def __init__(self, network, data, rows):
        self.network, self.shape = network, (network.features.buckets, len(network.labels))
        self.weights = network.crf.trainable_weights if network.crf else []
        self.buckets = tf.function(buckets_of, autograph=False, reduce_retracing=True)
        self.gradient = tf.function(self._gradient, autograph=False, reduce_retracing=True)
        self.groups, buckets, count = [], [], 0
        for n in range(0, len(rows), GROUP):
            tags, features = self._read(data.batch(rows[n:n + GROUP]))
            places = np.full(tags.shape, -1)    # rows of `x`, that of no token is the last
            places[tags >= 0] = np.arange(count, count + len(features))
            count += len(features)
            self.groups.append((places, tags))
            buckets.append(features)
        buckets = np.concatenate(buckets)
        self.x = scipy.sparse.csr_matrix(       # how often a token has each feature
            (np.ones(buckets.size, np.float32), buckets.ravel(), np.arange(0, buckets.size + 1, COUNT)),
            (count, self.shape[0]))

    def _read(self, batch):
        """The tags of a batch [B, T], and the buckets of all tokens that have one [N, COUNT]."""
        tags = batch.targets["tags"] if isinstance(batch.targets, dict) else batch.targets
        buckets = self.buckets(tf.constant(batch.inputs["code_points"]),
                               tf.constant(batch.inputs["shapes"]), self.shape[0]).numpy()
        return tags, buckets[tags >= 0]

    def _gradient(self, z, tags):
        """−Σ log p of some sentences and its derivatives, of z [B, T, L] first."""
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = self.network.loss_of_tags(tags, z)
        return loss, tape.gradient(loss, [z, *(weight.value for weight in self.weights)])

    def __call__(self, parameters):
        """(the sum, its gradient) at some parameters."""
        z = np.zeros([self.x.shape[0] + 1, self.shape[1]], np.float32)
        z[:-1] = self.x @ self.assigned(parameters)
        total, errors, others = 0.0, np.zeros_like(z), [np.zeros(one.shape) for one in self.weights]
        for places, tags in self.groups:
            loss, (error, *more) = self.gradient(tf.constant(z[places]), tf.constant(tags))
            total += float(loss)
            errors[places] = error
            others = [a + b.numpy() for a, b in zip(others, more)]
        gradient = joined([self.x.T @ errors[:-1], *others]) + PENALTY * parameters
        return total + PENALTY / 2 * (parameters @ parameters), gradient

    def parameters(self):
        """Those to begin with."""
        return joined([np.zeros(self.shape), *(weight.numpy() for weight in self.weights)])

    def assigned(self, parameters):
        """W; the CRF has its weights."""
        table, rest = np.split(np.float32(parameters), [np.prod(self.shape)])
        for weight in self.weights:
            own, rest = np.split(rest, [np.prod(weight.shape)])
            weight.assign(own.reshape(weight.shape))
        return table.reshape(self.shape)


def joined(arrays):
    """One array [N] float64 of several."""
    return np.concatenate([np.ravel(array) for array in arrays]).astype(np.float64)
