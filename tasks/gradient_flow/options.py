"""The options of `python -m tasks.gradient_flow`."""

import dataclasses

from tasks import options
from zoo.options import Options, option

CELLS = ("SimpleRNN", "GRU", "LSTM")


@dataclasses.dataclass(frozen=True)
class FlowOptions(Options):
    """What is measured.

    Raises:  ValueError: also without a cell or a radius
    """

    cells: tuple = option(CELLS, "Cells to compare.", CELLS, first=True)
    radii: tuple = option((0.5, 0.9, 1.0, 1.1, 1.5), "Spectral radii of each gate's block of the "
                          "recurrent kernel.", of=float, above=0, first=True)
    steps: int = option(100, "Length of a sequence.", least=2, first=True)
    units: int = option(64, "Width of the state.", least=1)
    batch_size: int = option(16, "Sequences in a batch.", least=1)
    networks: int = option(5, "Number of random networks that are averaged.", least=1)
    deviation: float = option(0.1, "Standard deviation of the random inputs.", above=0)
    batches: int = option(32, "Number of batches whose gradients are compared.", least=1)
    learning_rate: float = option(0.1, "Learning rate of the step taken on each of them.", above=0)
    clip_norm: float = option(1.0, "Norm to which that step's gradient is clipped.", above=0)


@dataclasses.dataclass(frozen=True)
class RunOptions(options.RunOptions, output_dir="runs/gradient_flow"):
    """Where it is written, and the seed."""


Settings = options.settings(measurement=FlowOptions, run=RunOptions)
