"""What holds for every file: where it may import from, and that it reads text as UTF-8."""

import ast
import re
import sys

import pytest
from conftest import ROOT

MAY_IMPORT = {"zoo": {"zoo"}, "export": {"export", "zoo"}, "tasks": {"tasks", "export", "zoo"}}

# From the ground up; folders on one floor do not see each other.
FLOORS = [{"names", "options", "trained"}, {"ops", "text"}, {"cells"},
          {"engines", "decoding", "gradient_flow"}, {"layers"}, {"models", "weights"}]
TASKS = ("sentiment", "tagging", "generation", "translation")


def imported(path):
    """The modules that a file imports, anywhere in it, with the names it takes from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(package, path):
    """The folders, or modules at the top, of a package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith(f"{package}.")}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_is_below_it(package):
    forbidden = set(MAY_IMPORT) | {"tests", "benchmarks"}
    forbidden -= MAY_IMPORT[package]
    for path in (ROOT / package).rglob("*.py"):
        assert not forbidden & {name.split(".")[0] for name in imported(path)}, path


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_a_folder_of_zoo_imports_only_those_below_it(floor):
    below = set().union(*FLOORS[:floor])
    for room in FLOORS[floor]:
        folder = ROOT / "zoo" / room
        for path in folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]:
            assert rooms("zoo", path) <= below | {room}, path


def test_every_folder_of_zoo_has_its_floor():
    found = {path.stem for path in (ROOT / "zoo").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__pycache__"} == set().union(*FLOORS)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_knows_no_other_task(task):
    for path in (ROOT / "tasks" / task).rglob("*.py"):
        assert rooms("tasks", path) & set(TASKS) <= {task}, path


def test_what_tasks_share_knows_no_task():
    for path in set((ROOT / "tasks").rglob("*.py")) - {
            path for task in TASKS for path in (ROOT / "tasks" / task).rglob("*.py")}:
        assert not rooms("tasks", path) & set(TASKS), path


def test_no_module_is_imported_by_one_that_it_imports():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
               for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")}
    needs = {module: {name if name in modules else name.rpartition(".")[0] for name in imported(path)}
             & modules.keys() - {module} for module, path in modules.items()}
    while free := {module for module, needed in needs.items() if not needed}:
        needs = {module: needed - free for module, needed in needs.items() if module not in free}
    assert not needs, needs


@pytest.mark.parametrize("package", ("zoo", "tasks", "export", "benchmarks"))
def test_a_private_name_stays_in_its_module(package):
    for path in (ROOT / package).rglob("*.py"):
        assert not [name for name in imported(path) if re.search(r"\._[^_]", name)], path


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
    for path in [*(ROOT / "zoo" / "ops").glob("*.py"), *(ROOT / "zoo" / "cells").glob("*.py"),
                 *(ROOT / "zoo" / "layers").glob("*.py")]:
        outside = {name.split(".")[0] for name in imported(path)} - {"zoo"}
        assert outside <= {"tensorflow", "keras", "numpy", *sys.stdlib_module_names}, path


def test_own_layers_inherit_from_the_plain_keras_layer_only():
    import keras

    import zoo
    for layer in (zoo.SimpleRNN, zoo.GRU, zoo.LSTM, zoo.Bidirectional, zoo.Stack, zoo.LSTMCell,
                  zoo.Decoder, zoo.Context, zoo.Attention, zoo.AttentionDecoder):
        keras_bases = [base for base in layer.__mro__ if base.__module__.startswith("keras.")]
        assert keras_bases[0] is keras.layers.Layer, layer


def test_one_module_knows_absls_flags():
    knowing = {path.relative_to(ROOT).as_posix() for package in ("zoo", "tasks", "export", "benchmarks")
               for path in (ROOT / package).rglob("*.py") if "absl.flags" in imported(path)}
    assert knowing == {"tasks/cli.py"}
