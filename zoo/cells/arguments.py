"""Arguments of cells and layers: their order, their ranges, their configuration."""

import inspect

import keras


def arguments_of(theirs):
    """A class decorator: arguments in the order of a Keras class, those it does not have by keyword."""
    *ordered, rest = inspect.signature(theirs.__init__).parameters.values()
    taken = {parameter.name for parameter in (*ordered, rest)}

    def decorate(cls):
        init = cls.__init__
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
               for name, parameter in inspect.signature(init).parameters.items() if name not in taken]

        signature = inspect.Signature([*ordered, *own, rest])

        def __init__(*args, **kwargs):
            given = signature.bind(*args, **kwargs).arguments
            others = given.pop(rest.name, {})
            init(**given, **others)

        __init__.__signature__ = signature
        cls.__init__ = __init__
        return cls

    return decorate


def is_count(value):
    """Whether a value is a positive integer; True is none."""
    return hasattr(value, "__index__") and not isinstance(value, bool) and value > 0


def rate(name, value):
    """Check a dropout or zoneout rate."""
    if not (hasattr(value, "__float__") and 0 <= value < 1):
        raise ValueError(f"{name}: expected a rate in [0, 1), received {value!r}")
    return value


def serialized(value):
    """An option as `get_config` gives it: numbers as they are, objects as Keras serialises them."""
    if inspect.isfunction(value):
        return keras.activations.serialize(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return keras.saving.serialize_keras_object(value)


# `language_cost` weighed a cost of training alone; `learn_start` made the first output a weight.
GONE = ("language_cost", "learn_start")


def without_gone(config):
    """A configuration without the options of earlier versions, whose files load on.

    Raises:  ValueError: with such an option the layer computed something else

    >>> without_gone({"units": 4, "learn_start": False})
    {'units': 4}
    """
    if config.get("learn_start"):
        raise ValueError("learn_start: expected False, since the output before the first is zeros, "
                         "received True; train again")
    return {name: value for name, value in config.items() if name not in GONE}
