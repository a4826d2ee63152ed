"""The text processing of two languages."""

import pathlib

import tensorflow as tf

from zoo.text.subwords import Subwords


class TextPair(tf.Module):
    """The text processing of what is read and of what is written.

    Args:    source, target  `zoo.text.subwords.Subwords`

    >>> pair = TextPair(Subwords.learn(["我爱中国"], "character"), Subwords.learn(["I love China"], "word"))
    >>> "target_vocabulary.txt" in pair.files(), pair.source.max_length
    (True, None)
    """

    def __init__(self, source, target):
        super().__init__(name="text_pair")
        self.source, self.target = source, target

    @property
    def sides(self):
        return {"source": self.source, "target": self.target}

    def after(self, earlier):
        """The pair in which ids known to an earlier one stay; see `Subwords.after`."""
        return type(self)(self.source.after(earlier.source), self.target.after(earlier.target))

    @property
    def vocabulary(self):
        """What is read: list of str, by id."""
        return self.source.vocabulary

    def files(self):
        """{file name: text} of both vocabularies."""
        return {f"{side}_{name}": lines
                for side, text in self.sides.items() for name, lines in text.files().items()}

    def save(self, folder):
        """Write the folders source and target, as `Text.save` does."""
        for side, text in self.sides.items():
            text.save(pathlib.Path(folder) / side)

    @classmethod
    def load(cls, folder):
        """The pair that `save` wrote into a folder; raises as `Text.load`."""
        return cls(*(Subwords.load(pathlib.Path(folder) / side) for side in ("source", "target")))
