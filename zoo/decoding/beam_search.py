"""Beam search: of all beginnings of a text, the K most probable ones are followed.

    score(y) = log P(y)/L^α

L counts the end symbol. α = 0 ranks by probability, which favours short texts; α = 1 by the mean of a
symbol.

At every step each of K hypotheses goes on with each of V symbols, and the K most probable results stay:
they are among the K most probable symbols of each hypothesis, so that K·V sums are not sorted.
Those that have ended leave the beam for the n best found so far; a text of the greatest length counts as
ended. The search is over once no hypothesis can get among the n best: log P only falls from here on, so
none can score more than log P/L^α with the greatest L (for α ≥ 0).

The network is a *step*, as in `sampling.py`, of [B·K] rows: `step(ids, states) → (logits, states)` or
`(logits, states, weights [B·K, S])`. Its states move with the hypotheses. What does not change with them,
an encoder's output, is the text's `source`, a third argument of the step; texts that are done leave the
batch then. Or it is left out of all, repeated once: `spread(values, width)`.

Source: Sutskever et al. 2014 (search); Cho et al. 2014 (L^α); Hokamp & Liu 2017, Post & Vilar 2018
        (phrases)
"""

import typing

import tensorflow as tf

from zoo.decoding.constraints import Phrases
from zoo.decoding.options import BeamOptions
from zoo.decoding.sampling import allowed, among
from zoo.ops.while_loop import loop, put, reserve, stack

NEVER = float("-inf")
BLOCK = 64  # symbols
NOTHING = -1e9  # the score where fewer than n texts were found; TFLite's sums make −∞ the lowest number


def beam_search(step, first_ids, states, width, max_length, end, alpha=BeamOptions.alpha, n_best=None,
                forbidden=(), banned=None, required=None, source_length=None,
                source=None):
    """The n best texts of each row, best first.

    Args:    step       see the top of the file
             first_ids  [B]: what is read first;  states  before it is read, each [B, …]
             width      K, at least 1; more than V is allowed. All numbers may be scalar tensors
             max_length   of a text, its end included; may be [B], one a row
             end, forbidden   ids, lists or int32 tensors [N]: those that end a text, those never chosen;
                        an id of -1 is none
             alpha      α ≥ 0
             n_best     n, by default K
             banned, required   None, or phrases that no text contains, that every text contains: ids
                        [N, M], or [B, N, M] for each row its own, 0 after a phrase's end; zeros are none
             source_length   S, if the step gives attention's weights too
             source     None, or {name: [B, …]}: what the step needs of each text. Then texts leave the
                        batch when they are done, unless there are phrases
    Returns: {"ids" [B, n, T] int32, 0 after the end, T the length of the longest; "lengths" [B, n];
             "scores" [B, n]; "log_probability" [B, n]: log P; with `source_length` "alignments"
             [B, n, T, S]: the weights at each symbol}. Where fewer than n texts are found, the rest have
             length 0 and score about NOTHING

    A required phrase is completed in time at any cost. Hypotheses that lack differently many of the
    required symbols share the beam: the best of each group stay, those that lack least first. It should
    be wider than there are required symbols.

    >>> def step(ids, states):  # after 1 comes 2 or 3, then the end, which is 4
    ...     p = tf.constant([[0, 0, .6, .4, 0], [0, 0, .1, .1, .8], [0, 0, 0, 0, 1]])
    ...     return tf.math.log(tf.gather(p, ids - 1)), states
    >>> found = beam_search(step, [1], [], 2, 5, [4], alpha=0.0)
    >>> found["ids"].numpy().tolist(), [round(float(p), 2) for p in tf.exp(found["scores"][0])]
    ([[[2, 4], [3, 4]]], [0.48, 0.4])
    """
    search = Search(
        step, width, max_length, end, alpha, forbidden, banned, required, source_length, source)
    return search.run(first_ids, states, width if n_best is None else n_best)


def spread(tensor, width):
    """Each row once for each of its hypotheses: [B, …] → [B·K, …]

    >>> spread(tf.constant([[1], [2]]), 2).numpy().tolist()
    [[1], [1], [2], [2]]
    """
    return tf.repeat(tensor, width, 0)


class Live(typing.NamedTuple):
    """The hypotheses that go on.

    texts          [B]: which of the batch these are: fewer and fewer, if texts leave it
    ids, log_p     [B, K]: the last symbol; log P, −∞ where there is no hypothesis
    states         the step's, each [B·K, …]
    banned, required   [[B, K, M]]: `recent` of the phrases; or none of it
    met            [[B, K, N]]: the required phrases that are complete; or none of it
    """

    texts: tf.Tensor
    ids: tf.Tensor
    log_p: tf.Tensor
    states: list
    banned: list
    required: list
    met: list


class Found(typing.NamedTuple):
    """The n best that have ended; a last symbol is that of a slot at step lengths−1. All [B, n]."""

    scores: tf.Tensor
    log_p: tf.Tensor
    lengths: tf.Tensor
    slots: tf.Tensor


class Candidates(typing.NamedTuple):
    """One more symbol: log P, the hypothesis each comes from, and the symbol. All [B, K]."""

    log_p: tf.Tensor
    parents: tf.Tensor
    ids: tf.Tensor

    def best(self, key, count):
        """Those with the largest keys [B, …]."""
        order = tf.math.top_k(key, count).indices
        return Candidates(*(tf.gather(column, order, batch_dims=1) for column in self))


class Search:
    """One search: its settings, and what a step does to hypotheses and to what was found."""

    def __init__(self, step, width, max_length, end, alpha, forbidden, banned, required, source_length,
                 source):
        self.step, self.width, self.end, self.forbidden = step, width, end, forbidden
        self.alpha, self.source_length = alpha, source_length
        self.source = source
        self.leave = source is not None and banned is None and required is None
        self.max_length, self.steps, self.limit = max_length, max_length, max_length
        if tf.convert_to_tensor(max_length).shape.rank:     # one a row: of the loop the longest, [B, 1]
            self.steps, self.limit = tf.reduce_max(max_length), tf.expand_dims(max_length, 1)
        self.banned, self.required = (None if p is None else Phrases(p) for p in (banned, required))

    def run(self, first_ids, states, n_best):
        shape = tf.stack([tf.shape(first_ids)[0], self.width])
        kept = [(shape, tf.int32), (shape, tf.int32)]  # parents, ids
        if self.source_length is not None:
            kept.append((tf.stack([shape[0] * self.width, self.source_length]), tf.float32))
        sequences = [reserve(self.steps, *item) for item in kept]
        carried = self._start(first_ids, states, shape), self._nothing(shape[0], n_best)
        (_, found), sequences = loop(
            self._turn, self.steps, carried, sequences, False, self._over, self.leave)
        return results(found, self.width, *(stack(s, *item) for s, item in zip(sequences, kept)))

    def _start(self, first_ids, states, shape):
        """One hypothesis a row: the others would be the same one."""
        ids = spread(tf.expand_dims(tf.cast(first_ids, tf.int32), 1), self.width)
        alone = tf.where(tf.equal(tf.range(self.width), 0), 0.0, NEVER)
        states = tf.nest.map_structure(lambda state: spread(state, self.width), list(states))
        banned, required = ([phrases.initial(shape)] if phrases else []
                            for phrases in (self.banned, self.required))
        met = [self.required.complete(recent) for recent in required]
        return Live(tf.range(shape[0]), tf.reshape(ids, shape), tf.broadcast_to(alone, shape), states,
                    banned, required, met)

    @staticmethod
    def _nothing(batch, n_best):
        shape = tf.stack([batch, n_best])
        return Found(tf.fill(shape, NEVER), tf.fill(shape, NEVER), tf.fill(shape, 0), tf.fill(shape, 0))

    def _over(self, carried):
        live, found = carried
        return tf.equal(tf.size(live.texts), 0) if self.leave else ~tf.reduce_any(
            self._open(live.texts, live.log_p, found))

    def _open(self, texts, log_p, found):
        """Of which texts a hypothesis can still get among the n best: [B]."""
        most = tf.reduce_max(log_p, 1) / self._norm(self._of(self.max_length, texts))
        return most > tf.maximum(found.scores[:, -1], NOTHING)

    def _of(self, array, texts):
        """What belongs to these texts."""
        return tf.gather(array, texts) if self.leave and tf.convert_to_tensor(array).shape.rank else array

    def _norm(self, length):
        """L^α."""
        return tf.pow(tf.cast(length, tf.float32), self.alpha)

    def _turn(self, t, carried, sequences):
        live, found = carried
        sources = [] if self.source is None else [
            {name: self._of(array, live.texts) for name, array in self.source.items()}]
        logits, states, *weights = self.step(tf.reshape(live.ids, [-1]), live.states, *sources)
        live = live._replace(states=states)
        symbols = tf.shape(logits)[1]
        chosen = self._chosen(self._next(logits, live), live, symbols, t)
        ended = one_of(self.end, chosen.ids) | tf.equal(t + 1, self._of(self.limit, live.texts))
        scores = tf.where(ended, chosen.log_p / self._norm(t + 1), NEVER)
        before = Found(*(self._of(column, live.texts) for column in found))
        after = self._found(before, scores, chosen.log_p, t + 1)
        kept = [self._whole(item, live.texts, found) for item in (chosen.parents, chosen.ids, *weights)]
        sequences = [put(sequence, t, item) for sequence, item in zip(sequences, kept)]
        found = self._updated(found, after, live.texts)
        return (self._moved(live, chosen, ended, after), found), sequences

    def _whole(self, items, texts, found):
        """Items of some texts, [B, …] or [B·K, …], as those of all, zeros for the others."""
        if not self.leave:
            return items
        each = tf.reshape(items, tf.concat([[tf.size(texts), -1], tf.shape(items)[1:]], 0))
        shape = tf.concat([tf.shape(found.scores)[:1], tf.shape(each)[1:]], 0)
        all_ = tf.scatter_nd(tf.expand_dims(texts, 1), each, shape)
        return tf.reshape(all_, tf.concat([[-1], tf.shape(items)[1:]], 0))

    def _updated(self, found, new, texts):
        """What was found of all texts, after a step of some."""
        if not self.leave:
            return new
        moved = self._whole(tf.ones([tf.size(texts), 1], tf.int32), texts, found) > 0
        return Found(*(tf.where(moved, self._whole(column, texts, found), old)
                       for column, old in zip(new, found)))

    def _next(self, logits, live):
        """log p of each symbol after each hypothesis, [B·K, V]; −∞ if it is refused."""
        symbols = tf.shape(logits)[1]
        refused = among(self.forbidden, symbols)
        for recent in live.banned:
            last = tf.expand_dims(self.banned.last_symbols(recent), 3)
            banned = tf.reduce_any(tf.equal(last, tf.range(symbols)), 2)
            refused |= tf.reshape(banned, tf.shape(logits))
        return allowed(tf.nn.log_softmax(tf.cast(logits, tf.float32)), refused)

    def _chosen(self, log_p, live, symbols, t):
        """The K candidates that stay."""
        best, ids = largest(log_p, tf.minimum(self.width, symbols))
        each = tf.shape(ids)[1]
        shape = tf.stack([-1, self.width * each])
        best, places = tf.math.top_k(tf.reshape(after(live, best), shape), self.width)
        chosen = Candidates(
            best, places // each, tf.gather(tf.reshape(ids, shape), places, batch_dims=1))
        return self._with_wanted(chosen, log_p, live, symbols, t) if self.required else chosen

    def _with_wanted(self, chosen, log_p, live, symbols, t):
        """The K that stay of these and of those that go on with a required phrase."""
        wanted = self._wanted(live, symbols)
        forced = tf.gather(tf.reshape(after(live, log_p), tf.stack([-1, self.width * symbols])),
                           tf.maximum(wanted, 0), batch_dims=1)
        best = tf.concat([chosen.log_p, tf.where(wanted < 0, NEVER, forced)], 1)
        places = tf.concat([chosen.parents * symbols + chosen.ids, wanted], 1)
        best = tf.where(earlier_equals(places) > 0, NEVER, best)
        places = tf.maximum(places, 0)
        return self._shared(Candidates(best, places // symbols, places % symbols), live, t)

    def _wanted(self, live, symbols):
        """Where in [K·V] the required phrases go on, -1 if they are complete: [B, K·N]."""
        following = self.required.next_symbols(live.required[0])
        places = following + tf.reshape(tf.range(self.width) * symbols, [1, -1, 1])
        shape = tf.stack([-1, self.width * self.required.count])
        return tf.reshape(tf.where(live.met[0], -1, places), shape)

    def _shared(self, candidates, live, t):
        """The beam shared out: the best of those that lack equally many symbols, then the second …

        Those that lack more than there is time for are out, so what is left can be completed in time.
        """
        count = tf.shape(candidates.ids)[1]
        candidates = candidates.best(candidates.log_p, count)
        lacking = self._lacking(*self._after(candidates, live))
        ends = one_of(self.end, candidates.ids)
        in_time = lacking <= tf.where(ends, 0, self.limit - 1 - t)
        candidates = candidates._replace(log_p=tf.where(in_time, candidates.log_p, NEVER))
        better = earlier_equals(tf.where(in_time, lacking, -1))
        turn = better * (tf.reduce_max(lacking) + 1) + lacking
        return candidates.best(tf.where(candidates.log_p > NOTHING, -turn, tf.int32.min), self.width)

    def _after(self, candidates, live):
        """`recent` and `met` of the required phrases after the candidates' symbols."""
        recent, met = (tf.gather(of[0], candidates.parents, batch_dims=1)
                       for of in (live.required, live.met))
        recent = self.required.appended(recent, candidates.ids)
        return recent, met | self.required.complete(recent)

    def _lacking(self, recent, met):
        """At most how many symbols are still needed, saying one phrase after the other: [B, K].

        Only one phrase begun counts: going on with it may well leave the others.
        """
        lengths = tf.reduce_sum(tf.where(met, 0, self.required.lengths), 2)
        return lengths - tf.reduce_max(tf.where(met, 0, self.required.progress(recent)), 2)

    def _found(self, found, scores, log_p, length):
        """The n best of what was found before and of the candidates that have ended, [B, K]."""
        slots = tf.broadcast_to(tf.range(self.width), tf.shape(scores))
        new = Found(scores, log_p, tf.zeros_like(slots) + length, slots)
        both = [tf.concat(pair, 1) for pair in zip(found, new)]
        order = tf.math.top_k(both[0], tf.shape(found.scores)[1]).indices
        return Found(*(tf.gather(column, order, batch_dims=1) for column in both))

    def _moved(self, live, chosen, ended, found):
        """The hypotheses after their symbols; those that have ended are none any more."""
        chosen = chosen._replace(log_p=tf.where(ended, NEVER, chosen.log_p))
        stay, texts = tf.range(tf.shape(chosen.ids)[0]), live.texts
        if self.leave:
            stay = tf.reshape(tf.cast(tf.where(self._open(texts, chosen.log_p, found)), tf.int32), [-1])
            texts = tf.gather(texts, stay)
            chosen = Candidates(*(tf.gather(column, stay) for column in chosen))
        first = tf.expand_dims(stay * self.width, 1)
        rows = tf.reshape(first + chosen.parents, [-1])
        states = tf.nest.map_structure(lambda state: tf.gather(state, rows), live.states)
        banned = [self.banned.appended(tf.gather(recent, chosen.parents, batch_dims=1), chosen.ids)
                  for recent in live.banned]
        required, met = self._after(chosen, live) if self.required else ([], [])
        return Live(texts, chosen.ids, chosen.log_p, states, banned,
                    [required] * len(live.required), [met] * len(live.met))


def largest(array, count):
    """The largest numbers of each row [R, N] and their places, as `tf.math.top_k`, equals in any order.

    They are in the blocks with the largest maxima, and to find a maximum takes a fraction of the time.

    >>> [found.numpy().tolist() for found in largest(tf.range(10000)[None] % 9999, 2)]
    [[[9998, 9997]], [[9998, 9997]]]
    """
    size = array.shape[1]
    if size is None or size < 16 * BLOCK:
        return tf.math.top_k(array, count)
    padded = tf.pad(array, [[0, 0], [0, -size % BLOCK]], constant_values=array.dtype.min)
    blocks = tf.reshape(padded, [-1, -(-size // BLOCK), BLOCK])
    order = tf.math.top_k(tf.reduce_max(blocks, 2), tf.minimum(count, blocks.shape[1])).indices
    shape = tf.stack([-1, tf.shape(order)[1] * BLOCK])
    places = tf.expand_dims(order * BLOCK, 2) + tf.range(BLOCK)
    best, at = tf.math.top_k(tf.reshape(tf.gather(blocks, order, batch_dims=1), shape), count)
    return best, tf.minimum(tf.gather(tf.reshape(places, shape), at, batch_dims=1), size - 1)


def after(live, log_p):
    """log P of the hypotheses, each with N symbols after it: log p [B·K, N].

    Where nothing at all is possible, log_softmax is not a number.
    """
    return tf.reshape(live.log_p, [-1, 1]) + tf.where(log_p > NOTHING, log_p, NEVER)


def one_of(ids, array):
    """Which of an array's numbers are in a list [N].

    >>> one_of([2, -1], tf.constant([[2, 3]])).numpy().tolist()
    [[True, False]]
    """
    ids = tf.reshape(tf.cast(ids, tf.int32), [-1])
    return tf.reduce_any(tf.equal(tf.expand_dims(array, -1), ids), -1)


def earlier_equals(array):
    """For each number of a row, how many before it are the same.

    >>> earlier_equals(tf.constant([[5, 7, 5, 5]])).numpy().tolist()
    [[0, 0, 1, 2]]
    """
    place = tf.range(tf.shape(array)[1])
    same = tf.equal(tf.expand_dims(array, 2), tf.expand_dims(array, 1))
    return tf.reduce_sum(tf.cast(same & (place < tf.expand_dims(place, 1)), tf.int32), 2)


def results(found, width, parents, ids, weights=None):
    """The texts that were found, from what was kept of every step: [T, B, K], weights [T, B·K, S]."""
    if weights is not None:
        shape = tf.stack([tf.shape(ids)[0], -1, width, tf.shape(weights)[2]])
        weights = tf.reshape(weights, shape)
    lengths = tf.where(found.scores > NOTHING, found.lengths, 0)
    texts, *alignments = follow_back(found.slots, lengths, parents, ids, weights)
    return {"ids": tf.transpose(texts, [1, 2, 0]), "lengths": lengths,
            "scores": tf.maximum(found.scores, NOTHING),
            "log_probability": tf.maximum(found.log_p, NOTHING),
            **{"alignments": tf.transpose(a, [1, 2, 0, 3]) for a in alignments}}


def follow_back(slots, lengths, parents, ids, weights):
    """From each text's last symbol to its first: ids [T, B, n], weights [T, B, n, S] if there are any."""
    steps, shape = tf.maximum(tf.reduce_max(lengths), 1), tf.shape(slots)
    kept = [(shape, tf.int32)]
    if weights is not None:
        kept.append((tf.concat([shape, tf.shape(weights)[3:]], 0), tf.float32))

    def step(s, states, sequences):
        t, slots = steps - 1 - s, states[0]
        inside = t < lengths
        parent = tf.gather(tf.gather(parents, t), slots, batch_dims=1)
        items = [tf.where(inside, tf.gather(tf.gather(ids, t), slots, batch_dims=1), 0)]
        if weights is not None:
            seen = tf.gather(tf.gather(weights, t), parent, batch_dims=1)
            items.append(tf.where(tf.expand_dims(inside, 2), seen, 0.0))
        sequences = [put(sequence, t, item) for sequence, item in zip(sequences, items)]
        return [tf.where(inside, parent, slots)], sequences

    _, sequences = loop(step, steps, [slots], [reserve(steps, *item) for item in kept], False)
    return [stack(sequence, *item) for sequence, item in zip(sequences, kept)]
