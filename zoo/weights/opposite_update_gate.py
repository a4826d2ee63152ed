"""A GRU whose update gate is named the other way round."""


def opposite_update_gate(weights):
    """Weights of a GRU that names z the other way round, as ours; and back.

        h' = (1 - z)·h + z·n    theirs
        h' = z·h + (1 - z)·n    ours: since 1 - σ(a) = σ(-a), the columns of z change their sign

    The opposite z of row 12 of docs/equations.md, for weights from elsewhere.

    Args:    weights  kernel [D, 3H], recurrent kernel [H, 3H] and, if there is one, bias [3H] or [2, 3H],
                      gates z r n
    Returns: a list of the same
    Raises:  ValueError: other shapes
    Source:  Chung et al. 2014 has z as theirs, Cho et al. 2014 as ours

    >>> import numpy as np
    >>> opposite_update_gate([np.array([[1., 2., 3.]]), np.array([[4., 5., 6.]])])
    [array([[-1.,  2.,  3.]]), array([[-4.,  5.,  6.]])]
    """
    units, shapes = len(weights[1]), [list(weight.shape) for weight in weights]
    if any(shape[-1] != 3 * units for shape in shapes):
        raise ValueError(f"weights: expected kernels and bias of 3·{units} columns, received {shapes}")
    converted = [weight.copy() for weight in weights]
    for weight in converted:
        weight[..., :units] *= -1
    return converted
