"""What an import does to the process: no TensorFlow before a name is used, no hand on standard error."""

import subprocess
import sys

import pytest
from conftest import ROOT

LOADED = "assert not {'tensorflow', 'keras'} & set(sys.modules), 'TensorFlow is loaded'"


def run(code):
    """Run code in a new process that has imported nothing yet."""
    command = [sys.executable, "-c", f"import os, sys\n{code}"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize("package", ["zoo", "tasks", "export", "zoo.names", "zoo.models.configurations",
                                     "zoo.options", "zoo.models.options", "zoo.decoding.options",
                                     "tasks.recipes", "tasks.cli"])
def test_an_import_alone_loads_no_tensorflow(package):
    run(f"import {package}\n{LOADED}")


@pytest.mark.parametrize("task", ["sentiment", "tagging", "generation", "translation", "gradient_flow"])
def test_flags_are_defined_and_parsed_without_tensorflow(task):
    run(f"from tasks import cli\nfrom tasks.{task}.options import Settings\n"
        f"assert cli.parse(Settings, ['tasks.{task}', '--seed=1']).seed == 1\n"
        f"assert '--seed' in cli.help_page('{task}', Settings)\n{LOADED}")


def test_a_name_is_there_when_it_is_used_and_standard_error_is_left_alone():
    run("def refuse(*_):\n    raise AssertionError('file descriptors are changed')\n"
        "os.dup2 = refuse\nimport zoo, tasks, export\n"
        "assert 'LSTM' in dir(zoo) and zoo.LSTM(2).units == 2\n"
        "try:\n    zoo.Nothing\nexcept AttributeError as error:\n    assert 'Nothing' in str(error)")
