"""One recurrence, several engines: the same weights give the same numbers in each.

An engine is a module with two functions:

    unmet(layer)    None, or the condition that keeps it from running this layer, in words
    run(cell, inputs, states, timing, return_sequences)    as `zoo.recurrence.run`

`engine="auto"` takes the first engine of the table without an unmet condition; a named engine that
cannot do what is asked raises. Inside `exporting()` every layer runs on the loop, whatever it was built
with, so that an exported graph holds stock TensorFlow ops only.
"""

import contextlib

from zoo import recurrence

ENGINES = {"loop": recurrence}

# A module global: the replica threads of `tf.distribute` see neither thread-locals nor contextvars.
_exporting = False


@contextlib.contextmanager
def exporting():
    """Run every layer on the loop while a graph is traced for export."""
    global _exporting
    before, _exporting = _exporting, True
    try:
        yield
    finally:
        _exporting = before


def check(name):
    """Raise ValueError unless `name` is "auto" or an engine."""
    if name != "auto" and name not in ENGINES:
        raise ValueError(f"engine: expected one of {['auto', *ENGINES]}, received {name!r}")
    return name


def choose(layer):
    """The name of the engine that runs `layer` now.

    Raises:  ValueError: the engine that the layer names cannot run it; says which condition is unmet
    """
    if _exporting:
        return "loop"
    if layer.engine == "auto":
        return next(name for name, engine in ENGINES.items() if engine.unmet(layer) is None)
    condition = ENGINES[layer.engine].unmet(layer)
    if condition is not None:
        raise ValueError(f"engine={layer.engine!r} cannot run {layer.name}: it needs {condition}")
    return layer.engine
