"""Phrases in a text that is being decoded: which it contains, how far, and what would complete them.

A set of phrases is ids [N, M], the same for all rows, or [B, N, M]: 0 after a phrase's end, and a phrase
of zeros is none. Of each of K hypotheses a row, the last M symbols are remembered, `recent` [B, K, M].
"""

import tensorflow as tf


class Phrases:
    """N phrases of at most M symbols, and where hypotheses stand in them."""

    def __init__(self, ids):
        ids = tf.cast(ids, tf.int32)
        self.ids = tf.expand_dims(ids, 0) if ids.shape.rank == 2 else ids
        self.lengths = tf.expand_dims(tf.reduce_sum(tf.cast(self.ids > 0, tf.int32), -1), 1)  # [B, 1, N]
        self.count, self.longest = tf.shape(self.ids)[1], tf.shape(self.ids)[2]
        self.beginnings = self._beginnings()

    def _beginnings(self):
        """The first j = 0 … M symbols of each phrase, to the right, -1 before: [B, 1, N·(M+1), M]."""
        size = self.longest
        place = tf.expand_dims(tf.range(size + 1), 1) + tf.range(size) - size  # of [j, position]
        flat = tf.reshape(place, [-1])
        symbols = tf.where(flat < 0, -1, tf.gather(self.ids, tf.maximum(flat, 0), axis=2))
        return tf.reshape(symbols, tf.stack([tf.shape(self.ids)[0], 1, self.count * (size + 1), size]))

    def initial(self, shape):
        """`recent` before the first symbol, of hypotheses of shape [B, K]."""
        return tf.zeros(tf.concat([shape, [self.longest]], 0), tf.int32)

    @staticmethod
    def appended(recent, ids):
        """`recent` after one more symbol of each hypothesis, ids [B, K]."""
        return tf.concat([recent, tf.expand_dims(ids, 2)], 2)[:, :, 1:]

    def complete(self, recent):
        """Whether the last symbols are each phrase: [B, K, N] bool."""
        return tf.reduce_any(self._matches(recent) & tf.equal(self._steps(), self._of_steps()), 3)

    def progress(self, recent):
        """How many of each phrase's symbols the last ones are, not all of them: [B, K, N]."""
        unfinished = self._matches(recent) & (self._steps() < self._of_steps())
        return tf.reduce_max(tf.where(unfinished, self._steps(), 0), 3)

    def next_symbols(self, recent):
        """The next symbol of each phrase, after its `progress`: [B, K, N]."""
        at = tf.equal(tf.expand_dims(self.progress(recent), 3), tf.range(self.longest))
        return tf.reduce_sum(tf.where(at, tf.expand_dims(self.ids, 1), 0), 3)

    def last_symbols(self, recent):
        """The symbol that would complete each phrase now, -1 where more are missing: [B, K, N]."""
        at = tf.equal(self.progress(recent), self.lengths - 1)
        return tf.where(at, self.next_symbols(recent), -1)

    def _matches(self, recent):
        """Whether the last j symbols are a phrase's first j, j = 0 … M: [B, K, N, M+1]."""
        same = tf.equal(tf.expand_dims(recent, 2), self.beginnings) | (self.beginnings < 0)
        shape = tf.concat([tf.shape(recent)[:2], tf.stack([self.count, self.longest + 1])], 0)
        return tf.reshape(tf.reduce_all(same, 3), shape)

    def _steps(self):
        return tf.range(self.longest + 1)

    def _of_steps(self):
        return tf.expand_dims(self.lengths, 3)
