"""Every engine of this machine against the oracle, over the grid of cells, masks and options.

Outputs, states and all gradients, each drawn dropout and zoneout mask given to the oracle too. The grid
is covered by pairs: whatever two settings of two options there are, some case has them both.
"""
import itertools
import random

import numpy as np
import pytest
import reference
import tensorflow as tf
from layer_checks import (AGREEMENT, CELLS, MASKS, NORMALIZED, WEIGHTS, B, D, H, T, assert_agree, case,
                          make, mask, ready)

from zoo import engines
from zoo.layers.sequences import as_list

GRID = {
    "cell": CELLS + NORMALIZED,
    "mask": MASKS,
    "dropout": (0.0, 0.4),
    "recurrent_dropout": (0.0, 0.4),
    "weight_drop": (0.0, 0.4),
    "zoneout": (0.0, 0.3),
    "training": (True, False),
    "truncate": (None, 2),
    "go_backwards": (False, True),
    "zero_output_for_mask": (False, True),
    "return_sequences": (True, False),
    "return_state": (True, False),
    "first states": ("given", "zeros"),
}


def pairwise(grid):
    """Rows of settings, so few that every pair of settings is in one; always the same rows."""
    draw = random.Random(0)
    missing = {pair for a, b in itertools.combinations(grid, 2)
               for pair in itertools.product(((a, s) for s in grid[a]), ((b, s) for s in grid[b]))}
    while missing:
        rows = [{key: draw.choice(settings) for key, settings in grid.items()} for _ in range(200)]
        best = max(rows, key=lambda row: len(missing & pairs_of(row)))
        missing -= pairs_of(best)
        yield best


def pairs_of(row):
    return set(itertools.combinations(row.items(), 2))


# Once more without what the loop alone can do, so that the others see every pair too.
ROWS = [*pairwise(GRID), *pairwise({**GRID, "cell": CELLS, "truncate": (None,)})]


# Those of exports have no gradient: test_lite.py, test_block.py.
@pytest.mark.parametrize("engine", [name for name in engines.ENGINES if name not in ("block", "lite")])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(str(value) for value in row.values()))
def test_an_engine_agrees_with_the_oracle(row, engine):
    options = {key: row[key] for key in GRID if key not in ("cell", "mask", "training", "first states")}
    layer = make(row["cell"], dtype="float32", seed=1, **options)
    condition = engines.unmet(engine, layer)
    if condition is not None:
        pytest.skip(f"{engine} needs {condition}")
    layer.engine = engine
    given, masked = case(row["cell"]).to("float32"), mask(row["mask"])
    if row["first states"] == "zeros":
        given.states = [np.zeros_like(state) for state in given.states]
    draws = recorded(layer)
    actual = found(layer, given, masked, row)
    assert_agree(actual, wanted(layer, given, masked, row, draws), AGREEMENT)


def recorded(layer):
    """A dictionary to which the layer will add the masks it draws, by their shape."""
    draws = {}

    def recorder(draw):
        def drawn(*arguments):
            value = draw(*arguments)
            draws.setdefault(tuple(value.shape), []).append(value.numpy().astype("float64"))
            return value
        return drawn

    layer.cell.drawn, layer._zoneout = recorder(layer.cell.drawn), recorder(layer._zoneout)
    return draws


def found(layer, given, masked, row):
    """What the layer returns, and its gradients, by name."""
    ready(layer, given)
    x, states = tf.constant(given.x), list(map(tf.constant, given.states))
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        first = states if row["first states"] == "given" else None
        y, *last = as_list(layer(x, initial_state=first, mask=masked, training=row["training"]))
        loss = tf.reduce_sum(y * (given.dy if row["return_sequences"] else given.dy[:, -1]))
        loss += sum(tf.reduce_sum(s * d) for s, d in zip(last, given.dstates))
    dx, dfirst, dweights = tape.gradient(loss, [x, states, weights])
    dfirst = [d for d in dfirst if d is not None]
    return {name: value.numpy() for name, value in by_name(y, last, dx, dfirst, dweights).items()}


def by_name(y, last, dx, dfirst, dweights):
    return {"y": y, "dx": dx, **{f"state {n}": value for n, value in enumerate(last)},
            **{f"dstate {n}": value for n, value in enumerate(dfirst)},
            **{f"d{name}": value for name, value in zip(WEIGHTS, dweights)}}


def wanted(layer, given, masked, row, draws):
    """The oracle's answer, under the masks that the layer drew."""
    kernel, U, *others = given.weights
    kept, = draws.get(U.shape, [1.0])
    options = {"mask": masked, "states": given.states, "go_backwards": row["go_backwards"],
               "zero_output_for_mask": row["zero_output_for_mask"], "zoneout": zoneout(row, draws),
               "dropout_mask": draws.get((B, D), [1.0])[0],
               "recurrent_dropout_mask": draws.get((B, H), [1.0])[0]}
    arguments = row["cell"], [kernel, U * np.float64(kept), *others], given.x
    dy, dstates = given.dy + 0.0, given.dstates
    if not row["return_sequences"]:
        dy[:, :-1] = 0
    result = reference.run(*arguments, **options)
    back = reference.gradients(*arguments, dy, dstates if row["return_state"] else None,
                               row["truncate"], **options)
    back.recurrent_kernel = back.recurrent_kernel * kept
    return by_name(result.outputs if row["return_sequences"] else result.outputs[:, -1],
                   result.states if row["return_state"] else [], back.x,
                   back.states if row["first states"] == "given" else [],
                   [getattr(back, name) for name in WEIGHTS[:len(given.weights)]])


def zoneout(row, draws):
    """The rate, or the draws [states, T, B, H] in the order in which the steps are taken."""
    drawn = draws.get((B, T, H))
    if drawn is None:
        return row["zoneout"]
    in_time = np.stack([np.swapaxes(share, 0, 1) for share in drawn])
    return in_time[:, ::-1] if row["go_backwards"] else in_time


def test_every_pair_of_settings_is_in_a_row_that_every_engine_may_run():
    native = [row for row in ROWS if row["truncate"] is None and row["cell"] in CELLS]
    for (a, one), (b, two) in itertools.combinations(GRID.items(), 2):
        for pair in itertools.product(one, two):
            assert any((row[a], row[b]) == pair for row in ROWS)
            if not set(pair) & {2, *NORMALIZED}:
                assert any((row[a], row[b]) == pair for row in native)
    assert len(ROWS) < 120
