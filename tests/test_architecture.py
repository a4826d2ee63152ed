"""What holds for every file: where it may import from, and that it reads text as UTF-8."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAY_IMPORT = {"zoo": {"zoo"}, "export": {"export", "zoo"}, "tasks": {"tasks", "export", "zoo"}}


def imported(path):
    """The top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_is_below_it(package):
    forbidden = set(MAY_IMPORT) | {"tests", "benchmarks"}
    forbidden -= MAY_IMPORT[package]
    for path in (ROOT / package).rglob("*.py"):
        assert not forbidden & set(imported(path)), path


def text_without_encoding(path):
    """The lines of a file that read or write text in the encoding of the locale."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function, call = ast.unparse(node.func), ast.unparse(node)
            opens = function in ("open", "os.fdopen") and not re.search("'[rwax]b'", call)
            text = opens or function.endswith((".read_text", ".write_text")) or "text=True" in call
            if text and "encoding=" not in call:
                yield f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("package", ("zoo", "tasks", "export", "benchmarks"))
def test_no_text_is_read_or_written_in_the_encoding_of_the_locale(package):
    assert not [line for path in (ROOT / package).rglob("*.py") for line in text_without_encoding(path)]


def test_layers_import_nothing_but_tensorflow_and_keras():
    for name in ("cell", "layer_normalization", "recurrence", "layer", "simple_rnn", "gru", "lstm",
                 "stack", "bidirectional", "pooling", "decoder", "context", "attention",
                 "attention_decoder"):
        outside = set(imported(ROOT / "zoo" / f"{name}.py")) - {"zoo"}
        standard = {"inspect", "dataclasses", "functools", "typing"}
        assert outside <= {"tensorflow", "keras", *standard}, name


def test_own_layers_inherit_from_the_plain_keras_layer_only():
    import keras

    import zoo
    for layer in (zoo.SimpleRNN, zoo.GRU, zoo.LSTM, zoo.Bidirectional, zoo.Stack, zoo.LSTMCell,
                  zoo.Decoder, zoo.Context, zoo.Attention, zoo.AttentionDecoder):
        keras_bases = [base for base in layer.__mro__ if base.__module__.startswith("keras.")]
        assert keras_bases[0] is keras.layers.Layer, layer
