"""Prints a table of the pretrained models."""

from zoo.trained import table

print(table())
