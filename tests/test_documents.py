"""The documents: links lead somewhere, commands parse and run, snippets give what they show."""

import configparser
import contextlib
import doctest
import importlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest

from conftest import ROOT, slow_but
from export import run as on_device
from tasks import cli
from zoo import trained as trained_models

README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TASKS = ("sentiment", "tagging", "generation", "translation", "gradient_flow")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page, language):
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def prose(page):
    """A page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------ links, the README

def anchors(page):
    """What GitHub makes of the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", prose(page), re.M)}


@each_page
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not link.startswith("https://"):
            assert target.exists() and target.is_relative_to(ROOT), link
            assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), {README}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in re.findall(r"\]\(([^)\s#]+\.md)", prose(page)):
            waiting |= {(page.parent / link).resolve()} - reached
    assert reached >= set(PAGES)


def test_the_readme_is_one_page_and_begins_with_a_picture():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    picture = re.search(r"^!\[.+\]\((.+)\)$", "\n".join(lines[:12]), re.M)
    assert (ROOT / picture[1]).stat().st_size <= 150_000


def settings_of(task):
    """The class of a task's settings."""
    return importlib.import_module(f"tasks.{task}.options").Settings


# ------------------------------------------------------------------------------------------------ words

# Words of this project alone, where the field has its own: batch, ensemble, metrics, split, predict …
PRIVATE = re.compile(r"""texts\ a\ step | answer\ together | \bmembers\b
    | (the|its|other|all)\ measures\b
    | running\ text | to\ choose\ by | to\ learn\ from | (test|validation|training)\ parts?\b
    | that\ is\ asked | is\ asked\ a """, re.I | re.X)


def private(text):
    """A private word in a text, but for names of code and flags; None without one."""
    return PRIVATE.search(" ".join(re.sub("`[^`]+`|--\\S+", "", text).split()))


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "your_data"],
                         ids=lambda page: page.name)
def test_a_page_uses_the_words_of_the_field(page):
    assert not private(prose(page))


@pytest.mark.parametrize("task", TASKS)
def test_help_uses_the_words_of_the_field(task):
    assert not private(cli.help_page(task, settings_of(task)))


# --------------------------------------------------------------------------------------------- commands

def commands():
    """The words of every command in the blocks of the pages, and of each `python -m …` in their text."""
    for page in PAGES:
        lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
        lines += re.findall(r"`(python -m [^`]+)`", prose(page))
        for line in lines:
            if not re.search("NAME|…", line):
                yield from commands_of(re.sub(r"\$(seed|fold)\b", "0", line))


def commands_of(line):
    """The commands of a line of shell, without loops, settings and what runs another command.

    >>> list(commands_of("for x in 0 1; do A=1 python -m a --b='c d'; done && taskset -c 1 e | f # g"))
    [['python', '-m', 'a', '--b=c d'], ['e'], ['f']]
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    parts = [[]]
    for word in lexer:
        parts += [[]] if word in ("&&", ";", "|") else []
        parts[-1] += [word] if word not in ("&&", ";", "|") else []
    for part in parts:
        while part and (re.match(r"\w+=", part[0]) or part[0] in ("do", "time", "taskset", "-c", "1")):
            part.pop(0)
        if part and part[0] not in ("for", "done"):
            yield part


COMMANDS = list(commands())


def arguments_of(module):
    """The arguments of every command that runs a module of Python and has some."""
    found = [command[3:] for command in COMMANDS if command[:3] == ["python", "-m", module]]
    return list(filter(None, found))


def program(module, *arguments, cwd=ROOT):
    """A program of this checkout, ended; TensorFlow's log is left out."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=cwd, env=environment,
                          capture_output=True, text=True, encoding="utf-8")


def refuses_only(unknown, module, arguments):
    """Whether a program, run here, refuses an unknown flag after its arguments, and none of these."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()) as said:
        patch.setattr(sys, "argv", [module, *arguments, f"--{unknown}"])
        with pytest.raises(SystemExit) as stop:
            runpy.run_module(module, run_name="__main__")
    flags = set(re.findall(r"--(?:no)?([a-z_]+)", " ".join(arguments)))
    message = said.getvalue().strip().splitlines()[-1]
    return stop.value.code and unknown in said.getvalue() and not flags & set(re.findall(r"\w+", message))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_the_flags_that_the_documents_give_it(task):
    for arguments in arguments_of(f"tasks.{task}"):
        cli.parse(settings_of(task), ["program", *(word for word in arguments if word != "--help")])


BENCHMARKS = {command[2] for command in COMMANDS if command[2:] and command[2].startswith("benchmarks.")}


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(BENCHMARKS))
def test_a_benchmark_has_the_flags_that_the_documents_give_it(module):
    for arguments in arguments_of(module):
        assert refuses_only("no_such_flag", module, arguments), arguments


@pytest.mark.slow
def test_the_server_has_the_flags_that_the_documents_give_it():
    pytest.importorskip("kserve")
    for arguments in arguments_of("export.serve"):
        assert refuses_only("no_such_flag", "export.serve", arguments), arguments


def test_the_runner_and_the_client_take_what_the_documents_give_them():
    options = {**on_device.Generator.options, **on_device.Translator.options}
    for path, *arguments in arguments_of("export.run"):
        texts, _ = on_device.parsed(arguments, options)
        assert (path.endswith(".tflite") or trained_models.known(path)) and len(texts) == 1
    for url, *texts in arguments_of("export.client"):
        assert url.startswith(("http://", "grpc://")) and texts


def test_other_commands_use_files_and_extras_that_exist():
    configuration = configparser.ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    for command in COMMANDS:
        files = [after for before, after in zip(command, command[1:]) if before == "-f"]
        extras = re.findall(r"\.\[([\w,]+)\]", " ".join(command))
        assert all((ROOT / file).is_file() for file in files), command
        assert all(configuration.has_option("options.extras_require", name)
                   for extra in extras for name in extra.split(",")), command


def test_every_command_is_checked_somewhere():
    modules = {"pip", "pytest", "http.server", "tasks",
               *(f"tasks.{task}" for task in TASKS), "export.serve",
               "export.run", "export.client"}
    for command in COMMANDS:
        if command[:2] == ["python", "-m"]:
            name = command[2]
            path = ROOT / name.replace(".", "/")
            assert (name in modules or path.with_suffix(".py").is_file()
                    or (path / "__main__.py").is_file()), command
        else:
            assert command[0] in ("curl", "docker", "kubectl", "make", "npm", "tail",
                                  "export/c/zoo_predict", "tensorflow_model_server"), command


# ---------------------------------------------------------------------------- commands and snippets run

@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which the README's training has run, and what it printed."""
    folder = tmp_path_factory.mktemp("documents")
    done = program("tasks.sentiment", "--corpus=sample", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout, encoding="utf-8")
    return folder, done.stdout


def without_numbers(text):
    """The lines of an output, with every number alike."""
    return {" ".join(re.sub(r"\d[\d,.]*", "0", line).split()) for line in text.splitlines()}


@pytest.mark.slow
def test_the_training_prints_what_the_readme_shows(trained):
    assert without_numbers(blocks(README, "text")[0]) <= without_numbers(trained[1])


@pytest.mark.slow
def test_predictions_are_those_of_the_documents(trained):
    done = program("tasks.sentiment", "--predict", "not bad at all", cwd=trained[0])
    shown = re.search(r'--predict "not bad at all" +# (\w+)', README.read_text(encoding="utf-8"))[1]
    assert done.returncode == 0 and done.stdout.split()[0] == shown
    for arguments in arguments_of("export.run"):
        if arguments[0].startswith("runs/sentiment/"):
            done = program("export.run", *arguments, cwd=trained[0])
            assert done.returncode == 0 and f'"label": "{shown}"' in done.stdout


@pytest.mark.slow
def test_a_file_is_predicted_as_the_documents_show(trained):
    page = ROOT / "docs/predictions.md"
    source, (shown, *_) = blocks(page, "csv")[0], blocks(page, "text")
    (trained[0] / "new.csv").write_text(source, encoding="utf-8")
    arguments = next(found for found in arguments_of("tasks.sentiment") if "--input=new.csv" in found)
    done = program("tasks.sentiment", *arguments, cwd=trained[0])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    predicted = (trained[0] / "predicted.csv").read_text(encoding="utf-8")
    assert without_numbers(predicted) == without_numbers(shown)


@pytest.mark.slow
def test_the_picture_is_drawn_from_a_run(trained):
    (trained[0] / "docs").mkdir()
    done = program("benchmarks.picture", "runs/sentiment", "docs/picture.png", cwd=trained[0])
    assert done.returncode == 0, done.stderr
    assert (trained[0] / "docs/picture.png").read_bytes().startswith(b"\x89PNG")


def check(snippet, names):
    """Run a snippet, with the names of those before it; what it gives is what it shows."""
    test = doctest.DocTestParser().get_doctest(snippet, names, "snippet", None, 0)
    found = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=found.append, clear_globs=False)
    names.update(test.globs)
    assert not found, "".join(found)


# Those of python.md train classifiers.
@pytest.mark.parametrize("page", slow_but([page for page in PAGES if page.stem != "python"], PAGES),
                         ids=lambda page: page.name)
def test_the_snippets_of_a_page_give_what_they_show(page):
    names = {}
    for snippet in blocks(page, "python"):
        if "runs/" not in snippet:
            check(snippet, names)


OF_A_RUN = [pytest.param(text, id=f"{page.stem}-{n}") for page in PAGES
            for n, text in enumerate(blocks(page, "python")) if "runs/" in text]


@pytest.mark.slow
@pytest.mark.parametrize("snippet", OF_A_RUN)
def test_a_snippet_about_a_run_gives_what_it_shows(snippet, trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    check(snippet, {})
