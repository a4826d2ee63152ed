"""Programs end in one line: at Ctrl-C, and where a package is missing."""
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

from conftest import ROOT
from export import interrupt

pytestmark = pytest.mark.slow
TRAIN = ("tasks.sentiment", "--corpus=sample", "--epochs=1", "--units=4", "--embedding=4")


def started(*arguments, **environment):
    """The program in a session of its own, as a shell starts it for a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment})


def stopped(child):
    """Exit code and standard error after Ctrl-C, which reaches the children too."""
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=300)
    return child.returncode, err


def marker(folder, place, module):
    """The environment of a process that makes the file `reached` when `module` is imported, and waits."""
    (folder / "sitecustomize.py").write_text(f"""
import builtins, pathlib, time
imported = builtins.__import__
def wait(name, *more, **named):
    if name == {module!r}:
        pathlib.Path({str(place)!r}).touch()
        time.sleep(60)
    return imported(name, *more, **named)
builtins.__import__ = wait
""")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def wait_for(child, there):
    while not there():
        assert child.poll() is None, child.communicate()


@pytest.mark.parametrize("program", [TRAIN, ("export.serve", "x"), ("export.client", "http://x", "x")])
def test_ctrl_c_while_packages_are_imported_is_one_line(tmp_path, program):
    module = "urllib.request" if program[0] == "export.client" else "tensorflow"
    module = "kserve" if program[0] == "export.serve" else module
    child = started(*program, **marker(tmp_path, tmp_path / "reached", module))
    wait_for(child, (tmp_path / "reached").exists)
    assert stopped(child) == (interrupt.CODE, interrupt.line())


@pytest.mark.parametrize("place", ["saved_model/.unfinished-*", "tflite/.unfinished-*/*"])
def test_ctrl_c_during_an_export_is_one_line_and_leaves_nothing_half(tmp_path, place):
    child = started(*TRAIN, f"--output_dir={tmp_path}")
    wait_for(child, lambda: list(tmp_path.glob(place)))
    assert stopped(child) == (interrupt.CODE, interrupt.line())
    assert not list(tmp_path.glob("*/.unfinished-*")) and not (tmp_path / "metrics.json").exists()


def test_what_a_library_makes_of_ctrl_c_is_one_line_too():
    code = """
import os, signal
from export import interrupt
class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
with interrupt.as_exception():
    {}
"""
    wrapped = """
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        raise ImportError("cannot import") from error
"""
    for body in (wrapped, "Dropped()"):
        child = subprocess.run([sys.executable, "-c", code.format(body)], cwd=ROOT, text=True,
                               capture_output=True)
        assert (child.returncode, child.stderr) == (interrupt.CODE, "interrupted\n")


def test_an_import_as_a_library_leaves_ctrl_c_alone():
    code = ("import signal, export; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("program, package, advice", [
    (("export.serve", "x"), "kserve", "install -e '.[serve]'"),
    (("export.client", "grpc://127.0.0.1:1/m", "x"), "grpc", "install tensorflow-serving-api"),
    (("export.run", "model_float32.tflite", "x"), "ai_edge_litert", "install ai-edge-litert")])
def test_a_package_that_is_missing_is_one_line_that_says_what_to_install(
        tmp_path, program, package, advice):
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}', "
                                            f"name={package!r})")
    tokenizer = {"format": 1, "text": {"vocabulary": ["[PAD]", "[UNK]"]}, "automata": {}, "characters": {
        "classes": ["o--"], "ranges": [0, 0], "lower": [], "lower_more": {}}}
    for name, text in {"model_float32.tflite": "", "model.json": '{"head": "classifier"}',
                       "tokenizer.json": json.dumps(tokenizer)}.items():
        (tmp_path / name).write_text(text)
    program = [tmp_path / one if one.endswith(".tflite") else one for one in program]
    child = started(*program, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}", TF_CPP_MIN_LOG_LEVEL="3")
    _, err = child.communicate()
    said = err.strip().splitlines()[-1]
    assert child.returncode == 2 and "Traceback" not in err
    assert package in said and advice in said


def test_a_program_runs_in_a_thread_and_with_closed_standard_error():
    code = ("import threading; from export import interrupt\n"
            "thread = threading.Thread(target=lambda: [interrupt.end_at_once(), print('ended')])\n"
            "thread.start(); thread.join(); interrupt.end_at_once()")
    command = f"{sys.executable} -c {shlex.quote(code)} 2>&-"
    child = subprocess.run(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert (child.returncode, child.stdout) == (0, "ended\n")
