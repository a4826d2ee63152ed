"""Keeps operations that run on this machine alone out of files."""

import tensorflow as tf

LAYERS = ("trace a new tf.function inside `with zoo.engines.exporting():`, or build its layers with "
          "engine='loop'")


def refuse_to_save(engine, remedy=LAYERS):
    """Make TensorFlow refuse to save the graph that is being built, and those around it."""
    graph = tf.compat.v1.get_default_graph()
    while hasattr(graph, "mark_as_unsaveable"):
        graph.mark_as_unsaveable(
            f"it was traced for the engine {engine!r}, which runs on this machine alone: {remedy}")
        graph = graph.outer_graph
