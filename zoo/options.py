"""Options: what a user can choose, each stated once with its default, its help, its range and its source.

A class of options is a dataclass whose fields are made by `option`. Range checks, `get_config`, flags and
the lists in the documents are read off its fields. No TensorFlow here: `--help` reads them too.

    @dataclasses.dataclass(frozen=True)
    class NetworkOptions(Options):
        units: int = option(64, "Width of a recurrent layer.", least=1)
"""

import dataclasses
import difflib
import numbers

RATE = {"least": 0, "below": 1}


def option(default, help, choices=(), least=None, most=None, below=None, **about):
    """A field of a class of options.

    Args:    default   its value where nobody says another; None leaves the choice open
             help      a sentence: what the option does, with its unit
             choices   the values to choose from, or ()
             least, most, below   bounds of a number: least ≤ value ≤ most or < below
             about     what else the readers of the field want to know: `source`, …
    """
    return dataclasses.field(default=default, metadata={
        "help": help, "choices": tuple(choices), "least": least, "most": most, "below": below, **about})


@dataclasses.dataclass(frozen=True)
class Options:
    """Values that are checked when they are set. A subclass may give an inherited option another default.

    Raises:  ValueError: a value of the wrong type or out of its range

    >>> @dataclasses.dataclass(frozen=True)
    ... class Layer(Options):
    ...     units: int = option(64, "Width of a layer.", least=1)
    >>> @dataclasses.dataclass(frozen=True)
    ... class Wide(Layer, units=512):
    ...     "The same, wider."
    >>> Wide(), Wide(units=8)
    (Wide(units=512), Wide(units=8))
    >>> Wide(units=0)
    Traceback (most recent call last):
    ...
    ValueError: units: expected a whole number of at least 1, received 0
    """

    def __init_subclass__(cls, **defaults):
        super().__init_subclass__()
        known = {field.name: field for field in fields(cls)}
        for name, value in defaults.items():
            setattr(cls, name, option(value, **known[name].metadata))
            cls.__annotations__ = {**vars(cls).get("__annotations__", {}), name: known[name].type}

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, checked(field, value))


def fields(options):
    """The fields of a class of options, or of an object of it, in order."""
    return dataclasses.fields(options) if dataclasses.is_dataclass(options) else ()


def names_of(options):
    """Their names, in order."""
    return [field.name for field in fields(options)]


def checked(field, value):
    """A field's value in the field's type.

    Raises:  ValueError: it is of another type or out of the field's range
    """
    about = field.metadata
    if about["choices"]:
        fits = value in about["choices"]
    elif field.type is bool:
        fits = isinstance(value, (bool, int)) and value in (0, 1)
    elif field.type in (int, float):
        kind = numbers.Integral if field.type is int else numbers.Real
        fits = isinstance(value, kind) and not isinstance(value, bool) and is_inside(about, value)
    else:
        fits = isinstance(value, (tuple, list) if field.type is tuple else field.type)
    if not fits:
        raise ValueError(f"{field.name}: expected {expected(field)}, received {value!r}")
    return value if about["choices"] else field.type(value)


def is_inside(about, value):
    """Whether a number keeps to the bounds."""
    least, most, below = about["least"], about["most"], about["below"]
    return ((least is None or value >= least) and (most is None or value <= most)
            and (below is None or value < below))


KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list"}


def expected(field):
    """What values a field takes, in words."""
    about = field.metadata
    if about["choices"]:
        return "one of " + ", ".join(map(str, about["choices"]))
    least, most, below = about["least"], about["most"], about["below"]
    if least is None:
        return KINDS[field.type]
    return KINDS[field.type] + (f" from {least} to {most}" if most is not None else
                                f" from {least} to below {below}" if below is not None else
                                f" of at least {least}")


def parted(options, given):
    """({name: value} of the class's own options, {name: value} of the rest)."""
    names = names_of(options)
    return ({name: value for name, value in given.items() if name in names},
            {name: value for name, value in given.items() if name not in names})


def unknown(name, known):
    """The error for an option that there is not, with the nearest one that there is.

    >>> raise unknown("unit", ["units", "cell"])
    Traceback (most recent call last):
    ...
    ValueError: expected an option among cell, units; received 'unit'; did you mean units?
    """
    near = difflib.get_close_matches(name, known, 1)
    return ValueError(f"expected an option among {', '.join(sorted(known))}; received {name!r}"
                      + "".join(f"; did you mean {one}?" for one in near))
