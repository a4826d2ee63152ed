"""Recurrent networks for text: layers, stacks, heads, and the text they read.

A name's module is imported when the name is first used: `import zoo` alone does not load TensorFlow.
Keras finds the layers of a saved file by the names that they are registered under, and imports nothing
itself: so once Keras is there, the layers are.
"""

import importlib
import importlib.machinery
import os
import sys

__version__ = "0.1.0"
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODULES = {
    "cells.cell": ["Cell"], "cells.gru": ["GRUCell"], "cells.lstm": ["LSTMCell"],
    "cells.simple_rnn": ["SimpleRNNCell"],
    "layers.adaptive_softmax": ["AdaptiveSoftmax"], "layers.attention": ["Attention"],
    "layers.attention_decoder": ["AttentionDecoder"], "layers.bidirectional": ["Bidirectional"],
    "layers.context": ["Context"], "layers.crf": ["CRF"],
    "layers.cudnn": ["CudnnGRU", "CudnnLSTM", "CudnnRNNRelu", "CudnnRNNTanh"],
    "layers.decoder": ["Decoder"], "layers.output_recurrent": ["OutputRecurrentRNN"],
    "layers.recurrent": ["GRU", "LSTM", "Recurrent", "SimpleRNN"], "layers.stack": ["Stack"],
    "models": ["load"]}
HOMES = {name: f"zoo.{module}" for module, names in MODULES.items() for name in names}
LIGHT = {"pretrained": "zoo.trained"}      # what has no need of TensorFlow
__all__ = sorted({*HOMES, *LIGHT})


def __getattr__(name):
    if name in LIGHT:
        return getattr(importlib.import_module(LIGHT[name]), name)
    if name not in HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    register()
    return getattr(sys.modules[HOMES[name]], name)


def __dir__():
    return sorted({*globals(), *__all__})


def register():
    """Import all that has a public name, which registers the layers with Keras."""
    for module in MODULES:
        importlib.import_module(f"zoo.{module}")


class Finder:
    """Finds Keras and this package's modules where they are found anyway; `Loader` loads them."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "keras" and not name.startswith("zoo."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader.__class__ = Loader
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """Registers the layers once Keras is there and none of the watched modules is half loaded."""

    def exec_module(self, module):
        super().exec_module(module)
        others = [other for name, other in sys.modules.items()
                  if (name == "keras" or name.startswith("zoo.")) and other is not module]
        if "keras" in sys.modules and not any(other.__spec__._initializing for other in others):
            sys.meta_path.remove(Finder)
            register()


if "keras" in sys.modules:
    register()
else:
    sys.meta_path.insert(0, Finder)
