"""All that a training step does once its gradients are known, in one pass over memory: `adam.cc`.

    g  ← g · min(1, limit / ‖g‖)                          ‖g‖ over all gradients together
    m' = m + (1 − β₁)(g − m);   v' = v + (1 − β₂)(g² − v)
    w' = w − decay·w − rate·m' / (√v' + ε)
    a' = a + share·(w' − a)

Source:  Kingma & Ba 2015; Loshchilov & Hutter 2019 (decoupled decay); Polyak & Juditsky 1992 (average)
"""

from zoo.engines import graphs
from zoo.engines.native import ops


def unmet(weights):
    """None, or what keeps the engine from moving these variables here and now, in words."""
    if ops.unmet_here():
        return ops.unmet_here()
    if any(weight.dtype != "float32" for weight in weights):
        return "float32 weights"
    return ops.operations().missing


def step(gradients, weights, momentums, velocities, averages, rates, **settings):
    """Take one step; the variables then hold its results.

    Args:    gradients   one tensor for each weight
             weights, momentums, velocities, averages  `tf.Variable`s; averages may be []
             rates       [3]: rate, decay, share
             decayed     list of bool: which weights decay
             beta_1, beta_2, epsilon
             limit       of the norm of the gradients; 0 never clips
    Returns: ‖g‖ before clipping
    """
    graphs.refuse_to_save("native", "trace it again with ZOO_NATIVE=0")
    variables = [weights, momentums, velocities, averages]
    values = [[variable.read_value() for variable in some] for some in variables]
    norm, *new = ops.operations().adam(
        gradients, *values, rates, threads=ops.threads(), **settings)
    for some, results in zip(variables, new):
        for variable, result in zip(some, results):
            variable.assign(ops.shaped(result, variable.shape))
    return ops.shaped(norm, [])
