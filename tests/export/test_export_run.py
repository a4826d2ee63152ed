"""The module that answers texts on a device reads them exactly as the graph does."""
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from conftest import diagonal
from export import fixed_shapes, run, tflite, tokenizer
from heads import classifier, generator, tagger, translator
from zoo.models import language_model, translator as text_translator
from zoo.text.spans import spans
from zoo.text.subwords import GENERATED, Subwords
from zoo.text.token_features import OFFSETS, SHAPES, Tokens
from zoo.text.text_pair import TextPair
from zoo.text.tokenizer import Text

COUNT = int(os.environ.get("ZOO_FUZZ", 1500))
WORDS = ["good", "Film", "don't", "it’s", "naïve", "3.14", "1,000,000", "2nd", "IBM", "ΣΊΣΥΦΟΣ",
         "İstanbul", "很好", "コーヒー", "ﾊﾟ", "👍🏽", "👩‍👩‍👧", "🏴\U000e0067\U000e007f", "🇩🇪🇫", "❤️", "❤\u200d🇩🇪",
         "नमस्ते", "۱۲۳", "...", "a.b", "x_y", "rock’n’roll", "می\u200cخواهم", "##ing", "Ⅷ", "½", "〇",
         "々", "ⱟⰯ", "\ufeff", "\u200b", "\x1f", "[UNK]"]
BYTES = b"\0\n A\xc3\xa9\xe0\x80\xed\xa0\xf0\x9f\xff."
# Strings: a list of as many would take 100 MB in every process that collects the tests.
EVERY = "".join(chr(c) for c in range(1, 0x110000) if c not in range(0xD800, 0xE000))
ASSIGNED = "".join(c for c in EVERY if unicodedata.category(c) not in ("Cn", "Co"))


def strings(count, seed=0):
    """Texts of all kinds: words, any characters, broken UTF-8."""
    draw = random.Random(seed)

    def broken():
        return bytes(draw.choices(BYTES, k=draw.randrange(1, 9)))
    kinds = [lambda: draw.choice(WORDS).encode(),
             lambda: draw.choice(draw.choice([ASSIGNED, EVERY])).encode(),
             lambda: chr(draw.randrange(1, 0x250)).encode(),
             lambda: draw.choice(" \t\n'.,-‍:7").encode(),
             broken]
    return [b"".join(kind() for kind in draw.choices(kinds, [5, 4, 4, 6, n % 2], k=draw.randrange(14)))
            for n in range(count)]


def written(text, folder, **facts):
    """The reader of what was exported with a text processing."""
    text.save(folder)
    (folder / "model.json").write_text(json.dumps(facts))
    return run.Reader(tokenizer.specification(text))


@pytest.mark.parametrize("name, lowercase, limit", [
    ("word", True, None), ("word", False, 5), ("character", True, None), ("byte", False, 7),
    ("subword", True, None)])
def test_ids_of_texts_equal_the_graphs(tmp_path, name, lowercase, limit):
    texts = strings(COUNT)
    known = strings(300, seed=1) + [word.encode() for word in WORDS] * 3
    text = Text.learn(known, name, size=400, lowercase=lowercase, max_length=limit)
    read = written(text, tmp_path)
    wanted = text(texts).to_list()
    different = [t for t, ids in zip(texts, wanted) if read.ids(t) != ids]
    assert not different, (len(different), different[:3])
    assert len({n for ids in wanted for n in ids}) > 50
    assert run.stacked([read(b"")[0]])["ids"].tolist() == [[0]]


@pytest.mark.parametrize("name, lowercase, limit", [("word", True, None), ("byte", False, 3)])
def test_code_points_of_texts_equal_the_graphs(tmp_path, name, lowercase, limit):
    texts = [*strings(COUNT, seed=4), b"", "a" * 30, "İI " + "ΣΊΣΥΦΟΣ", "don’t"]
    text = Text.learn(WORDS, name, lowercase=lowercase, max_length=limit)
    read, wanted = written(text, tmp_path), text.code_points(texts).numpy()
    for one, row in zip(texts, wanted, strict=True):
        found = run.stacked([read(one)[0]])["code_points"]
        np.testing.assert_array_equal(run.fitted(found, [1, *row.shape])[0], row, str(one))


@pytest.mark.parametrize("name, lowercase, limit", [
    ("subword", False, None), ("word", True, None), ("separated", False, 6), ("character", False, None)])
def test_what_is_written_is_read_as_the_graph_reads_it_and_back(tmp_path, name, lowercase, limit):
    texts = strings(COUNT, seed=3) + [b"\n\n a\n  b\x0b\x85c \n", "dont" * 40, "\u2028a \xa0b\x1cc"]
    known = strings(300, seed=1) + [" ".join(WORDS).encode()] * 3
    text = Subwords.learn(known, name, size=600, lowercase=lowercase, max_length=limit)
    read = written(text, tmp_path)
    wanted = text(texts).to_list()
    different = [t for t, ids in zip(texts, wanted) if read.ids(run.encoded(t)) != ids]
    assert not different, (len(different), different[:3])
    assert len({n for ids in wanted for n in ids}) > 50
    draw = np.random.default_rng(0)
    ids = [[*row, *draw.integers(0, len(text), 3)] for row in wanted]
    for inside in (False, True):
        said = text.strings(tf.ragged.constant(ids, dtype=tf.int32), inside=inside).numpy()
        assert [read.text(row, inside=inside) for row in ids] == [one.decode() for one in said]


@pytest.mark.parametrize("name, lowercase, digits", [
    ("word", True, True), ("space", False, True), ("character", True, False)])
def test_tokens_and_all_that_is_made_of_them_equal_the_graphs(tmp_path, name, lowercase, digits):
    texts = strings(COUNT // 2, seed=2) + [b"", b" ", b"a\xed\xa9\x9fb. \xed\xb2\x80 \xed\xa0"]
    known = [*WORDS[:-1], "77", "a"]
    text = Tokens.learn([known], tokenizer=name, lowercase=lowercase, digits=digits,
                        max_characters=5)
    read = written(text, tmp_path)
    tokens, offsets = text.split(texts)
    inputs, offsets = text(tokens), {name: array.numpy() for name, array in offsets.items()}
    for n, one in enumerate(texts):
        found, places = read(one)
        wanted = run.offsets(one, [place for _, *place in places])
        exact = one.decode("utf-8", "ignore").encode() == one
        for name in run.OFFSETS if exact else ("start_byte", "end_byte"):
            assert wanted[name] == offsets[name][n][:len(places)].tolist(), (name, one)
        found, count = run.stacked([found]), max(1, len(places))
        for name in ("ids", "shapes"):
            assert found[name].tolist() == [inputs[name][n, :count].numpy().tolist()], (name, one)
        for name in ("characters", "code_points"):
            width, wanted = found[name].shape[2], inputs[name][n]
            assert found[name].tolist() == [wanted[:count, :width].numpy().tolist()], (name, one)
            assert not tf.reduce_any(wanted[:, width:] != 0)


@pytest.fixture(scope="module")
def tables():
    return run.Tables(tokenizer.specification(Text(["[PAD]", "[UNK]"])))


def test_characters_are_what_unicode_says(tables):
    """Up to U+2C00, where versions of Unicode agree, by Python's own tables."""
    kinds = {"L": "a", "Nd": "d", "Nl": "a", "No": "a", "M": "m", "S": "s", "Z": " _", "Cc": " wn_",
             "Pc": "o", "Po": "o.'", "Pd": "o", "Ps": "o", "Pe": "o", "Pi": "o", "Pf": "o'"}
    known = [c for c in ASSIGNED if c < "\u2c00" and unicodedata.category(c) not in ("Cf", "So")]
    for c in known:
        category = unicodedata.category(c)
        assert tables.words[ord(c)] in (kinds.get(category) or kinds[category[0]]), hex(ord(c))
        assert tables.lower(c) == c.lower(), hex(ord(c))
    assert len(known) > 7000


def test_every_character_has_the_graphs_lower_case(tables):
    for start in range(0, len(EVERY), 2**16):
        some = EVERY[start:start + 2**16]
        lower = tf.strings.lower(tf.constant([c.encode() for c in some]), encoding="utf-8").numpy()
        wrong = [c for c, small in zip(some, lower) if tables.lower(c) != small.decode()]
        assert not wrong, [hex(ord(c)) for c in wrong]


def test_every_string_of_letters_has_the_graphs_shape(tables):
    draw = random.Random(0)
    tokens = [*ASSIGNED, *("".join(draw.choices("AbÇé中ʰ\u03011٣.:-", k=draw.randrange(1, 6)))
                           for n in range(COUNT))]
    matches = [tf.strings.regex_full_match([token.encode() for token in tokens], shape).numpy()
               for shape in SHAPES]
    first = np.where(np.any(matches, 0), np.argmax(matches, 0) + 1, 7)
    wrong = [token for token, n in zip(tokens, first) if tables.shape(token) != n]
    assert not wrong, wrong[:9]


@pytest.mark.parametrize("character", ["Σ", "σ", "'", "\u0301", "ʰ", "\U00010570", "1", "ⅰ", "\u00ad"])
def test_a_sigma_ends_a_word_as_in_the_graph(tables, character):
    draw = random.Random(character)
    texts = ["".join(draw.choices(["Σ", "a", " ", ".", character], k=draw.randrange(1, 9)))
             for n in range(300)]
    lower = tf.strings.lower(texts, encoding="utf-8").numpy()
    assert [tables.lower(text) for text in texts] == [small.decode() for small in lower]


def test_half_a_surrogate_pair_is_one_lost_character(tmp_path):
    text = Text(["[PAD]", "[UNK]", "a", "\ufffd", "🙂"])
    strings = ["a \ud83d", "\ude42\ud83d", "a\udcff", "\ud83d\ude42"]
    assert text(strings).to_list() == [[2, 3], [3, 3], [2, 3], [4]]
    read = written(text, tmp_path)
    assert [read.ids(run.encoded(string)) for string in strings] == text(strings).to_list()


TEXTS = {
    "read": lambda: Text.learn(WORDS, "subword", size=99, max_length=4),
    "bytes": lambda: Text.learn(WORDS, "byte", lowercase=False),
    "written": lambda: Subwords.learn([*WORDS, "a\\n\n"] * 2, size=99),
    "tagged": lambda: Tokens.learn([WORDS[:-1]], lowercase=False, max_characters=3),
    "pair": lambda: TextPair(Subwords.learn(WORDS, "word"), Subwords.learn(WORDS, "separated"))}


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_were_exported_before_give_the_same_tables(tmp_path, name):
    text = TEXTS[name]()
    for file, lines in text.files().items():
        (tmp_path / file).write_bytes(lines.encode())
    assert run.specification_of(tmp_path / "model.tflite") == tokenizer.specification(text)
    (tmp_path / "tokenizer.json").write_text('{"format": 1}')
    assert run.specification_of(tmp_path / "model.tflite") == {"format": 1}


@pytest.mark.parametrize("name", TEXTS)
def test_vectors_are_what_the_tables_give(name):
    files = tokenizer.files(TEXTS[name]())
    specification, vectors = (json.loads(files[file]) for file in (tokenizer.NAME, tokenizer.VECTORS))
    assert vectors.keys() == specification.keys() - {"format", "characters", "automata"}
    for side, rows in vectors.items():
        read = run.Reader(specification, side)
        for row in rows:
            found, places = read(row["text"])
            offsets = run.offsets(row["text"], [place for _, *place in places]) if places else {}
            assert {name: {**found, **offsets}.get(name, []) for name in row if name != "text"} == {
                name: value for name, value in row.items() if name != "text"}, row["text"]


def test_files_that_are_missing_incomplete_or_newer_are_one_clear_line(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(FileNotFoundError, match="expected .*text.json, received no such file: copy it"):
        run.specification_of(path)
    (tmp_path / "tokenizer.json").write_text('{"format": ')
    with pytest.raises(ValueError, match="expected JSON in .*tokenizer.json, received: .*; copy the"):
        run.specification_of(path)
    with pytest.raises(ValueError, match="expected tokenizer.json of format 1, received 2: copy expo"):
        run.Reader({"format": 2})


def test_arrays_fit_what_a_file_fixes():
    ids = np.arange(1, 6, dtype=np.int32).reshape(1, 5)
    assert run.fitted(ids, [-1, -1]).tolist() == ids.tolist()
    assert run.fitted(ids, [1, 3]).tolist() == [[1, 2, 3]]
    assert run.fitted(ids, [1, 7]).tolist() == [[1, 2, 3, 4, 5, 0, 0]]


def on_device(head, folder, name="float32", changed=lambda signatures: signatures):
    """The head's TFLite file, and a copy of the module: nothing else."""
    folder.mkdir()
    tflite._save(head, folder / "model", changed)
    (folder / f"{name}.tflite").write_bytes(tflite._flatbuffer(folder / "model", "float32"))
    shutil.rmtree(folder / "model")
    files = {**head.assets(), **tokenizer.files(head.text)}
    within = {file: files[file] for file in tflite.WITHIN if file in files}
    tflite.append(folder / f"{name}.tflite", within)
    shutil.copy(run.__file__, folder / "copied.py")
    return folder / f"{name}.tflite"


# Without the project, TensorFlow and Keras: whoever imports them fails.
ALONE = """
import runpy, sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "zoo", "export", "tasks"]))
sys.argv = ["copied.py", *sys.argv[1:]]
runpy.run_path("copied.py", run_name="__main__")
"""


def alone(folder, *arguments):
    return subprocess.run([sys.executable, "-c", ALONE, *arguments], cwd=folder, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"ngrams": 64}, {"layers": 0, "ngrams": 64}])
def test_a_copy_of_the_module_classifies_as_the_head_does(tmp_path, options):
    head = classifier("gru", "mean+max", **options)
    texts = ["a good film, not bad", "", "BAD", b"\xff film".decode("utf-8", "surrogateescape")]
    path = on_device(head, tmp_path / "device")
    ran = alone(path.parent, path.name, *texts)
    assert ran.returncode == 0, ran.stderr.decode()[-500:]
    for line, wanted in zip(ran.stdout.splitlines(), head.predict(texts), strict=True):
        answer = json.loads(line)
        assert answer["label"] == wanted["label"]
        assert answer["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"ngrams": 64}, {"layers": 0, "ngrams": 64}])
def test_a_file_of_one_length_classifies_several_texts_by_their_n_grams(tmp_path, options):
    head, texts = classifier("gru", "mean", **options), ["a good film", "not bad", "", "a bad film"]
    path = on_device(head, tmp_path / "device", changed=lambda free: fixed_shapes.fixed(free, 7))
    for found, wanted in zip(run.load(path).predict(texts), head.predict(texts), strict=True):
        assert found["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("intents", [(), ("ask", "order", "tell")])
def test_tags_and_the_intent_equal_the_heads(tmp_path, intents):
    head = tagger("wide_bilstm_char_crf", intents)
    texts = ["A good film, not bad!", "", "好 Bad film", "Zoe\u0308 🙂 👩‍👩‍👧 bad 𠮷 film", " "]
    model = run.Model(on_device(head, tmp_path / "device"))
    for answer, wanted in zip(model.predict(texts), head.predict(texts), strict=True):
        assert ("intent" in answer) == bool(intents)
        for name in ("probability", *("confidence", "intents") * bool(intents)):
            assert answer.pop(name) == pytest.approx(wanted.pop(name), abs=1e-5)
        assert answer == wanted
    assert model.predict(texts[1:2])[0]["tags"] == []


def test_spans_are_those_of_the_project_and_so_are_the_names_of_offsets():
    draw = random.Random(0)
    tags = ["O", "B", "I", *(f"{letter}-{kind}" for letter in "BIES" for kind in "XY")]
    for _ in range(500):
        row = draw.choices(tags, k=draw.randrange(9))
        assert run.spans(row) == spans(row), row
    assert run.OFFSETS == OFFSETS


def test_offsets_count_characters_utf16_units_and_bytes():
    text = "Zoë lives in New München now"
    assert run.offsets(text, [(14, 26)]) == {
        "start_char": [13], "end_char": [24], "start_utf16": [13], "end_utf16": [24],
        "start_byte": [14], "end_byte": [26]}


def test_texts_of_a_batch_are_predicted_as_each_alone(tmp_path):
    head = classifier("gru", "mean+max")
    model = run.load(on_device(head, tmp_path / "device"))
    texts = [" ".join(["good", "a", "film", "bad"][n % 4] for n in range(m)) for m in (9, 0, 3, 40, 1)]
    alone, model.most = [model(text) for text in texts], 2
    for found, wanted in zip(model.predict(texts), alone, strict=True):
        assert found["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)
    assert model.predict([]) == []


@pytest.fixture(scope="module")
def writing(tmp_path_factory):
    head = generator()
    return head, run.load(on_device(head, tmp_path_factory.mktemp("writing") / "device"))


def continued(head, text, length, seed=0, label=None, **settings):
    """What the head writes by the numbers that the module draws."""
    uniform = np.random.default_rng(seed).random((1, length), np.float32)
    label = None if label is None else tf.constant([label])
    settings = {**language_model.SETTINGS, **settings}
    return head.generate(tf.constant([text]), uniform, label, **settings)["text"].numpy()[0].decode()


@pytest.mark.parametrize("text, settings", diagonal(["sing o muse\nthe", "", "\n", "我 x?"], [
    {}, {"temperature": 0.0}, {"temperature": 1.3, "top_k": 5, "repetition_penalty": 1.5},
    {"typical": 0.6, "seed": 7}, {"top_p": 0.5}]))
def test_a_text_goes_on_as_the_heads(writing, text, settings):
    head, model = writing
    assert model(text, length=30, **settings) == {"text": continued(head, text, 30, **settings)}


def test_prompts_of_a_batch_go_on_as_each_alone_does_by_its_own_numbers(writing):
    head, model = writing
    texts = ["sing o muse\nthe", "", "o"]
    found = model.predict(texts, length=20, seed=3, first=4)
    for n, text in enumerate(texts):
        uniform = tf.constant(np.random.default_rng([3, 4 + n]).random((1, 20), np.float32))
        wanted = head.generate(tf.constant([text]), uniform, **language_model.SETTINGS)["text"]
        assert found[n]["text"] == wanted.numpy()[0].decode()


@pytest.mark.slow
def test_words_go_on_inside_their_line(tmp_path):
    head = generator(tokenizer="word")
    model = run.load(on_device(head, tmp_path / "device"))
    assert model("sing o")["text"] == continued(head, "sing o", language_model.LENGTH)
    assert model("sing o")["text"].startswith(" ")


@pytest.mark.slow
def test_texts_follow_from_labels_as_the_heads(tmp_path):
    head = generator(["ode", "epic"], vector="every")
    model = run.load(on_device(head, tmp_path / "device"))
    for label in head.labels:
        assert model(label)["text"] == continued(head, "", language_model.LENGTH, label=label)
    assert model("ode") != model("epic")
    with pytest.raises(ValueError, match="expected a label among ode, epic, received 'odd'"):
        model("odd")


@pytest.mark.slow
def test_a_file_of_one_length_reads_a_longer_prompt_in_pieces(writing, tmp_path):
    head, model = writing
    tflite._save(head, tmp_path / "model", lambda free: fixed_shapes.fixed(free, 7))
    path = tmp_path / "static.tflite"
    path.write_bytes(tflite._flatbuffer(tmp_path / "model", tflite.STATIC))
    for file, lines in {**head.assets(), **tokenizer.files(head.text)}.items():     # beside it
        (tmp_path / file).write_text(lines, encoding="utf-8")
    for text in ("", "o", "the wra", "the wrat", "sing o muse\nthe wrath of o"):
        assert run.load(path)(text, length=5) == model(text, length=5)
    assert run.load(path)("o", length=20) == model("o", length=7)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, pytest.param({"attention": "none"}, marks=pytest.mark.slow)])
def test_translations_equal_the_heads_unknown_words_too(tmp_path, options):
    head = translator(**options)
    if head.network.attends:  # so that unknown words are said
        bias = np.zeros(len(head.text.target), np.float32)
        bias[GENERATED.index("[UNK]")] = 9.0
        head.network.softmax.bias.assign(bias)
    answer = tf.function(lambda text, width, alpha: head.n_best(text, width, alpha), input_signature=[
        tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32), tf.TensorSpec([])])
    model = run.load(on_device(head, tmp_path / "device", changed=lambda all: {"beam": all["beam"]}))
    for text in ["我爱中国", "", "茶好 猫", "猫狗他不爱茶"]:
        for settings in ({}, {"width": 1, "alpha": 0.0}):
            found = model(text, **settings)
            wanted = answer([text], *{**text_translator.DEFAULTS, **settings}.values())
            assert found["translation"] == wanted["translations"][0, 0].numpy().decode()
            assert found["score"] == pytest.approx(float(wanted["scores"][0, 0]), abs=1e-4)
    if head.network.attends:
        assert "猫" in model("猫")["translation"]
    texts, wanted = ["我爱中国", "猫"], head.n_best(["我爱中国", "猫"], 4)
    for n, found in enumerate(model.predict(texts, width=4, n_best=3)):
        assert [one["translation"] for one in found["translations"]] == [
            text.decode() for text in wanted["translations"][n, :3].numpy()]
        assert found["score"] == found["translations"][0]["score"]


def test_settings_are_the_heads_where_nobody_says_others():
    options = dict(run.Generator.options)
    assert options.pop("seed") == 0 and options.pop("length") == language_model.LENGTH
    assert options == language_model.SETTINGS
    assert run.Translator.options == {**text_translator.DEFAULTS, "n_best": 1}


def test_a_copy_of_the_module_writes_by_its_options(writing):
    head, model = writing
    ran = alone(model.path.parent, model.path.name, "the ", "--length=9", "--temperature=0", "o")
    assert ran.returncode == 0, ran.stderr.decode()[-500:]
    assert [json.loads(line)["text"] for line in ran.stdout.splitlines()] == \
        [continued(head, text, 9, temperature=0.0) for text in ("the ", "o")]


def test_help_lists_the_options_with_their_defaults(tmp_path, capsys):
    run.main(["--help"])
    out = capsys.readouterr().out
    assert out.startswith(run.__doc__) and "--length=200" in out and "--n_best=1" in out


@pytest.mark.parametrize("option, said", [
    ("--lenght=9", b"expected options among length, seed, temperature"),
    ("--length=many", b"--length: expected a number, received 'many'"),
    ("--length=0", b"length: expected at least 1, received 0")])
def test_bad_options_are_one_clear_line(writing, option, said):
    folder, name = writing[1].path.parent, writing[1].path.name
    ran = alone(folder, name, "the", option)
    assert ran.returncode == 2 and said in ran.stderr, ran.stderr


def test_a_file_without_the_signature_says_what_it_has(writing):
    path = writing[1].path
    with pytest.raises(ValueError, match="with the signature beam, .* generate_ids, ids, init, step"):
        run.Model(path).ask("beam")


@pytest.mark.parametrize("facts, answer, right", [
    ({"labels": ["a", "b", "c"], "kind": "multi"}, {"probabilities": [.6, .4, .75]}, "a|c"),
    ({"labels": ["a", "b"], "kind": "multi"}, {"probabilities": [.1, .4]}, ""),
    ({"labels": ["a", "b"], "kind": "single"}, {"probabilities": [.25, .75]}, "b")])
def test_labels_are_chosen_as_the_kind_says(facts, answer, right):
    model = run.Model.__new__(run.Model)
    model.facts, answer = facts, {key: np.array(value) for key, value in answer.items()}
    assert model.readable(answer, None, "")["label"] == right


def test_numbers_stand_by_their_names_and_the_rest_as_it_is():
    model = run.Model.__new__(run.Model)
    model.facts = {"labels": ["stars"]}
    assert model.readable({"values": np.array([2.5])}, None, "") == {"values": {"stars": 2.5}}
    assert model.readable({"ids": np.array([4, 2])}, None, "") == {"ids": [4, 2]}


@pytest.mark.parametrize("arguments, said", [
    ([], b"expected a TFLite file and texts"), (["absent.tflite", "a"], b"received no such file")])
def test_bad_arguments_are_one_clear_line(tmp_path, arguments, said):
    shutil.copy(run.__file__, tmp_path / "copied.py")
    ran = alone(tmp_path, *arguments)
    assert ran.returncode == 2 and said in ran.stderr and ran.stderr.count(b"\n") == 1
