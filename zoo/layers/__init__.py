"""Keras layers: what networks are made of."""
