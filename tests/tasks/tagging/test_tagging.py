"""The task from the command line, on the built-in sample: one whole run, and what can go wrong."""

import contextlib
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import ROOT, exports_here, quick_exports
from export import saved_model, tflite
from tasks import cli
from tasks.reading.corpus import Corpus
from tasks.reading.splits import Sentence
from tasks.tagging import corpora
from tasks.tagging.dataset import Sentences
from tasks.tagging.options import Settings
from tasks.tagging.task import Tagging, main
from tasks.training import loop
from zoo import trained

SAMPLE = ("--corpus=sample", "--epochs=4", "--features=8192")
SMALL = ("--units=16", "--embedding=16", "--character_units=10")


def start(*arguments):
    """The task in a child process, where no NLTK corpus can be had."""
    environment = {**os.environ, "NLTK_DATA": "/nowhere", "COLUMNS": "80"}
    return subprocess.Popen([sys.executable, "-m", "tasks.tagging", *map(str, arguments)], cwd=ROOT,
                            env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def run(*arguments, stdin=None):
    """(exit code, standard output, standard error) of the task."""
    child = start(*arguments)
    out, err = child.communicate(stdin, timeout=1800)
    return child.returncode, out, err


def here(*arguments):
    """Run the task in this process. Raises SystemExit where the command would fail."""
    settings = cli.parse(Settings, ["tagging", *map(str, arguments)])
    cli.guarded(lambda: main(settings))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that was killed while it trained and then went on, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "tagging"
    arguments = *SAMPLE, f"--output_dir={folder}"
    child = start(*arguments)
    while not (folder / "checkpoints/best.npz").exists():
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    out = io.StringIO()
    some, environment = exports_here(("float32", "int8")), loop.environment()
    with pytest.MonkeyPatch.context() as patch, some, contextlib.redirect_stdout(out):
        patch.setattr(loop, "deterministic", keras.utils.set_random_seed)   # it would stay on
        patch.setattr(loop, "environment", lambda: {**environment, "op_determinism": True})
        here(*arguments)
    return folder, out.getvalue()


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished[0] / "metrics.json").read_text())


@pytest.mark.slow
def test_a_run_leaves_everything_the_contract_names(finished, metrics):
    for name in ("history.csv", "checkpoints/latest.npz", "model.keras", "MODEL_CARD.md",
                 "plots/learning_curves.png", "plots/confusion_matrix.png", "saved_model/1",
                 "tflite/model_float32.tflite", "tflite/vocabulary.txt", "tflite/alphabet.txt",
                 "tflite/labels.txt"):
        assert (finished[0] / name).exists(), name
    assert {"task", "corpus", "model", "seed", "parameters", "train", "validation", "test",
            "exports"} <= set(metrics)
    assert "next: python -m tasks.tagging" in finished[1]


@pytest.mark.slow
def test_the_model_beats_what_is_counted(metrics):
    best = max(baseline["span_f1"] for baseline in metrics["validation_baselines"].values())
    assert metrics["validation"]["span_f1"] > max(0.8, best)


@pytest.mark.slow
def test_every_file_tags_as_keras_does(finished, metrics):
    head, sentences = zoo.load(finished[0]), corpora.load("sample").test[:60]
    test = Sentences(head, sentences)
    lite = tflite.Lite(finished[0] / "tflite/model_float32.tflite")
    for rows in (np.arange(1), np.arange(20), np.arange(20, 60)):
        ids = test.padded(rows)
        answer = head.lite_signatures()["ids"](**ids)
        np.testing.assert_array_equal(lite(**ids)["tags"], answer["tags"])
        np.testing.assert_allclose(lite(**ids)["marginals"], answer["marginals"], atol=1e-4)
    assert not any(name.startswith("custom")
                   for name in tflite.op_names(finished[0] / "tflite/model_float32.tflite"))
    exports = metrics["exports"]
    assert exports["saved_model"]["test"] == exports["tflite"]["float32"]["test"] == metrics["test"]
    for entry in (exports["saved_model"], exports["tflite"]["float32"]):
        assert entry["same"] == {"validation": 1.0, "test": 1.0}


@pytest.mark.slow
def test_the_saved_model_gives_offsets_into_the_request(finished):
    texts = ["What time is it in Łódź?", "wake me at seven", "", "🙂 play Boston\u2009by Jordan"]
    serve = saved_model.load(finished[0] / "saved_model")["serving_default"]
    answer = {name: value.numpy() for name, value in serve(text=tf.constant(texts)).items()}
    predicted = zoo.load(finished[0]).predict(texts)
    for n, text in enumerate(texts):
        count, encoded = answer["lengths"][n], text.encode()
        assert [encoded[a:b] for a, b in zip(answer["start_byte"][n], answer["end_byte"][n])][:count] == \
            answer["tokens"][n][:count].tolist()
        assert [tag.decode() for tag in answer["tags"][n][:count]] == predicted[n]["tags"]
        assert set(answer["tags"][n][count:]) <= {b""}


@pytest.mark.slow
def test_predict_marks_the_spans(finished):
    code, out, _ = run(f"--output_dir={finished[0]}", "--predict", "What time is it in Boston?")
    assert (code, out) == (0, "What time is it in [Boston place]?\n")
    code, out, _ = run(f"--output_dir={finished[0]}", "--predict=-", stdin="what time is it\n\n")
    assert code == 0 and out == "what time is it\n\n"


@pytest.mark.slow
def test_a_finished_run_is_shown_again_and_other_settings_are_an_error(finished):
    code, out, _ = run(*SAMPLE, f"--output_dir={finished[0]}")
    assert code == 0 and "finished" in out and "TFLite int8" in out
    code, _, err = run("--corpus=sample", "--units=7", f"--output_dir={finished[0]}")
    assert code == 2 and "--units" in err and err.count("\n") == 1


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """{name: (exit code, standard error)} of commands that cannot work, run side by side."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "ragged.conll").write_text("a O\nb\n\n")
    commands = {"missing file": ["--corpus=nowhere.conll"], "ragged": [f"--corpus={folder}/ragged.conll"],
                "wrong value": ["--epochs=many"], "unknown model": ["--model=bert"],
                "no crf": ["--corpus=sample", "--model=output_rnn", "--crf"],
                "nothing trained": ["--predict=hello"],
                "vectors": ["--corpus=sample", "--vectors=nowhere"]}
    children = {name: start(*arguments, f"--output_dir={folder}/{name}")
                for name, arguments in commands.items()}
    return {name: (child.communicate(timeout=1800)[1], child.returncode)
            for name, child in children.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name, expected", [
    ("missing file", "nowhere.conll"), ("ragged", "ragged.conll"), ("wrong value", "epochs"),
    ("unknown model", "bilstm_crf"), ("no crf", "feedback"), ("vectors", "nowhere"),
    ("nothing trained", "python -m tasks.tagging")])
def test_a_mistake_is_one_clear_line_and_a_failing_exit(mistakes, name, expected):
    err, code = mistakes[name]
    assert code != 0 and err.count("\n") == 1 and err.startswith("error: "), err
    assert expected in err and "Traceback" not in err


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """A run on parts of speech of one's own, by a model of one direction."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(5)
    words = {"NOUN": ["dog", "cat", "tree"], "VERB": ["sees", "hears", "likes"], "DET": ["the", "a"]}
    lines = [f"{rng.choice(words[tag])}{rng.integers(9)}\t{tag}" for _ in range(150)
             for tag in ("DET", "NOUN", "VERB", "DET", "NOUN", "")[:6] if tag]
    blocks = ["\n".join(lines[n:n + 5]) for n in range(0, len(lines), 5)]
    (folder / "own.conll").write_text("\n\n".join(blocks) + "\n")
    with pytest.MonkeyPatch.context() as patch, quick_exports():
        patch.setattr(loop, "deterministic", keras.utils.set_random_seed)
        here(f"--corpus={folder}/own.conll", "--model=lstm", *SMALL, "--epochs=6",
             f"--output_dir={folder}/run", "--learning_rate=0.02", "--average=0.9")
    return folder / "run"


@pytest.mark.slow
def test_plain_tags_are_learnt_and_printed_beside_their_tokens(streaming, capsys):
    metrics = json.loads((streaming / "metrics.json").read_text())
    assert metrics["test"]["token_accuracy"] > 0.9
    assert metrics["baselines"]["CRF on features"]["token_accuracy"] > 0.9
    capsys.readouterr()
    here("--predict", "the1 dog1", f"--output_dir={streaming}")
    assert capsys.readouterr().out == "the1/DET dog1/NOUN\n"


@pytest.mark.slow
def test_a_saved_stream_gives_the_tags_of_the_whole_sentence(streaming):
    signatures = saved_model.load(streaming / "saved_model")
    tokens = tf.constant([["the1", "dog2", "sees3"], ["a0", "tree1", "xyz"]])
    whole, states = signatures["tokens"](tokens=tokens)["tags"], signatures["init"](token=tokens[:, 0])
    for t in range(3):
        answer = signatures["step"](token=tokens[:, t], **states)
        states = {name: value for name, value in answer.items() if name.startswith("state")}
        np.testing.assert_array_equal(answer["tag"], whole[:, t])


@pytest.mark.slow
def test_evaluating_and_exporting_again_take_the_settings_of_the_run(streaming, capsys):
    stored = json.loads((streaming / "metrics.json").read_text())
    here("--mode=evaluate", f"--output_dir={streaming}")
    printed = f"token_accuracy               {stored['test']['token_accuracy']:.4f}"
    assert printed in capsys.readouterr().out
    with exports_here(("float32",)):
        here("--mode=export", f"--output_dir={streaming}")
    again = json.loads((streaming / "metrics.json").read_text())
    assert again["exports"]["saved_model"]["version"] == 2
    assert again["exports"]["saved_model"]["test"] == stored["test"]


@pytest.mark.slow
def test_odd_sentences_are_trained_on_tagged_and_counted(tmp_path, monkeypatch, capsys):
    """Gold tags that break BIO, tags that training lacks, nothing but blank lines, 2,000 tokens."""
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)
    train = [f"word{n} O\nOslo B-x\ntown I-x\n" for n in range(40)] + ["to O\nUlm I-x\n", "to O\n" * 2000]
    (tmp_path / "train.conll").write_text("\n \n\n".join(train))
    (tmp_path / "dev.conll").write_text("in O\nOslo B-x\n\nUlm B-new\n")
    (tmp_path / "test.conll").write_text("in B-new\n\n" + "Oslo B-x\n" * 2000)
    with exports_here(("float32", "static")):
        here(f"--corpus={tmp_path}", *SMALL, "--epochs=1", f"--output_dir={tmp_path}/run")
    printed = capsys.readouterr().out
    assert "note: train: 1 tags break the scheme BIO, the first in sentence 41: I-x after O" in printed
    assert "note: tag 'B-new' never occurs in training, 2 times in validation and test" in printed
    assert "42 for train, 2 for validation, 2 for test (sentences)" in printed
    found = json.loads((tmp_path / "run/metrics.json").read_text())
    assert 0 <= found["test"]["span_recall"] <= 2000 / 2001
    assert found["exports"]["tflite"]["float32"]["same"]["test"] == 1


@pytest.mark.slow
def test_the_twin_without_a_crf_differs_by_its_scores_alone(tmp_path, monkeypatch):
    networks = []
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)
    monkeypatch.setattr(Tagging, "finish", lambda self, run, head, *rest: networks.append(head.network))
    for crf in ("--crf", "--nocrf"):
        here("--corpus=sample", "--model=bilstm_char_crf", crf, *SMALL, "--epochs=1",
             f"--output_dir={tmp_path}/{crf}")
    with_crf, twin = networks
    assert dataclasses.replace(twin.options, crf=True) == with_crf.options != twin.options
    assert [w.shape for w in twin.weights] == [w.shape for w in with_crf.weights
                                               if not any(w is own for own in with_crf.crf.weights)]


@pytest.mark.parametrize("tokenizer, tokens", [
    ([], ("no", "3.5")), (["--tokenizer=character"], tuple("no3.5"))])
def test_flags_say_how_a_file_is_read(tmp_path, capsys, tokenizer, tokens):
    rows = [{"body": f"Ada {n}", "marks": [[0, 3, "PER"]]} for n in range(60)]
    lines = "\n".join(map(json.dumps, [*rows, {"body": "no 3.5", "marks": []}]))
    (tmp_path / "a.jsonl").write_text(lines)
    task = Tagging(cli.parse(Settings, [
        "tagging", f"--corpus={tmp_path}/a.jsonl", "--token_column=body", "--tag_column=marks",
        *tokenizer]))
    corpus = task.introduced(task.load_corpus())
    assert tokens in {s.tokens for s in [*corpus.train, *corpus.validation, *corpus.test]}
    assert "cut into tokens as the exported model cuts them: tokenizer=" in capsys.readouterr().out


def test_columns_and_comments_are_flags(tmp_path):
    rows = [f"#x {n}\nB-PER ada{n} B-LOC\nO sings O" for n in range(60)]
    (tmp_path / "a.txt").write_text("\n\n".join(rows))
    corpus = Tagging(cli.parse(Settings, [
        "tagging", f"--corpus={tmp_path}/a.txt", "--token_column=2", "--tag_column=1",
        "--comments"])).load_corpus()
    assert corpus.labels == ["B-PER", "O"] and corpus.test[0].tokens[1] == "sings"


@pytest.mark.parametrize("sentences, scheme, expected", [
    ([["我", "爱"], ["a"]], "BIO", "wide_bilstm_crf"), ([["我"] * 100, ["ab"]], None, "wide_bilstm_crf"),
    ([["我", "爱"], ["ab"]], "BIO", "wide_bilstm_char_crf")])
def test_the_recipe_follows_from_the_corpus(sentences, scheme, expected):
    train = [Sentence(tuple(tokens), ("O",) * len(tokens)) for tokens in sentences]
    corpus = Corpus("mine", train, [], [], "", scheme=scheme)
    recipe = Tagging(Settings.of()).recipe(corpus)
    assert recipe["model"] == expected
    assert (recipe["tokenizer"] == "character") == (expected == "wide_bilstm_crf")


ENGLISH, GERMAN = "What time is it in Boston ?".split(), "Wie spät ist es in Berlin ?".split()
CHINESE, JAPANESE = [*"我爱很好" * 30, "time"], [*"お茶を飲みます。"]


@pytest.mark.parametrize("tokens, options, expected", [
    (ENGLISH, {}, "words-en"), (GERMAN, {}, None), (CHINESE, {}, "characters-zh"), (JAPANESE, {}, None),
    (["我爱", "很好"], {}, None), (["我爱", "很好"], {"tokenizer": "character"}, None),
    (CHINESE, {"tokenizer": "word"}, "characters-zh"),
    (ENGLISH, {"vectors": "none"}, "none"), (ENGLISH, {"model": "crf"}, None),
    (ENGLISH, {"layers": 0}, None), (ENGLISH, {"tokenizer": "character"}, None)])
def test_english_words_and_chinese_characters_take_the_vectors_of_the_package(tokens, options, expected):
    corpus = Corpus("mine", [Sentence(tuple(tokens), ("O",) * len(tokens))] * 9, [], [], "")
    found = Tagging(Settings.of(**options)).recipe(corpus)
    assert found.get("vectors") == expected
    assert (found.get("embedding"), found["min_count"]) == (
        (50, 2) if expected in trained.VECTORS else (None, 1))


def test_shards_and_what_starts_from_a_model_take_no_other_vectors():
    corpus = Corpus("mine", [Sentence(tuple(ENGLISH), ("O",) * len(ENGLISH))] * 9, [], [], "")
    task = Tagging(Settings.of())
    task.earlier = object()
    assert "vectors" not in task.recipe(corpus)
    corpus.stream = object()
    assert "vectors" not in Tagging(Settings.of()).recipe(corpus)


def test_a_word_that_training_has_once_is_known_by_its_vector(tmp_path):
    (tmp_path / "v.txt").write_text("tea 1 1\ncoffee 2 2\nmilk 3 3\n")
    corpus = Corpus("mine", [Sentence(("Tea", "tea", "coffee", "cake"), ("O",) * 4)], [], [], "")
    task = Tagging(Settings.of(vectors=str(tmp_path / "v.txt"), vector_words=0, min_count=2,
                               tokenizer="word"))
    text, learnt, _ = task.text_of(corpus)
    assert (text.vocabulary[2:], learnt) == (["tea", "coffee"], 3)


def test_a_run_reads_word_vectors(tmp_path, monkeypatch, capsys):
    networks = []

    def train(network, *_):
        networks.append(network)
        raise ValueError("enough")

    monkeypatch.setattr(loop, "train", train)
    monkeypatch.setattr(loop, "deterministic", keras.utils.set_random_seed)
    rows = (f"{word} {number} {number}" for word, number in (
        ("the", 7), ("elsewhere", 8), ("1999", 9), ("2001", 10), ("nowhere", 11)))
    (tmp_path / "v.txt").write_text("\n".join(rows))
    with pytest.raises(SystemExit):
        here("--corpus=sample", "--model=lstm", *SMALL, f"--vectors={tmp_path}/v.txt", "--vector_words=3",
             f"--output_dir={tmp_path}/run")
    network = networks[0]
    table = np.array(network.vectors.table.embeddings)
    assert [int((table == number).all(1).sum()) for number in range(7, 12)] == [1, 1, 1, 0, 0]
    assert network.learnt == network.embedding.embeddings.shape[0] < network.vocabulary_size
    with pytest.raises(SystemExit):
        here("--corpus=sample", "--model=crf", f"--vectors={tmp_path}/v.txt",
             f"--output_dir={tmp_path}/crf")
    assert "vectors: expected a model with an embedding" in capsys.readouterr().err
