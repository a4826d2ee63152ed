"""Sampling: a network generates one symbol after the other, each drawn from what it predicts next.

    y_t ~ p(y | y_1 … y_{t-1})        p ∝ exp(z/τ), cut down to a set of likely symbols

The network is a *step*: `step(ids [B] int32, states) → (logits z [B, V], states)`, states a list of
tensors [B, …]. The states alone hold the symbols so far, so each costs the same however long
the text is.

Nothing here draws a random number: the uniform ones that decide are an input, and each picks a symbol
by the inverse of the cumulative distribution, most probable symbol first. The same numbers give the same
text in Keras, SavedModel and TFLite. Every setting may be a scalar tensor, so an input as well.
"""

import tensorflow as tf

from zoo.ops.while_loop import loop, put, reserve, stack

TINY = 1e-30


def choose(logits, uniform, seen=None, forbidden=None, temperature=1.0, top_k=0, top_p=1.0,
           typical=1.0, repetition_penalty=1.0):
    """One symbol for each row.

        z_i ← z_i/θ if z_i > 0 else z_i·θ, for i that was seen        repetition penalty θ
        p = softmax(z/τ)                                              temperature τ
        p ← p among the k most probable symbols                       top-k
        p ← p in the smallest set of most probable symbols with mass ≥ P      top-p, nucleus
        p ← p in the smallest set with mass ≥ m of symbols whose −log p is nearest to
            the entropy H = −Σ p·log p                                                  typical

    in this order, each of what the one before has left, renormalised. One symbol is always left.

    Args:    logits     z [B, V];  uniform  [B] or [B, 1] in [0, 1)
             seen       [B, V] bool or None: what the repetition penalty strikes
             forbidden  [V] bool or None: what is never chosen
             temperature  0 is greedy: the largest z;  top_k  0 is off;  top_p, typical,
             repetition_penalty  1 is off. `top_p=0` leaves the most probable symbol alone, `typical=0`
             the most typical one
    Returns: ids [B] int32; their log-probabilities [B] under the model as it is, softmax(z)
    Source:  Fan et al. 2018 (top-k); Holtzman et al. 2020 (nucleus); Meister et al. 2022 (typical);
             Keskar et al. 2019 (repetition penalty, here with the sign of z heeded: it never rewards)

    >>> ids, log_probability = choose(tf.math.log([[.1, .6, .3]]), [.7], top_p=0.5)
    >>> int(ids[0]), round(float(tf.exp(log_probability[0])), 3)
    (1, 0.6)
    """
    logits, uniform = tf.cast(logits, tf.float32), tf.reshape(tf.cast(uniform, tf.float32), [-1, 1])
    scores = allowed(penalised(logits, seen, repetition_penalty), forbidden)
    scores, ids = _most_likely(scores, top_k, temperature)
    p = tf.nn.softmax((scores - scores[:, :1]) / tf.maximum(TINY, temperature))
    rank = _inverse_cdf(_typical(_nucleus(p, top_p), typical), uniform)
    chosen = tf.gather(ids, rank, batch_dims=1)
    return chosen, tf.gather(tf.nn.log_softmax(logits), chosen, batch_dims=1)


def penalised(logits, seen, penalty):
    """The logits of what was seen made smaller by a factor, on either side of 0."""
    if seen is None:
        return logits
    return tf.where(seen, tf.where(logits > 0, logits / penalty, logits * penalty), logits)


def allowed(logits, forbidden):
    """−∞ where forbidden."""
    return logits if forbidden is None else tf.where(forbidden, float("-inf"), logits)


def _most_likely(scores, top_k, temperature):
    """The k largest scores, best first, and their ids; without randomness only the largest one."""
    size = tf.shape(scores)[-1]
    count = tf.where(tf.greater(top_k, 0), tf.minimum(tf.cast(top_k, tf.int32), size), size)
    return tf.math.top_k(scores, tf.where(tf.greater(temperature, 0), count, 1))


def _nucleus(p, mass):
    """p [B, k], best first → p in the smallest set that has this mass."""
    # Less than TINY comes before the first symbol, always.
    before = tf.cumsum(p, -1, exclusive=True)
    return _renormalised(tf.where(before < tf.maximum(TINY, mass), p, 0.0))


def _typical(p, mass):
    """p in the smallest set that has this mass of symbols whose information is nearest to the entropy."""
    return tf.cond(tf.less(mass, 1), lambda: _nearest_to_entropy(p, mass), lambda: p)


def _nearest_to_entropy(p, mass):
    information = -tf.math.log(p)
    entropy = tf.reduce_sum(tf.where(p > 0, p * information, 0.0), -1, keepdims=True)
    distance = tf.abs(information - entropy)
    nearest, order = tf.math.top_k(-distance, tf.shape(p)[-1])
    before = tf.cumsum(tf.gather(p, order, batch_dims=1), -1, exclusive=True)
    farthest = tf.where(before < tf.maximum(TINY, mass), -nearest, 0.0)
    return tf.where(distance <= tf.reduce_max(farthest, -1, keepdims=True), p, 0.0)


def _renormalised(p):
    return p / tf.reduce_sum(p, -1, keepdims=True)


def _inverse_cdf(p, uniform):
    """The first rank whose cumulative probability exceeds the number: [B, k], [B, 1] → [B] int32."""
    cumulative = tf.cumsum(p, -1)
    # A product with a number any closer to 1 can be rounded to the whole sum.
    reached = tf.minimum(uniform, 1 - 2.0**-23) * cumulative[:, -1:]
    return tf.reduce_sum(tf.cast(cumulative <= reached, tf.int32), -1)


def generate(step, first_ids, states, uniform, vocabulary_size, end=(), forbidden=(), **settings):
    """Symbols until the end, or as many as numbers, each read at the step after.

    Args:    step       see the top of the file
             first_ids  [B]: what is read first, such as the last symbol of a prompt
             states     before it is read
             uniform    [B, T] in [0, 1): the numbers that decide; T may be known only at run time
             end, forbidden   ids, lists or int32 tensors [N]: those that end a row, those never chosen;
                        an id of -1 is none
             settings   of `choose`, whose repetition penalty counts the symbols generated here
    Returns: {"ids" [B, T] int32, 0 after the end; "lengths" [B], the end included;
             "log_probability" [B, T], 0 after the end}

    >>> def count(ids, states):
    ...     return tf.one_hot(ids + 1, 5), states
    >>> found = generate(count, [1, 2], [], tf.zeros([2, 4]), 5, end=[4], temperature=0.0)
    >>> found["ids"].numpy().tolist(), found["lengths"].numpy().tolist()
    ([[2, 3, 4, 0], [3, 4, 0, 0]], [3, 2])
    """
    uniform = tf.transpose(tf.cast(uniform, tf.float32))
    steps, batch = tf.shape(uniform)[0], tf.shape(uniform)[1:]
    ends, never = among(end, vocabulary_size), among(forbidden, vocabulary_size)

    def advance(t, carried, sequences):
        ids, lengths, ended, seen, *states = carried
        logits, states, *_ = step(ids, states)
        chosen, log_p = choose(logits, tf.gather(uniform, t), seen, never, **settings)
        chosen, log_p = tf.where(ended, 0, chosen), tf.where(ended, 0.0, log_p)
        generated = [put(sequence, t, item) for sequence, item in zip(sequences, (chosen, log_p))]
        lengths += tf.cast(~ended, tf.int32)
        seen |= tf.equal(tf.expand_dims(chosen, 1), tf.range(vocabulary_size))
        return [chosen, lengths, ended | tf.gather(ends, chosen), seen, *states], generated

    first = [tf.cast(first_ids, tf.int32), tf.fill(batch, 0), tf.fill(batch, False),
             tf.fill([batch[0], vocabulary_size], False), *states]
    empty = [reserve(steps, batch, dtype) for dtype in (tf.int32, tf.float32)]
    carried, (ids, log_p) = loop(advance, steps, first, empty, False, lambda now: tf.reduce_all(now[2]))
    return {"ids": tf.transpose(stack(ids, batch, tf.int32)), "lengths": carried[1],
            "log_probability": tf.transpose(stack(log_p, batch, tf.float32))}


def among(ids, size):
    """Which of the ids 0 … size−1 are in a list: [N] → [size] bool.

    >>> among([2, -1], 4).numpy().tolist()
    [False, False, True, False]
    """
    ids = tf.reshape(tf.cast(ids, tf.int32), [1, -1])
    return tf.reduce_any(tf.equal(tf.expand_dims(tf.range(size), 1), ids), 1)
