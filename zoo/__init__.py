"""Recurrent networks for text: layers, stacks, heads, and the text they read."""

from zoo import quiet

quiet.import_tensorflow()

from zoo.adaptive_softmax import AdaptiveSoftmax  # noqa: E402
from zoo.attention import Attention  # noqa: E402
from zoo.attention_decoder import AttentionDecoder  # noqa: E402
from zoo.bidirectional import Bidirectional  # noqa: E402
from zoo.context import Context  # noqa: E402
from zoo.crf import CRF  # noqa: E402
from zoo.cudnn import CudnnGRU, CudnnLSTM, CudnnRNNRelu, CudnnRNNTanh  # noqa: E402
from zoo.decoder import Decoder  # noqa: E402
from zoo.gru import GRU, GRUCell  # noqa: E402
from zoo.lstm import LSTM, LSTMCell  # noqa: E402
from zoo.output_recurrent import OutputRecurrentRNN  # noqa: E402
from zoo.simple_rnn import SimpleRNN, SimpleRNNCell  # noqa: E402
from zoo.stack import Stack  # noqa: E402

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
    from zoo import generator, translator  # noqa: F401, Keras looks for the saved networks' classes
    from zoo.classifier import TextClassifier
    from zoo.tagger import TextTagger
    from zoo.text_generator import TextGenerator
    from zoo.text_translator import TextTranslator
    heads = {"classifier": TextClassifier, "generator": TextGenerator, "tagger": TextTagger,
             "translator": TextTranslator}
    path = pathlib.Path(folder) / "model.json"
    if not path.is_file():
        raise FileNotFoundError(f"expected a trained model in {folder}, found no model.json; train "
                                "one first, as with python -m tasks.sentiment")
    return heads[json.loads(path.read_text(encoding="utf-8"))["head"]]
