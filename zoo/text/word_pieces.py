"""Word pieces: learnt from counts of words, and found in a word."""

import tensorflow as tf

from zoo.text.vocabulary import RESERVED


def word_piece_tokenizer(keys, longest_word):
    """What finds the ids of the word pieces `keys` [V] in words of at most so many bytes."""
    import tensorflow_text  # slow to import, and needed for word pieces only
    return tensorflow_text.FastWordpieceTokenizer(
        keys.numpy().tolist(), unknown_token=RESERVED[1], token_out_type=tf.int32,
        no_pretokenization=True, max_bytes_per_word=longest_word)


def learn_word_pieces(counts, size, min_count, reserved):
    """Word pieces that occur often, and every frequent character, within a word (##x) and not."""
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner
    threshold = _threshold(counts, size, min_count)
    pieces = learner.learn(
        sorted((word.decode(), count) for word, count in counts.items()), vocab_size=size,
        reserved_tokens=list(reserved), lower_thresh=threshold, upper_thresh=threshold,
        max_unique_chars=max(1, (size - len(reserved)) // 4))  # at most half are single characters
    return _shorten(pieces, size, reserved)


def _threshold(counts, size, min_count):
    """How often a piece must occur for about size of them to be learnt.

    Given bounds instead, the learner tries a dozen thresholds, each for seconds.  Nearly all
    words above the threshold are learnt, and fragments besides: on English reviews, sizes of 1000
    to 8000 were filled by 1.6 to 2.5 times the count of the size-th most frequent word.
    """
    frequent = sorted(counts.values(), reverse=True)
    last = frequent[size - 1] if size <= len(frequent) else 0
    return max(2, min_count, 7 * last // 4)


def _shorten(pieces, size, reserved):
    """Drops the rarest pieces beyond size, but no character."""
    longer = [piece for piece in pieces[len(reserved):] if len(piece.removeprefix("##")) > 1]
    dropped = set(longer[len(longer) - max(0, len(pieces) - size):])
    return [piece for piece in pieces if piece not in dropped]
