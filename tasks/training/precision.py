"""Mixed precision: networks that compute in bfloat16 while they are trained, their weights in float32."""

import contextlib

import keras


@contextlib.contextmanager
def mixed(wanted):
    """Layers that are made inside compute in bfloat16, if it is `wanted`.

    >>> with mixed(True):
    ...     keras.layers.Dense(1).compute_dtype
    'bfloat16'
    """
    before = keras.config.dtype_policy()
    if wanted:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_float32(network):
    """The same network, computing in float32: what is exported, for TFLite knows no bfloat16."""
    again = type(network).from_config({**network.get_config(), "dtype": "float32"})
    again.set_weights(network.get_weights())
    return again
