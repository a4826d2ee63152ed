"""Options: what a user can choose, each stated once with its default, its help, its range and its source.

A class of options is a dataclass whose fields are made by `option`. Range checks, `get_config`, flags and
the lists in the documents are read off its fields. No TensorFlow here: `--help` reads them too.

    @dataclasses.dataclass(frozen=True)
    class NetworkOptions(Options):
        units: int = option(64, "Width of a recurrent layer.", least=1)
"""

import dataclasses
import difflib
import math
import numbers

RATE = {"least": 0, "below": 1}


def option(default, help, choices=(), least=None, above=None, most=None, below=None, of=str, **about):
    """A field of a class of options.

    Args:    default   its value where nobody says another; None leaves the choice open
             help      a sentence: what the option does, with its unit
             choices   the values to choose from, or ()
             least, above, most, below   bounds of a number: least ≤ value or above < value, value ≤ most
                       or value < below
             of        the type of the items of a list, to which choices and bounds apply
             about     what else the readers of the field want to know: `source`, …
    """
    return dataclasses.field(default=default, metadata={
        "help": help, "choices": tuple(choices), "least": least, "above": above, "most": most,
        "below": below, "of": of, **about})


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
    """The options of a class, or of an object of it, in order: its fields that `option` made."""
    every = dataclasses.fields(options) if dataclasses.is_dataclass(options) else ()
    return [field for field in every if "help" in field.metadata]


def names_of(options):
    """Their names, in order."""
    return [field.name for field in fields(options)]


def checked(field, value):
    """A field's value in the field's type.

    Raises:  ValueError: it is of another type or out of the field's range
    """
    if field.type is not tuple:
        return one_checked(field, field.type, value)
    if isinstance(value, str) or not isinstance(value, (tuple, list)):
        raise ValueError(f"{field.name}: expected a list, received {value!r}")
    if field.default and not value:
        raise ValueError(f"{field.name}: expected at least one, received none")
    return tuple(one_checked(field, field.metadata["of"], item) for item in value)


def one_checked(field, kind, value):
    """A value, or an item of a list, in its type; raises as `checked`."""
    about = field.metadata
    if about["choices"]:
        fits = value in about["choices"]
    elif kind is bool:
        fits = isinstance(value, numbers.Integral) and value in (0, 1)
    elif kind in (int, float):
        numeric = isinstance(value, numbers.Integral if kind is int else numbers.Real)
        fits = numeric and not isinstance(value, bool) and is_inside(about, value)
    else:
        fits = isinstance(value, kind)
    if not fits:
        raise ValueError(f"{field.name}: expected {expected(kind, about)}, received {value!r}")
    return kind(value)


def is_inside(about, value):
    """Whether a number is finite and keeps to the bounds."""
    least, above, most, below = (about[name] for name in ("least", "above", "most", "below"))
    return (math.isfinite(value) and (least is None or value >= least)
            and (above is None or value > above) and (most is None or value <= most)
            and (below is None or value < below))


KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def expected(kind, about):
    """What an option takes, in words.

    >>> expected(float, option(0.0, "Rate.", **RATE).metadata)
    'a number from 0 to below 1'
    """
    if about["choices"]:
        return "one of " + ", ".join(map(str, about["choices"]))
    if about["above"] is not None:
        return f"{KINDS[kind]} above {about['above']}"
    if about["least"] is None:
        return KINDS[kind]
    upper = f" to {about['most']}" if about["most"] is not None else (
        f" to below {about['below']}" if about["below"] is not None else "")
    return KINDS[kind] + (f" from {about['least']}{upper}" if upper else f" of at least {about['least']}")


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
