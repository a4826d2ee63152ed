"""Recurrent networks for text: layers, stacks, heads, and the text they read."""

from zoo import quiet

quiet.import_tensorflow()

from zoo.layers.adaptive_softmax import AdaptiveSoftmax  # noqa: E402
from zoo.layers.attention import Attention  # noqa: E402
from zoo.layers.attention_decoder import AttentionDecoder  # noqa: E402
from zoo.layers.bidirectional import Bidirectional  # noqa: E402
from zoo.layers.context import Context  # noqa: E402
from zoo.layers.crf import CRF  # noqa: E402
from zoo.layers.cudnn import CudnnGRU, CudnnLSTM, CudnnRNNRelu, CudnnRNNTanh  # noqa: E402
from zoo.layers.decoder import Decoder  # noqa: E402
from zoo.cells.gru import GRUCell  # noqa: E402
from zoo.layers.recurrent import GRU  # noqa: E402
from zoo.cells.lstm import LSTMCell  # noqa: E402
from zoo.layers.recurrent import LSTM  # noqa: E402
from zoo.layers.output_recurrent import OutputRecurrentRNN  # noqa: E402
from zoo.cells.simple_rnn import SimpleRNNCell  # noqa: E402
from zoo.layers.recurrent import SimpleRNN  # noqa: E402
from zoo.layers.stack import Stack  # noqa: E402

__all__ = ["AdaptiveSoftmax", "Attention", "AttentionDecoder", "Bidirectional", "CRF", "Context",
           "CudnnGRU", "CudnnLSTM", "CudnnRNNRelu", "CudnnRNNTanh", "Decoder", "GRU", "GRUCell", "LSTM",
           "LSTMCell", "OutputRecurrentRNN", "SimpleRNN", "SimpleRNNCell", "Stack", "load"]


def load(folder):
    """The trained model of a run: network, text processing and labels in one object.

    Args:    folder  a run's, such as "runs/sentiment"
    Returns: a head with `.predict(texts)`
    Raises:  FileNotFoundError: no trained model there
    """
    return head_class(folder).load(folder)


def head_class(folder):
    """The class of the trained model of a run; raises as `load`."""
    import json
    import pathlib
    from zoo.models import language_model, translator  # noqa: F401, Keras looks for the saved networks' classes
    from zoo.models.classifier import TextClassifier
    from zoo.models.tagger import TextTagger
    from zoo.models.language_model import TextGenerator
    from zoo.models.translator import TextTranslator
    heads = {"classifier": TextClassifier, "generator": TextGenerator, "tagger": TextTagger,
             "translator": TextTranslator}
    path = pathlib.Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a trained model in {folder}, found no model.json; train "
                                "one first, as with python -m tasks.sentiment")
    return heads[json.loads(path.read_text(encoding="utf-8"))["head"]]
