"""The recurrences as NVIDIA's cuDNN runs them: one operation for all layers, directions and steps.

cuDNN counts pseudo-layers: layer 1 forward, layer 1 backward, layer 2 forward … It takes the weights of
all of them as one flat buffer, every matrix before any bias:

    matrices    for each pseudo-layer:  Wᵀ of each gate [H, D], then Uᵀ of each gate [H, H]
    biases      for each pseudo-layer:  b of each gate, added to x·W, then b' of each gate, added to h·U
    gates       LSTM i f g o; GRU r z n, where Keras has z r n

The GRU's two rows of bias are these two sets; elsewhere b' is zero. The backward pass is TensorFlow's own
gradient of the operation.

On GPUs since Ampere TensorFlow lets float32 products be computed in TF32, three digits; to agree with the
other engines takes `tf.config.experimental.enable_tensor_float_32_execution(False)`.

Source: cuDNN's reference, `cudnnRNNForward` and `cudnnGetRNNWeightParams`; Appleyard et al. 2016
"""

import keras
import tensorflow as tf

from zoo.engines import graphs, kinds
from zoo.ops.masks import cleared
from zoo.ops.products import add_bias

# Not bfloat16, before it is seen right on a GPU: there TensorFlow casts back and forth around cuDNN.
DTYPES = ("float16", "float32", "float64")

NEEDED = {"zoneout": 0, "truncate": None, "unroll": False, "recurrent_dropout": 0, "reset_after": True,
          "layer_normalization": False}


# What the engine can run.

def unmet(layer):
    """None, or what keeps the engine from running this layer, in words."""
    return _unmet_option(layer) or _unmet_machine()


def _unmet_option(layer):
    if layer.use_cudnn is False:
        return "use_cudnn=True or 'auto', not False"
    if not kinds.is_known(layer.cell) and not isinstance(layer.cell, SkipInput):
        return f"a SimpleRNNCell, GRUCell or LSTMCell, not a {type(layer.cell).__name__}"
    if layer.compute_dtype not in DTYPES:
        return f"float16, float32 or float64, not {layer.compute_dtype}"
    for option, needed in NEEDED.items():
        given = getattr(layer, option, needed)
        if given != needed:
            return f"{option}={needed}, not {given}"
    return kinds.unmet_activation(layer.cell)


def _unmet_machine():
    if not tf.test.is_built_with_cuda():
        return "a TensorFlow that is built with CUDA"
    if not tf.config.get_visible_devices("GPU"):
        return "an NVIDIA GPU that TensorFlow can see"
    return None


class SkipInput:
    """Mixed into a cell: no input matrix, x itself goes into every gate, a = x + h·U + b; D = H."""

    def add_weight(self, *, name, **options):
        return None if name == "kernel" else super().add_weight(name=name, **options)

    def input_gates(self, inputs):
        gates, bias = tf.concat(self.gates * [inputs], -1), self.input_bias()
        return gates if bias is None else add_bias(gates, bias)


# What the engine does.

def run(cell, inputs, states, timing, return_sequences):
    """As `zoo.engines.loop.run`, but that the sequence is zero before the first unmasked step."""
    x, mask = inputs, timing.mask
    if timing.go_backwards:
        x, mask = tf.reverse(x, [1]), None if mask is None else tf.reverse(mask, [1])
    sequence, states = recur([weights_of(cell, timing.weight_drop)], mode(cell), x,
                             [tf.expand_dims(state, 1) for state in states], mask)
    return sequence if return_sequences else None, [tf.squeeze(state, 1) for state in states]


def mode(cell):
    """What cuDNN calls the cell's equations."""
    if cell.gates == 1:
        return "rnn_relu" if cell.activation is keras.activations.relu else "rnn_tanh"
    return {3: "gru", 4: "lstm"}[cell.gates]


def weights_of(cell, kept=None):
    """W, U, b as `pack` takes them; None for what the cell does not have."""
    kernel, bias = (None if weight is None else tf.convert_to_tensor(weight)
                    for weight in (cell.kernel, cell.bias))
    return kernel, cell.recurrent_matrix(kept), bias


def recur(weights, mode, x, states, mask=None, directions=1):
    """All pseudo-layers in one operation, for a mask of any pattern.

    Args:    weights     (W, U, b) of each pseudo-layer; W is None where the first layer has none
             mode        "rnn_tanh", "rnn_relu", "gru" or "lstm"
             x           [B, T, D]
             states      h, or h and c, each [B, pseudo-layers, H]
             mask        [B, T] bool or None: where False, all layers keep their states
             directions  1, or 2: forward and backward
    Returns: the last layer's outputs [B, T, directions·H], masked steps as `expand` has them or, with
             two directions, zero; final states
    """
    graphs.refuse_to_save("cudnn")
    lengths = tf.fill([tf.shape(x)[0]], tf.shape(x)[1])
    if mask is not None:
        x, lengths = compress(cleared(x, mask), mask)
    batch, steps = tf.unstack(tf.shape(x)[:2])
    sequence, h, c, *_ = tf.raw_ops.CudnnRNNV3(
        # Time-major: with batch-major arrays TensorFlow hands cuDNN the states of several layers as
        # they lie in memory, [B, layers, H], where it reads [layers, B, H].
        input=tf.transpose(one_at_least(x, 2), [1, 0, 2]), params=pack(weights),
        **_time_major([one_at_least(state, 1) for state in states]),
        sequence_lengths=tf.maximum(one_at_least(lengths, 1), 1), time_major=True,
        rnn_mode=mode, input_mode="skip_input" if weights[0][0] is None else "linear_input",
        direction="bidirectional" if directions == 2 else "unidirectional",
        # Eager calls of equal settings share what TensorFlow remembers of the first one, such as
        # whether there was padding: `seed2` keeps masked calls and others apart. Dropout is not left to
        # it: it would draw the same numbers anew for each new length of batch or sequence.
        dropout=0.0, seed2=int(mask is not None),
        is_training=True)  # whether or not a tape is watching: the gradient refuses anything else
    sequence = tf.transpose(sequence, [1, 0, 2])[:batch, :steps]
    last = [tf.transpose(state, [1, 0, 2])[:batch] for state in (h, c)[:len(states)]]
    any_step = tf.reshape(lengths > 0, [-1, 1, 1])
    last = [tf.where(any_step, new, old) for new, old in zip(last, states)]
    if mask is None:
        return sequence, last
    sequence = expand(sequence, mask)
    if directions == 2:
        sequence = tf.where(tf.expand_dims(mask, -1), sequence, 0)
    return sequence, last


def one_at_least(array, axes):
    """The array with a zero in each of the first axes that is empty: cuDNN refuses no rows and no steps.

    >>> tuple(one_at_least(tf.zeros([2, 0, 3]), 2).shape)
    (2, 1, 3)
    """
    if all(array.shape[:axes]):
        return array
    missing = tf.maximum(0, 1 - tf.shape(array)[:axes])  # nothing, as a rule: then nothing is copied
    pairs = tf.pad(tf.expand_dims(missing, 1), [[0, array.shape.rank - axes], [1, 0]])
    padded = tf.pad(array, pairs)
    padded.set_shape(axes * [None] + array.shape[axes:])
    return padded


def _time_major(states):
    """The states as the operation takes them; c is ignored where there is none."""
    h, *c = [tf.transpose(state, [1, 0, 2]) for state in states]
    return {"input_h": h, "input_c": c[0] if c else tf.zeros([], h.dtype)}


# Masks: cuDNN takes lengths, at least one. A masked step changes no state, so it can be left out.

def compress(x, mask):
    """The unmasked steps of every row, moved to the left.

    Args:    x [B, T, D], mask [B, T] bool
    Returns: x [B, T+1, D], zero from each row's length on, and the lengths [B]. At least one step is
             padding, also where none is masked: TensorFlow settles in an operation's first call
             whether there is any.

    >>> x, lengths = compress(tf.constant([[[1.], [2.], [3.]]]), tf.constant([[False, True, True]]))
    >>> tf.squeeze(x, -1).numpy().tolist(), lengths.numpy().tolist()
    ([[2.0, 3.0, 0.0, 0.0]], [2])
    """
    unmasked = tf.pad(tf.cast(mask, tf.int32), [[0, 0], [0, 1]])
    steps = tf.range(tf.shape(unmasked)[1])
    order = tf.argsort(steps - unmasked * tf.size(steps), 1)
    lengths = tf.reduce_sum(unmasked, 1)
    left = tf.gather(tf.pad(x, [[0, 0], [0, 1], [0, 0]]), order, batch_dims=1)
    kept = tf.expand_dims(tf.sequence_mask(lengths, tf.size(steps)), -1)
    return tf.where(kept, left, 0), lengths


def expand(sequence, mask):
    """Back from the steps of `compress` to those of the mask: a masked step repeats the one before it.

    Args:    sequence [B, T+1, H], mask [B, T] bool
    Returns: [B, T, H], zeros before the first unmasked step

    >>> y = expand(tf.constant([[[2.], [3.], [0.], [0.]]]), tf.constant([[False, True, False]]))
    >>> tf.squeeze(y, -1).numpy().tolist()
    [[0.0, 2.0, 2.0]]
    """
    steps_so_far = tf.cumsum(tf.cast(mask, tf.int32), 1)
    return tf.gather(tf.pad(sequence, [[0, 0], [1, 0], [0, 0]]), steps_so_far, batch_dims=1)


# Weights: Keras's arrays and cuDNN's buffer.

def pack(weights):
    """cuDNN's flat buffer: see the top of the file.

    Args:    weights  for each pseudo-layer W [D, G·H] (None without input matrices), U [H, G·H] and
                      b [G·H], for the GRU [2, 3H] (None: zeros), gates as Keras has them
    Returns: [`buffer_size`]

    >>> pack([([[1., 2.], [3., 4.]], [[5., 6.], [7., 8.]], [9., 10.])]).numpy().astype(int).tolist()
    [1, 3, 2, 4, 5, 7, 6, 8, 9, 10, 0, 0]
    """
    matrices, biases = [], []
    for kernel, recurrent_kernel, bias in weights:
        recurrent_kernel = tf.convert_to_tensor(recurrent_kernel)
        gates = recurrent_kernel.shape[1] // recurrent_kernel.shape[0]
        matrices += [tf.transpose(reordered(matrix, gates))
                     for matrix in (kernel, recurrent_kernel) if matrix is not None]
        biases.append(reordered(both_biases(bias, recurrent_kernel), gates))
    return tf.concat([tf.reshape(part, [-1]) for part in matrices + biases], 0)


def unpack(buffer, gates, units, features, num_layers=1, directions=1, skip=False):
    """The inverse of `pack`, for buffers from elsewhere: row 15 of docs/equations.md.

    Args:    buffer       [`buffer_size`]
             gates        1, 3 for the GRU, 4 for the LSTM
             skip         whether the first layer has no input matrices
    Returns: a list of (W, U, b), one for each pseudo-layer; where one b is enough, the sum of both
    Raises:  ValueError: a buffer of another size
    """
    buffer, width = tf.convert_to_tensor(buffer), gates * units
    inputs = input_sizes(units, features, num_layers, directions, skip)
    size = buffer_size(gates, units, features, num_layers, directions, skip)
    if buffer.shape != [size]:
        raise ValueError(f"buffer: expected [{size}] for these layers, received {list(buffer.shape)}")
    rows = [rows for n in inputs for rows in (n, units)] + len(inputs) * [2]
    parts = tf.split(buffer, [n * width for n in rows])
    cut = 2 * len(inputs)
    matrices = [reordered(tf.transpose(tf.reshape(part, [width, n])), gates)
                for part, n in zip(parts[:cut], rows)]
    biases = [reordered(tf.reshape(part, [2, width]), gates) for part in parts[cut:]]
    return [(W if n else None, U, b if gates == 3 else b[0] + b[1])
            for n, W, U, b in zip(inputs, matrices[::2], matrices[1::2], biases)]


def buffer_size(gates, units, features, num_layers=1, directions=1, skip=False):
    """How many numbers `pack` gives: Σ G·H·(D + H + 2), D what a pseudo-layer reads.

    >>> buffer_size(gates=4, units=3, features=2, num_layers=2)
    180
    """
    return sum(gates * units * (n + units + 2)
               for n in input_sizes(units, features, num_layers, directions, skip))


def input_sizes(units, features, num_layers, directions, skip):
    """How many rows W has, for each pseudo-layer."""
    above = (num_layers - 1) * [directions * units]
    return [n for n in [0 if skip else features, *above] for _ in range(directions)]


def reordered(array, gates):
    """From Keras's order of gates on the last axis to cuDNN's, or back: the GRU's first two change."""
    if gates != 3:
        return tf.convert_to_tensor(array)
    first, second, third = tf.split(array, 3, -1)
    return tf.concat([second, first, third], -1)


def both_biases(bias, recurrent_kernel):
    """cuDNN's two sets of biases, [2, G·H]."""
    zeros = tf.zeros_like(recurrent_kernel[0])
    if bias is None:
        return tf.stack([zeros, zeros])
    bias = tf.convert_to_tensor(bias)
    return bias if bias.shape.rank == 2 else tf.stack([bias, zeros])
