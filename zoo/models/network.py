"""What the networks share: options that are checked, kept and saved."""

import dataclasses

import keras

from zoo.cells.arguments import without_gone
from zoo.options import fields, names_of, parted, unknown

OF_KERAS = {"name", "trainable", "dtype"}       # arguments of every Keras model


class Network(keras.Model):
    """A Keras model with the options of a dataclass, `self.options`.

    A subclass states

        options_class   a class of `zoo.models.options`
        arguments       the names of its other arguments, which are attributes too

    Args:    options  fields of `options_class`, and `OF_KERAS`
    Raises:  ValueError: an option that there is not, of the wrong type or out of its range
    """

    options_class, arguments = None, ()

    def __init__(self, **options):
        chosen, rest = parted(self.options_class, options)
        for name in rest.keys() - OF_KERAS:
            raise unknown(name, names_of(self.options_class))
        super().__init__(**rest)
        self.options = self.options_class(**chosen)

    def get_config(self):
        own = {name: getattr(self, name) for name in self.arguments}
        values = {**own, **dataclasses.asdict(self.options)}
        return {**super().get_config(), **{name: list(value) if isinstance(value, tuple) else value
                                           for name, value in values.items()}}

    @classmethod
    def from_config(cls, config):
        """The network of a configuration, in which options may have their earlier names."""
        names = {field.metadata["was"]: field.name for field in fields(cls.options_class)
                 if "was" in field.metadata}
        return super().from_config({names.get(name, name): value
                                    for name, value in without_gone(config).items()})
