"""The flags of `python -m tasks.gradient_flow`, and what they set."""

import dataclasses

from absl import flags

from tasks import cli

CELLS = ("SimpleRNN", "GRU", "LSTM")


@dataclasses.dataclass
class Settings:
    """What is measured: the flags, as `define` says what each is.

    Raises:  ValueError: an unknown cell, a radius that is not positive
    """
    cells: tuple = CELLS
    radii: tuple = (0.5, 0.9, 1.0, 1.1, 1.5)
    steps: int = 100
    units: int = 64
    batch_size: int = 16
    networks: int = 5
    deviation: float = 0.1
    batches: int = 32
    learning_rate: float = 0.1
    clip_norm: float = 1.0
    seed: int = 0

    def __post_init__(self):
        if not self.cells or not set(self.cells) <= set(CELLS):
            raise ValueError(f"cells: expected some of {', '.join(CELLS)}, received {self.cells}")
        self.radii = [positive("radii", radius) for radius in self.radii]
        if not self.radii:
            raise ValueError("radii: expected at least one spectral radius, received none")
        for name in ("deviation", "learning_rate", "clip_norm"):
            positive(name, getattr(self, name))


def positive(name, value):
    """A positive number, also from its digits.

    >>> positive("radii", "0.5")
    0.5
    """
    try:
        number = float(value)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ValueError(f"{name}: expected a positive number, received {value!r}")
    return number


def define():
    """Called by the program alone: whoever imports this module may have flags of the same names."""
    default = Settings()
    cli.define_run_flags("gradient_flow")
    flags.adopt_module_key_flags(cli)
    flags.DEFINE_list("cells", list(default.cells), "Cells to compare.")
    flags.DEFINE_list("radii", list(map(str, default.radii)), "Spectral radii of each gate's block "
                      "of the recurrent kernel.")
    flags.DEFINE_integer("steps", default.steps, "Length of a sequence.", 2)
    flags.DEFINE_integer("units", default.units, "Width of the state.", 1)
    flags.DEFINE_integer("batch_size", default.batch_size, "Sequences a network or a step reads.", 1)
    flags.DEFINE_integer("networks", default.networks, "Random networks that are averaged.", 1)
    flags.DEFINE_float("deviation", default.deviation, "Standard deviation of the random inputs.")
    flags.DEFINE_integer("batches", default.batches, "Batches whose gradients are compared.", 1)
    flags.DEFINE_float("learning_rate", default.learning_rate, "Of the step taken on each of them.")
    flags.DEFINE_float("clip_norm", default.clip_norm, "Norm to which that step's gradient is cut.")
