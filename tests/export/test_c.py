"""The programs in C read and predict as the graph does, under the sanitizers of the compiler."""
import json
import os
import pathlib
import shutil
import subprocess

import ai_edge_litert
import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import fixed_shapes, run, tokenizer
from heads import classifier, generator, tagger, translator
from test_export_run import COUNT, TEXTS, WORDS, continued, on_device, strings
from test_web import mixed
from zoo.text.subwords import Subwords
from zoo.text.token_features import OFFSETS, Tokens
from zoo.text.tokenizer import Text

pytestmark = pytest.mark.slow
SOURCES = ROOT / "export" / "c"
TOKENIZER = [SOURCES / f"{name}.c" for name in ("zoo_json", "zoo_tables", "zoo_text")]
STRICT = "-std=c11 -O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror".split()
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
if not shutil.which("cc"):
    pytest.skip("needs a C compiler", allow_module_level=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """tokens.c, with address and undefined-behaviour sanitizers: any finding is an exit status."""
    path = tmp_path_factory.mktemp("c") / "tokens"
    subprocess.run(["cc", *STRICT, *SANITIZERS, f"-I{SOURCES}", ROOT / "tests" / "export" / "tokens.c",
                    *TOKENIZER, "-o", path], check=True)
    return path


@pytest.fixture
def c(program, tmp_path):
    """What the program prints: c(text processing or specification, side, action, bytes)."""
    def answer(specification, given, side="text", action="read"):
        if not isinstance(specification, dict):
            specification = tokenizer.specification(specification)
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(specification, ensure_ascii=False), encoding="utf-8")
        done = subprocess.run([program, path, side, action], input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return done.stdout
    return answer


def read(c, specification, texts, side="text"):
    """Of each text, bytes, what C makes of it."""
    given = b"".join(b"%d\n%b" % (len(text), text) for text in texts)
    return [json.loads(line) for line in c(specification, given, side).splitlines()]


def every(count, seed, longest=200_000):
    """Strings of all planes, with halves of surrogate pairs, very long words and broken UTF-8."""
    return [*map(run.encoded, mixed(count // 2, seed, longest)), *strings(count - count // 2, seed + 1),
            b"\0a\0", b"\xed\xa0\x80 \xe4\xb8 \xf0\x9f\x99", b"\n a\n\n  b"]


@pytest.mark.parametrize("kind, name, options", [
    (Text, "word", {}), (Text, "word", {"max_length": 5, "lowercase": False}),
    (Text, "byte", {"max_length": 7}), (Text, "byte", {"lowercase": False}), (Text, "character", {}),
    (Text, "subword", {}), (Text, "subword", {"lowercase": False}), (Subwords, "subword", {}),
    (Subwords, "separated", {"max_length": 6}), (Subwords, "word", {"lowercase": True}),
    (Subwords, "character", {})])
def test_ids_of_texts_equal_the_graphs(c, kind, name, options):
    known = [*strings(300, seed=1), " ".join(WORDS).encode(), *(word.encode() for word in WORDS * 3)]
    text, texts = kind.learn(known, name, size=400, **options), every(COUNT, 5)
    wanted, found = text(texts).to_list(), read(c, text, texts)
    different = [one for one, ids, row in zip(texts, wanted, found, strict=True) if row["ids"] != ids]
    assert not different, (len(different), different[:3])
    assert len({n for ids in wanted for n in ids}) > 9


@pytest.mark.parametrize("options", [{}, {"max_length": 9}, {"lowercase": False}])
def test_code_points_equal_the_graphs(c, options):
    text, texts = Text.learn(WORDS, **options), [*every(COUNT, 7), "don’t İI ΣΊΣΥΦΟΣ".encode()]
    wanted = text.code_points(texts).numpy()
    for one, row, cells in zip(texts, read(c, text, texts), wanted, strict=True):
        assert row["code_points"] == [[n for n in cell if n] for cell in cells.tolist() if cell[0]], one


@pytest.mark.parametrize("options", [{}, {"tokenizer": "space", "lowercase": False},
                                     {"tokenizer": "character", "digits": False}])
def test_tokens_their_offsets_and_all_that_is_made_of_them_equal_the_graphs(c, options):
    text = Tokens.learn([[*WORDS[:-1], "77"]], max_characters=5, **options)
    texts = every(COUNT // 2, 6, 300)
    tokens, offsets = text.split(texts)
    wanted = {name: array.numpy() for name, array in {**text(tokens), **offsets}.items()}
    for n, (one, row) in enumerate(zip(texts, read(c, text, texts), strict=True)):
        count = len(row["ids"])
        assert row["sources"] == [token.decode("utf-8", "replace") for token in tokens[n].numpy()[:count]]
        exact = one.decode("utf-8", "ignore").encode() == one
        for name, array in wanted.items():
            if array.ndim == 3:
                cells = [[c for c in cell if c] for cell in array[n][:count].tolist()]
                assert row[name] == cells, (name, one)
            elif name not in OFFSETS or exact or name.endswith("byte"):
                assert row[name] == array[n][:count].tolist(), (name, one)
        assert not any(array[n][count:].any() for name, array in wanted.items() if name == "ids")


def test_offsets_of_malformed_texts_are_those_of_the_module_in_python(c):
    text, texts = Tokens.learn([WORDS[:-1]]), every(400, 8, 300)
    specification = tokenizer.specification(text)
    reader = run.Reader(specification)
    for one, row in zip(texts, read(c, specification, texts), strict=True):
        places = [place for _, *place in reader(one)[1]]
        for name, values in run.offsets(one, places).items():
            assert row[name] == values, (name, one)


@pytest.mark.parametrize("name", ["subword", "separated", "word"])
def test_each_id_has_the_word_that_it_is_of(c, name):
    text, texts = Subwords.learn([" ".join(WORDS), *WORDS * 3], name, size=99), every(200, 9, 300)
    specification = tokenizer.specification(text)
    reader = run.Reader(specification)
    for one, row in zip(texts, read(c, specification, texts), strict=True):
        assert row["sources"] == [word for word, ids in reader.parts(one) for _ in ids], one


@pytest.mark.parametrize("name", ["subword", "separated", "character"])
def test_ids_become_the_graphs_texts(c, name):
    text = Subwords.learn([*strings(300, seed=1), *WORDS * 3, "a\nb c\n\n d"], name, size=300)
    rows = np.random.default_rng(0).integers(0, len(text), [COUNT, 9]).tolist()
    rows += text(["a\nb c\n\n d\u2028 e", "a b"]).to_list()
    for inside, action in ((False, "text"), (True, "inside")):
        given = "\n".join(" ".join(map(str, [len(ids), *ids])) for ids in rows).encode()
        found = c(text, given, action=action)
        wanted = text.strings(tf.ragged.constant(rows, dtype=tf.int32), inside=inside).numpy()
        assert found == b"".join(b"%d\n%b" % (len(one), one) for one in wanted)


@pytest.mark.parametrize("name", TEXTS)
def test_vectors_of_an_export_hold(c, name):
    files = tokenizer.files(TEXTS[name]())
    specification, vectors = (json.loads(files[file]) for file in (tokenizer.NAME, tokenizer.VECTORS))
    for side, rows in vectors.items():
        found = read(c, specification, [row["text"].encode() for row in rows], side)
        for row, one in zip(rows, found, strict=True):
            text = row.pop("text")
            assert row.items() <= one.items(), text


@pytest.mark.parametrize("changed, said", [
    ({"format": 2}, b"expected tokenizer.json of format 1, received 2: copy export/c again"),
    ({"text": None}, b"expected the settings of tokenizer.json as docs/devices.md has them"),
    ({"characters": {"classes": []}}, b"expected the characters of tokenizer.json as"),
    ({"automata": {"word": [[0, {"a": 7}]]}}, b"expected the settings of tokenizer.json as")])
def test_a_file_that_is_not_as_specified_is_one_clear_line(program, tmp_path, changed, said):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**tokenizer.specification(Text(["[PAD]", "[UNK]"])), **changed}))
    done = subprocess.run([program, path, "text", "read"], capture_output=True)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count(b"\n") == 1
    path.write_text(path.read_text()[:-3])
    done = subprocess.run([program, path, "text", "read"], capture_output=True)
    assert (done.returncode, done.stderr) == (
        2, b"expected JSON in tokenizer.json, received other bytes\n")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """zoo_predict, with the sanitizers, which do not see into LiteRT."""
    folder = tmp_path_factory.mktemp("predict")
    flags = " ".join(["-O1 -g -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror", *SANITIZERS])
    subprocess.run(["make", "-s", "-C", SOURCES, f"BUILD={folder}", f"CFLAGS={flags}",
                    f"LITERT={pathlib.Path(ai_edge_litert.__file__).parent}"], check=True)
    return folder / "zoo_predict"


def predicted(predictor, head, folder, texts, *options, changed=lambda signatures: signatures):
    """What the program prints for the texts."""
    path = on_device(head, folder / "device", changed=changed)
    for name, text in {**head.assets(), **tokenizer.files(head.text)}.items():
        (path.parent / name).write_text(text, encoding="utf-8")
    given = "\n".join(texts).encode("utf-8", "surrogateescape")
    # LiteRT keeps some memory to its end.
    done = subprocess.run([predictor, path, *options], input=given, capture_output=True,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


PHRASES = ["a good film, not bad", "BAD", "\udcff film", " ", "A good “film” 🙂 не плохо ΑΣ. " * 9, "x"]


@pytest.mark.parametrize("options", [{}, {"ngrams": 64}, {"layers": 0, "ngrams": 64}])
def test_labels_are_the_heads(predictor, tmp_path, options):
    head = classifier("gru", "mean+max", **options)
    found = predicted(predictor, head, tmp_path, PHRASES)
    for one, wanted in zip(found, head.predict(PHRASES), strict=True):
        assert one["label"] == wanted["label"]
        assert one["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


@pytest.mark.parametrize("intents", [(), ("ask", "order", "tell")])
def test_tags_spans_and_the_intent_are_the_heads(predictor, tmp_path, intents):
    head = tagger("wide_bilstm_char_crf", intents)
    texts = [text for text in PHRASES if "\udcff" not in text]
    found = predicted(predictor, head, tmp_path, texts)
    assert any(len(one["spans"]) > 1 for one in found)
    for one, wanted in zip(found, head.predict(texts), strict=True):
        for name in ("probability", *("confidence", "intents") * bool(intents)):
            assert one.pop(name) == pytest.approx(wanted.pop(name), abs=1e-5)
        assert one == wanted


@pytest.mark.parametrize("settings", [
    {"temperature": 0.0}, {"temperature": 1.3, "top_k": 5, "repetition_penalty": 1.5}, {"typical": 0.6},
    {"top_p": 0.5}], ids=str)
def test_texts_go_on_as_the_heads_by_the_same_numbers(predictor, tmp_path, settings):
    head, texts = generator(), ["sing o muse the", "我 x?", "o"]
    numbers = np.random.default_rng(0).random(30, np.float32)
    (tmp_path / "uniform").write_text("\n".join(map(repr, numbers.tolist())))
    options = [f"--{name}={value}" for name, value in {**settings, "length": 30}.items()]
    found = predicted(predictor, head, tmp_path, texts, f"--uniform={tmp_path / 'uniform'}", *options)
    assert [one["text"] for one in found] == [continued(head, text, 30, **settings) for text in texts]


def test_a_file_of_one_length_reads_longer_texts_block_by_block(predictor, tmp_path):
    head, texts = generator(), ["sing o muse the wrath of", "o", "sing o muse the"]
    found = predicted(predictor, head, tmp_path, texts, "--temperature=0", "--length=7",
                      changed=lambda free: fixed_shapes.fixed(fixed_shapes.computed(free), 7))
    assert [one["text"] for one in found] == [continued(head, text, 7, temperature=0.0) for text in texts]


def test_texts_follow_from_labels_as_the_heads(predictor, tmp_path):
    head = generator(["ode", "epic"], vector="every")
    found = predicted(predictor, head, tmp_path, head.labels, "--temperature=0", "--length=40")
    assert [one["text"] for one in found] == [
        continued(head, "", 40, label=label, temperature=0.0) for label in head.labels]


@pytest.mark.parametrize("options", [{}, {"attention": "none"}])
@pytest.mark.parametrize("settings", [{"width": 4, "n_best": 3, "alpha": 0.75},
                                      {"width": 1, "n_best": 1, "alpha": 0.0}], ids=["beam", "greedy"])
def test_translations_are_the_heads(predictor, tmp_path, options, settings):
    head, texts = translator(**options), ["我爱中国", "茶好 猫", "猫狗他不爱茶" * 5, "猫", " "]
    found = predicted(predictor, head, tmp_path, texts, *(
        f"--{name}={value}" for name, value in settings.items()))
    for one, text in zip(found, texts, strict=True):
        wanted = head.n_best([text], settings["width"], settings["alpha"])
        for n, translation in enumerate(one.get("translations", [one])):
            assert translation["translation"] == wanted["translations"][0, n].numpy().decode()
            assert translation["score"] == pytest.approx(float(wanted["scores"][0, n]), abs=1e-4)


@pytest.mark.parametrize("arguments, said", [
    ([], "expected a TFLite file and texts"),
    (["absent.tflite", "a"], "model.json, received no such file"),
    (["--lenght=9", "a"], "received --lenght=9"),
    (["--width=0", "a"], "--width: expected a number from 1"),
    (["--width=2", "--n_best=3", "a"], "expected at most the width of the beam"),
    (["--width=65", "a"], "--width: expected at most 64")])
def test_bad_arguments_are_one_clear_line(predictor, arguments, said):
    done = subprocess.run([predictor, *arguments], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not done.stdout


def test_a_label_that_is_not_known_is_one_clear_line(predictor, tmp_path):
    head = generator(["ode", "epic"])
    path = on_device(head, tmp_path / "device")
    for name, text in {**head.assets(), **tokenizer.files(head.text)}.items():
        (path.parent / name).write_text(text, encoding="utf-8")
    done = subprocess.run([predictor, path, "odd"], capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"zoo_predict: expected a label that is in model.json, received another text\n"
