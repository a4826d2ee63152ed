"""Starting a head from another: weights go by the words and labels that their rows stand for."""

import typing

import numpy as np

from zoo.options import fields

LISTED = 10     # labels that a sentence names


class Named(typing.NamedTuple):
    """A weight, and the names of what stands along one of its axes."""

    weight: typing.Any
    axis: int
    names: list


def take_backbones(ours, theirs):
    """Take over embeddings, word by word, and recurrent layers.

    The rows of a kernel that read anything but words stay new.

    Args:    ours, theirs   lists of `zoo.models.blocks.Backbone`, equally long
    Raises:  ValueError: layers of other shapes; nothing has changed then
    """
    shapes = [[[part.shape for _, part in one.weights()] for one in backbones]
              for backbones in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"init_from: expected recurrent layers of shapes {shapes[0]}, received "
                         f"{shapes[1]}; train with the same cell, units, layers and embedding")
    for our, their in zip(ours, theirs):
        for (weight, _), (_, part) in zip(our.weights(), their.weights()):
            weight.assign(np.concatenate([part, np.array(weight)[len(part):]]))
        our.embedding.embeddings.assign(by_name(our.table, {0: our.words}, their.table, {0: their.words}))


def difference(ours, theirs):
    """Why a head cannot take all weights of another, in a few words; None if it can.

    It can if both are built alike: the same kind, vocabularies of which the other's is the beginning
    (rows that are found by hashing go by ids), and the same shapes but for words and labels.
    """
    if type(ours) is not type(theirs) or getattr(ours, "kind", None) != getattr(theirs, "kind", None):
        return "another kind of model"
    for field in fields(type(ours.network.options)):
        values = [getattr(head.network.options, field.name) for head in (ours, theirs)]
        if field.type is tuple:
            values = [list(value) for value in values]
        if field.type in (str, bool, tuple) and field.name != "engine" and values[0] != values[1]:
            return f"another --{field.name}"
    if any(new[:len(old)] != old for new, old in zip(
            ours.vocabularies().values(), theirs.vocabularies().values(), strict=True)):
        return "another vocabulary"
    shapes = [[(weight.name, unnamed_shape(weight, axes)) for weight, axes in weights_of(head)]
              for head in (ours, theirs)]
    return None if shapes[0] == shapes[1] else "other shapes"


def take_all(ours, theirs):
    """Take over all weights of a head that is built alike: see `difference`."""
    for (weight, names), (other, others) in zip(weights_of(ours), weights_of(theirs), strict=True):
        weight.assign(by_name(np.array(weight), names, np.array(other), others))


def weights_of(head):
    """[(weight, {axis: names})] of a head's network, in its order."""
    words = [Named(one.embedding.embeddings, 0, one.words) for one in head.backbones()]
    axes = {}
    for weight, axis, names in [*words, *head.outputs()]:
        axes.setdefault(id(weight), {})[axis] = list(names)
    return [(weight, axes.get(id(weight), {})) for weight in head.network.weights]


def unnamed_shape(weight, axes):
    """The shape of a weight; None in the place of an axis that has names."""
    return tuple(None if axis in axes else size for axis, size in enumerate(weight.shape))


def by_name(table, names, other, others):
    """A table with the numbers of another where their names agree.

    Args:    names, others  {axis: names} of the two; along another axis both are equally long

    >>> by_name(np.zeros([2, 3]), {1: "abc"}, np.array([[1, 2], [3, 4]]), {1: "cx"}).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]]
    """
    places = []
    for axis, size in enumerate(table.shape):
        own = names.get(axis, range(size))
        row = {name: n for n, name in enumerate(others.get(axis, range(size)))}
        found = [(n, row[name]) for n, name in enumerate(own) if name in row]
        places.append(np.array(found, int).reshape(-1, 2).T)
    table = np.array(table)
    table[np.ix_(*(mine for mine, _ in places))] = other[np.ix_(*(their for _, their in places))]
    return table


def described(ours, theirs, differs):
    """What a head has taken of another and what is new, in a sentence.

    Args:    differs  as `difference` gives it
    """
    vocabularies = list(zip(ours.vocabularies().items(), theirs.vocabularies().values()))
    if differs:     # the words of the backbones alone
        vocabularies = vocabularies[:len(ours.backbones())]
    taken, new = [], []
    for (name, words), known in vocabularies:
        missing = len(set(words) - set(known))
        taken.append(f"{len(words) - missing:,} of {len(words):,} {name}")
        new += [f"{missing:,} {name}"] * bool(missing)
    taken.append("recurrent layers")
    if differs:
        return f"{', '.join(taken)}; new: {', '.join([*new, f'all other layers ({differs})'])}"
    labels, known = (getattr(head, "labels", []) for head in (ours, theirs))
    missing = [label for label in labels if label not in known]
    taken += ["all other layers", *[f"outputs of {len(labels) - len(missing):,} labels"] * bool(labels)]
    new += [listed(missing)] * bool(missing)
    gone = [label for label in known if label not in labels]
    return ", ".join(taken) + f"; new: {', '.join(new)}" * bool(new) + (
        f"; left out: {listed(gone)}" * bool(gone))


def listed(labels):
    """The names of labels, or of the first of many.

    >>> listed(["x", "y"])
    'labels x, y'
    """
    rest = f" and {len(labels) - LISTED:,} more" * (len(labels) > LISTED)
    return f"labels {', '.join(map(str, labels[:LISTED]))}{rest}"
