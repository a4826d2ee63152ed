"""What all layers over sequences share: ragged inputs, first states, shapes."""

import functools

import keras
import tensorflow as tf
from keras.src.backend import AutocastScope


class OverSequences(keras.layers.Layer):
    """A layer over sequences [B, T, D], ragged ones too, that may be given its first states."""

    mask_name = "mask"      # of the argument of `call`

    def __call__(self, sequences, *args, **kwargs):
        sequences, kwargs = from_ragged(sequences, kwargs, self.mask_name)
        self._check_states(batch_size(sequences), *args[:1], **kwargs)
        return super().__call__(sequences, *args, **kwargs)

    def _check_states(self, batch, initial_state=None, **_):
        """Before `call`, whose errors Keras adds many lines to."""
        if initial_state is not None:
            check_states("initial_state", initial_state, self.state_size, batch)


def batch_size(tensor):
    """The static batch size, or None."""
    shape = static_shape(tensor)
    return shape[0] if shape.rank else None


def static_shape(tensor):
    return tf.TensorShape(getattr(tensor, "shape", None))


def check_states(name, given, sizes, batch):
    """Raise ValueError unless `given` is one tensor [B, H] for each of the sizes H."""
    given, known = as_list(given), "B" if batch is None else batch
    shapes = ", ".join(dict.fromkeys(f"[{known}, {size}]" for size in sizes))
    expected = f"{name}: expected {len(sizes)} tensor{'s' * (len(sizes) > 1)} {shapes}, received"
    if len(given) != len(sizes):
        raise ValueError(f"{expected} {len(given)}")
    for state, size in zip(given, sizes):
        if not static_shape(state).is_compatible_with([batch, size]):
            raise ValueError(f"{expected} {list(static_shape(state))}")


def as_list(several):
    """A list or a tuple as a list, anything else as a list of one."""
    return list(several) if isinstance(several, (list, tuple)) else [several]


def first(mask):
    """The mask of the sequences, where there is one for every input."""
    return as_list(mask)[0]


def from_ragged(sequences, kwargs, mask="mask"):
    """A ragged batch as a right-padded one and its mask; anything else as it is."""
    if not isinstance(sequences, tf.RaggedTensor):
        return sequences, kwargs
    dense = sequences.to_tensor()
    lengths = sequences.row_lengths()
    return dense, {**kwargs, mask: tf.sequence_mask(lengths, tf.shape(dense)[1])}


def autocast(method):
    """A layer's method that reads its weights as a call does: cast, in mixed precision."""
    @functools.wraps(method)
    def reading(layer, *args, **kwargs):
        with AutocastScope(layer.compute_dtype):
            return method(layer, *args, **kwargs)

    return reading


def as_shapes(shape, several):
    return shape if several else (shape,)
