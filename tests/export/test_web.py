"""The modules for browsers read, sample and search as the graph does. They run in Node here."""
import json
import random
import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from export import run, tflite, tokenizer
from test_export_run import COUNT, EVERY, TEXTS, WORDS, strings
from zoo.decoding.beam_search import beam_search
from zoo.decoding.options import BeamOptions, SamplingOptions
from zoo.decoding.sampling import choose
from zoo.text.subwords import Subwords
from zoo.text.token_features import Tokens
from zoo.text.tokenizer import Text

WEB = ROOT / "export" / "web"
if not shutil.which("node"):
    pytest.skip("needs Node", allow_module_level=True)


def node(folder, code, given):
    """What a module of JavaScript makes of `given`: it ends in `answer(…)`."""
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "test.mjs").write_text(f"""
        import {{readFileSync, writeFileSync}} from "node:fs";
        import * as tokenizer from "{WEB.as_uri()}/tokenizer.js";
        import * as decoding from "{WEB.as_uri()}/decoding.js";
        const given = JSON.parse(readFileSync("given.json", "utf8"));
        const answer = (found) => writeFileSync("found.json", JSON.stringify(found));
        {code}""")
    done = subprocess.run(["node", "test.mjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


READ = """
    const reader = new tokenizer.Reader(given.specification);
    answer(given.texts.map((text) => reader.read(text)));"""


def mixed(count, seed, longest=200_000):
    """Strings: words, characters of all planes, halves of surrogate pairs, very long words."""
    draw, found = random.Random(seed), []
    for text in strings(count, seed):
        pieces = [text.decode("utf-8", "replace"), chr(draw.randrange(0xD800, 0xE000)),
                  draw.choice(EVERY), draw.choice(["a\u0301", "ﬁ", "Σ", "a" * 150, "\U0001f1e9"])]
        found.append("".join(draw.choices(pieces, [6, 1, 2, 1], k=draw.randrange(1, 5))))
    return [*found, "x" * longest]


@pytest.mark.parametrize("kind, name, options", [
    (Text, "word", {}), (Text, "byte", {"max_length": 7}), (Text, "character", {}),
    (Text, "subword", {"lowercase": False}), (Subwords, "subword", {}), (Subwords, "separated", {}),
    (Subwords, "word", {"lowercase": True})])
def test_ids_of_texts_equal_the_graphs(tmp_path, kind, name, options):
    text = kind.learn([*strings(300, seed=1), " ".join(WORDS), *WORDS * 3], name, size=400, **options)
    texts = mixed(COUNT, seed=5)
    found = node(tmp_path, READ, {"specification": tokenizer.specification(text), "texts": texts})
    wanted = text(texts).to_list()
    different = [one for one, ids, row in zip(texts, wanted, found, strict=True) if row["ids"] != ids]
    assert not different, (len(different), different[:3])
    assert len({n for ids in wanted for n in ids}) > 20


@pytest.mark.parametrize("options", [{}, {"tokenizer": "space", "lowercase": False},
                                     {"tokenizer": "character", "digits": False}])
def test_tokens_their_offsets_and_all_that_is_made_of_them_equal_the_graphs(tmp_path, options):
    text = Tokens.learn([WORDS[:-1]], max_characters=5, **options)
    texts = mixed(COUNT // 2, 6, longest=300)
    found = node(tmp_path, READ, {"specification": tokenizer.specification(text), "texts": texts})
    tokens, offsets = text.split(list(map(run.encoded, texts)))
    wanted = {name: array.numpy() for name, array in {**text(tokens), **offsets}.items()}
    for n, (one, row) in enumerate(zip(texts, found, strict=True)):
        count = len(row["tokens"])
        assert row["tokens"] == [token.decode() for token in tokens[n].numpy() if token], one
        for name, array in wanted.items():
            if array.ndim == 2:
                assert row[name] == array[n][:count].tolist(), (name, one)
            else:
                cells = [[c for c in cell if c] for cell in array[n][:count].tolist()]
                assert row[name] == cells, (name, one)
        units = one.encode("utf-16-le", "surrogatepass")
        cut = [units[2 * a:2 * b].decode("utf-16-le", "replace")
               for a, b in zip(row["start_utf16"], row["end_utf16"])]
        assert cut == row["tokens"], one


def test_code_points_equal_the_graphs(tmp_path):
    text, texts = Text.learn(WORDS, max_length=9), mixed(COUNT // 2, seed=7)
    found = node(tmp_path, READ, {"specification": tokenizer.specification(text), "texts": texts})
    for one, row, wanted in zip(texts, found, text.code_points(texts).numpy().tolist(), strict=True):
        assert row["code_points"] == [[c for c in cell if c] for cell in wanted if cell[0]], one


@pytest.mark.parametrize("name", ["subword", "separated", "character"])
def test_ids_become_the_graphs_texts(tmp_path, name):
    text = Subwords.learn([*strings(300, seed=1), *WORDS * 3, "a\nb c\n\n d"], name, size=300)
    draw = np.random.default_rng(0)
    rows = draw.integers(0, len(text), [200, 9]).tolist()
    rows += text(["a\nb c\n\n d\u2028 e", "a b"]).to_list()
    found = node(tmp_path, """
        const reader = new tokenizer.Reader(given.specification);
        answer([false, true].map((inside) => given.rows.map((ids) => reader.text(ids, {inside}))));""", {
            "specification": tokenizer.specification(text), "rows": rows})
    for inside, texts in zip((False, True), found):
        wanted = text.strings(tf.ragged.constant(rows, dtype=tf.int32), inside=inside).numpy()
        assert texts == [one.decode() for one in wanted]


@pytest.mark.parametrize("name", TEXTS)
def test_vectors_of_an_export_hold(tmp_path, name):
    files = tokenizer.files(TEXTS[name]())
    specification, vectors = (json.loads(files[file]) for file in (tokenizer.NAME, tokenizer.VECTORS))
    for side, rows in vectors.items():
        found = node(tmp_path, f"""
            const reader = new tokenizer.Reader(given.specification, "{side}");
            answer(given.rows.map(({{text}}) => reader.read(text)));""", {
                "specification": specification, "rows": rows})
        for row, one in zip(rows, found, strict=True):
            assert {**row, **one} == {**one, **row}, row["text"]


def test_another_format_is_one_clear_line(tmp_path):
    found = node(tmp_path, """
        try { new tokenizer.Tables({format: 2}); } catch (error) { answer(error.message); }""", {})
    assert found == "expected tokenizer.json of format 1, received 2: copy export/web again"


SAMPLED = [{}, {"temperature": 0}, {"temperature": 1.3, "top_k": 5}, {"top_p": .5}, {"typical": .6},
           {"top_k": 9, "top_p": .9, "typical": .3}, {"top_p": 0}, {"top_k": 1}]


@pytest.mark.parametrize("settings", SAMPLED, ids=str)
def test_symbols_are_those_that_the_graph_samples(tmp_path, settings):
    draw = np.random.default_rng(1)
    log_p = tf.nn.log_softmax(draw.normal(0, 2, [300, 12]).astype("float32")).numpy()
    log_p[:9, 3:6] = log_p[:9, 3:4]          # ties
    uniform = draw.random(300, np.float32)
    forbidden = tf.constant([n in (0, 3) for n in range(12)])
    given = {"temperature": SamplingOptions.temperature, **settings}
    wanted, _ = choose(log_p, uniform, None, forbidden, **given)
    found = node(tmp_path, """
        const {uniform, settings} = given;
        answer(given.rows.map((row, n) => decoding.choose(row, uniform[n], settings, [0, 3])));""", {
            "rows": log_p.tolist(), "uniform": uniform.tolist(), "settings": settings})
    assert found == wanted.numpy().tolist()


# A network whose state is the number of symbols so far and the last of them.
STEP = """
    const step = async (id, states) => {
      const row = given.log_p[states][id];
      return {log_probability: row, states: states + 1, weights: [states, id]};
    };"""


def table(steps=7, symbols=6, seed=2):
    logits = np.random.default_rng(seed).normal(0, 1.5, [steps, symbols, symbols]).astype("float32")
    return tf.nn.log_softmax(logits).numpy()


@pytest.mark.parametrize("settings", [
    {}, {"width": 1, "alpha": 0.0}, {"width": 3, "alpha": 1.0, "n_best": 3}, {"width": 8, "n_best": 8}],
    ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_texts_are_those_that_the_graphs_beam_finds(tmp_path, settings, seed):
    log_p, most = table(seed=seed), 6
    settings = {"width": BeamOptions.width, "alpha": BeamOptions.alpha, "n_best": 1, **settings}

    def step(ids, states):
        rows = tf.gather_nd(log_p, tf.stack([tf.cast(states[0][:, 0], tf.int32), ids], 1))
        weights = tf.stack([states[0][:, 0], tf.cast(ids, tf.float32)], 1)
        return rows, [states[0] + 1], weights
    wanted = beam_search(step, [1], [tf.zeros([1, 1])], settings["width"], most, [5], settings["alpha"],
                         settings["n_best"], forbidden=[0], source_length=2)
    found = node(tmp_path, STEP + f"""
        const settings = {{...given.settings, end: [5], forbidden: [0]}};
        answer(await decoding.beamSearch(step, 1, 0, {most}, settings));""", {
            "log_p": log_p.tolist(), "settings": settings})
    lengths = wanted["lengths"][0].numpy()
    assert len(found) == (lengths > 0).sum() > 0
    for n, one in enumerate(found):
        assert one["ids"] == wanted["ids"][0, n, :lengths[n]].numpy().tolist()
        assert one["score"] == pytest.approx(float(wanted["scores"][0, n]), abs=1e-5)
        assert one["weights"] == wanted["alignments"][0, n, :lengths[n]].numpy().tolist()


def test_symbols_stream_until_the_end(tmp_path):
    log_p = table(seed=3)
    first = int(log_p[0][1].argmax())
    second = int(log_p[1][first].argmax())
    found = node(tmp_path, STEP + """
        const found = [], settings = {end: [given.end], temperature: 0};
        for await (const id of decoding.generate(step, 1, 0, [0, 0, 0, 0], settings)) found.push(id);
        answer(found);""", {"log_p": log_p.tolist(), "end": second})
    assert found == [first, second]


def test_settings_are_the_zoos_where_nobody_says_others(tmp_path):
    sampling, beam = node(tmp_path, "answer([decoding.SAMPLING, decoding.BEAM]);", {})
    assert sampling.items() <= run.Generator.options.items() and beam == run.Translator.options


def test_what_a_file_holds_is_read_from_its_zip(tmp_path):
    texts = {"model.json": "{}", "labels.txt": "gut\nschlecht 好\n" * 50, "empty.txt": ""}
    files = [tmp_path / name for name in ("plain.tflite", "zipped.tflite", "stored.tflite")]
    for path in files:
        path.write_bytes(b"TFL3" + bytes(1000))
    tflite.append(files[1], texts)
    with zipfile.ZipFile(files[2], "a", zipfile.ZIP_STORED) as within:
        for name, text in texts.items():
            within.writestr(name, text)
    read = f"""
        const {{filesWithin}} = await import("{WEB.as_uri()}/zip.js");
        answer(await Promise.all(given.map((path) => filesWithin(readFileSync(path)))));"""
    found = node(tmp_path, read, list(map(str, files)))
    assert found == [{}, texts, texts]
