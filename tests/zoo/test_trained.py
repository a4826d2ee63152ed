"""The models that come with the package: whole, within their bounds, and they answer as they did."""

import fnmatch
import subprocess
import sys

import pytest
from conftest import ROOT

import zoo
from benchmarks.pretrained import documents
from benchmarks.pretrained.keep import answers
from benchmarks.pretrained.recipes import RECIPES
from export import pack
from tasks.reporting.metric import metric
from zoo import trained

each = pytest.mark.parametrize("name", trained.names())
MEGABYTES = {"int8": 36, "all": 108}


def files(name):
    return [path for path in trained.folder(name).rglob("*") if path.is_file()]


def test_every_model_has_a_recipe():
    assert trained.names() and set(trained.names()) <= set(RECIPES)


@each
def test_no_file_of_a_model_has_changed(name):
    assert trained.about(name)["sha256"] == pack.checksums(trained.folder(name))


@each
def test_its_licence_lets_it_be_passed_on_and_names_who_is_to_be_named(name):
    about = trained.about(name)
    assert about["licence"] in pack.LICENCES and about["attribution"] and about["command"]


@each
def test_its_weights_in_float16_are_as_good_as_its_int8_file(name):
    about = trained.about(name)
    for one in about["metric"].split(", "):
        points = 100 if metric(one).unit == "share" else 1
        assert points * abs(about["float16"][one] - about["test"][one]) <= 0.3


@each
def test_the_file_answers_as_when_it_was_made(name):
    about = trained.about(name)
    assert answers(about["task"], name, [text for text, _ in about["examples"]]) == about["examples"]


def test_all_models_together_are_small():
    sizes = {"int8": [trained.file(name) for name in trained.names()],
             "all": [path for name in trained.names() for path in files(name)]}
    for kind, paths in sizes.items():
        assert sum(path.stat().st_size for path in paths) <= MEGABYTES[kind] * 2 ** 20


def test_every_file_is_part_of_the_package():
    line = next(line for line in (ROOT / "setup.cfg").read_text(encoding="utf-8").splitlines()
                if line.startswith("zoo.trained ="))
    patterns = line.partition("=")[2].replace(" ", "").split(",")
    for name in trained.names():
        for path in files(name):
            inside = path.relative_to(trained.HOME).as_posix()
            assert any(fnmatch.fnmatch(inside, pattern) and inside.count("/") == pattern.count("/")
                       for pattern in patterns), inside


def test_the_page_says_what_the_models_say():
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == documents.page() + "\n"


def test_another_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="expected a pretrained model among .*banking-intents"):
        trained.folder("no-such-model")
    with pytest.raises(FileNotFoundError, match="zoo.pretrained"):
        zoo.load("no-such-model")


def test_the_list_and_an_answer_take_no_tensorflow():
    code = ("import sys, zoo; from benchmarks.pretrained.keep import answers; assert zoo.pretrained();"
            "print(answers('sentiment', 'banking-intents', ['My card is lost.'])[0][1]);"
            "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules")
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert child.stdout.startswith("lost_or_stolen_card"), child.stderr
