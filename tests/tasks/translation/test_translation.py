"""The task from the command line, on the built-in sample: one whole run, and what can go wrong."""

import io
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from conftest import exports_here
from export import saved_model, tflite
from tasks import cli, exporting
from tasks.reading.splits import Pair
from tasks.training import loop
from tasks.training.batches import Batches
from tasks.translation import corpora, metrics as translation_metrics
from tasks.translation.dataset import Pairs, Predictions, Translations
from tasks.translation.options import Settings
from tasks.translation.task import by_language, longest, main, pictured
from zoo.models.translator import TextTranslator, Translator
from zoo.text.subwords import Subwords
from zoo.text.text_pair import TextPair

SMALL = ("--corpus=sample", "--units=64", "--embedding=32", "--epochs=6", "--learning_rate=0.01",
         "--width=2")
PAIRS = [Pair("我爱", "I love"), Pair("茶", "tea"), Pair("我爱", "I do love"), Pair("我爱茶好", "tea")]


def here(*arguments):
    """Run the task in this process. Raises SystemExit where the command would fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "deterministic", keras.utils.set_random_seed)
        settings = cli.parse(Settings, ["translation", *map(str, arguments)])
        cli.guarded(lambda: main(settings))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("runs") / "translation"
    with exports_here(("float32", "int8")):
        here(*SMALL, f"--output_dir={folder}")
    return folder


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished / "metrics.json").read_text())


@pytest.fixture(scope="module")
def test_split():
    return corpora.load("sample").test


def small_head(pairs=PAIRS):
    text = TextPair(Subwords.learn([pair.source for pair in pairs], "character"),
                    Subwords.learn([pair.target for pair in pairs], "word"))
    return TextTranslator(Translator(len(text.source), len(text.target), units=6, embedding=4), text)


@pytest.mark.slow
def test_a_run_leaves_everything_the_contract_names(finished, metrics):
    for name in ("history.csv", "checkpoints/latest.npz", "model.keras", "MODEL_CARD.md",
                 "plots/learning_curves.png", "plots/attention_1.svg", "saved_model/1",
                 "tflite/model_float32.tflite", "tflite/source_vocabulary.txt",
                 "tflite/target_vocabulary.txt"):
        assert (finished / name).exists(), name
    assert {"task", "corpus", "model", "seed", "parameters", "train", "validation", "test",
            "exports"} <= set(metrics)
    assert metrics["languages"] == ["zh", "en"] and "tok:13a" in metrics["metrics"]["bleu"]
    assert "zh → en" in (finished / "MODEL_CARD.md").read_text()
    rows = (finished / "history.csv").read_text().splitlines()
    assert len(rows) == 7 and {"bleu", "chrf", "perplexity", "log_loss"} <= set(rows[0].split(","))


@pytest.mark.slow
def test_it_learns(finished, metrics):
    vocabulary = len((finished / "target/vocabulary.txt").read_text().splitlines())
    assert metrics["test"]["perplexity"] < vocabulary / 4
    assert set(metrics["baselines"]) == {"source as it is", "word for word (IBM 1)"}
    assert metrics["baselines"]["source as it is"]["exact_match"] == 0


@pytest.mark.slow
def test_every_file_translates_the_test_split_as_well(metrics, finished):
    exports, test = metrics["exports"], metrics["test"]
    for measure in ("bleu", "chrf", "exact_match", "perplexity"):
        assert exports["saved_model"]["test"][measure] == pytest.approx(test[measure], rel=1e-3), measure
        lite = exports["tflite"]["float32"]["test"][measure]
        assert lite == pytest.approx(test[measure], rel=5e-3, abs=0.1), measure


@pytest.mark.slow
def test_the_metrics_are_those_of_the_loaded_model_s_translations(finished, metrics, test_split):
    references = corpora.references(test_split)
    serve = saved_model.load(finished / "saved_model")["n_best"]
    texts = list(references)
    beam = {"width": np.int32(2), "alpha": np.float32(0.75)}
    found = [serve(text=np.array([text]), **beam) for text in texts[:20]]
    said = [answer["translations"].numpy()[0, 0].decode() for answer in found]
    lite = tflite.Lite(finished / "tflite/model_float32.tflite")
    head = zoo.load(finished)
    for text, translation in zip(texts, said):
        best = lite("beam", ids=head.ids([text]), **beam)
        assert head.text.target.joined(head.pieces(best, [text]))[0, 0].numpy().decode() == translation
    data = Translations(head, test_split, "en", width=2)
    predictions = data.predict(exporting.of_head(head))
    assert predictions.texts[:20] == said
    expected = translation_metrics.translation(predictions.texts, list(references.values()), "en")
    for name, value in expected.items():
        assert metrics["test"][name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.slow
def test_a_prediction_is_printed_and_its_attention_drawn_where_asked_alone(finished, capsys, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    here("--predict=我爱中国", f"--output_dir={finished}", f"--picture={tmp_path}/new/drawn.svg")
    best = zoo.load(finished).predict(["我爱中国"])[0]
    assert capsys.readouterr().out == best["translation"] + "\n"
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
    picture = (tmp_path / "new/drawn.svg").read_text()
    assert all(f">{sign}</text>" in picture for sign in "我爱中国")
    here("--predict=我爱中国", "--n_best=3", "--width=4", f"--output_dir={finished}")
    lines = capsys.readouterr().out.splitlines()
    scores = [float(line.split("  ")[0]) for line in lines]
    assert len(lines) == 3 and scores == sorted(scores, reverse=True)


@pytest.mark.slow
def test_a_translation_contains_what_is_required_and_nothing_that_is_banned(finished, capsys):
    def said(*arguments):
        here("--predict=我爱中国", "--width=8", f"--output_dir={finished}", *arguments)
        return capsys.readouterr().out
    first = said().split()[0]
    assert first not in said(f"--banned={first}").split()
    both = said("--required=tea", "--required=in Beijing", f"--banned={first}")
    assert "tea" in both and "in Beijing" in both and first not in both.split()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "茶" * 500, "qqq"], ids=["empty", "long", "unknown"])
def test_odd_sources_are_translated(finished, capsys, text):
    here(f"--predict={text}", f"--output_dir={finished}")
    assert capsys.readouterr().out.endswith("\n")


@pytest.mark.slow
def test_empty_lines_stay_empty_and_keep_their_places(finished, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("茶\n\n \n茶\n".encode())))
    here("--predict=-", f"--output_dir={finished}")
    first, *empty, last = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert empty == ["", ""] and first == last != ""


@pytest.mark.slow
def test_a_finished_run_is_scored_again(finished, metrics, capsys):
    for split in ("test", "validation"):  # by a beam; greedily, as in training
        here("--mode=evaluate", f"--part={split}", "--corpus=sample", f"--output_dir={finished}")
        assert f"bleu                         {metrics[split]['bleu']:.4f}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("arguments, message", [
    (["--predict=x", "--n_best=9"], "n_best: expected at most the width of the beam, 5, received 9"),
    (["--predict=x", "--required=tea", "--required=xylophone"], "vocabulary has, received 'xylophone'"),
    (["--predict=x", "--banned="], "banned: expected tokens that the target's vocabulary has"),
    (["--predict=x", "--required=" + "tea " * 20], "required: expected phrases that fit"),
    (["--corpus=sample", "--source_language=de"], "expected the languages zh and en, received de"),
    (["--corpus=sample", "--attention=none", "--coverage"], "coverage: expected attention='additive'")])
def test_what_cannot_be_is_one_line(finished, capsys, arguments, message):
    folder = finished if arguments[0].startswith("--predict") else finished.parent / "other"
    with pytest.raises(SystemExit):
        here(*arguments, f"--output_dir={folder}")
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_misaligned_files_are_refused_with_their_lengths(tmp_path, capsys):
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    with pytest.raises(SystemExit):
        here(f"--corpus={tmp_path}/a.de,{tmp_path}/a.en", f"--output_dir={tmp_path}/run")
    error = capsys.readouterr().err
    assert "2" in error and "1" in error and error.count("\n") == 1


# ------------------------------------------------------------------------------------- what is read

def test_a_batch_holds_targets_shifted_by_one():
    head = small_head()
    batch = Pairs(head, PAIRS).batch(np.array([0, 3]))
    start, end = head.text.target.start, head.text.target.end
    i, love, tea = (head.text.target.vocabulary.index(f" {word}") for word in ("I", "love", "tea"))
    assert batch.targets.tolist() == [[i, love, end], [tea, end, 0]]
    assert batch.inputs["target"].tolist() == [[start, i, love], [start, tea, end]]
    assert batch.inputs["source"].shape == (2, 4) and not batch.inputs["source"][0, 2:].any()
    assert batch.count == 5 and batch.tokens == 5 + 6


def test_batches_hold_pairs_of_similar_length_on_both_sides():
    random = np.random.default_rng(0)
    pairs = [Pair("茶" * int(s), " ".join(["tea"] * int(t))) for s, t in random.integers(1, 12, [600, 2])]
    data = Pairs(small_head(pairs), pairs)
    key = data.key()
    order = np.lexsort((data.source_lengths, data.lengths))
    assert (np.diff(key[order]) >= 0).all()
    assert all((key[a] == key[b]) == (len(pairs[a].source) == len(pairs[b].source)
                                      and pairs[a].target == pairs[b].target)
               for a, b in random.integers(0, 600, [200, 2]))
    assert set(data.no_longer_than(6)) == {n for n, pair in enumerate(pairs) if len(pair.source) <= 6
                                           and len(pair.target.split()) < 6}
    batches = Batches(np.array_split(order, 40), data.batch)
    assert max(np.ptp(data.lengths[group]) for group in batches.groups) <= 1


def test_a_source_is_translated_once_and_scored_against_all_its_references():
    data = Translations(small_head(), PAIRS, "en")
    assert data.texts == ["我爱", "茶", "我爱茶好"] and len(data) == 3 and len(data.pairs) == 4
    scores = data.metrics(Predictions(["I do love", "tea", "tea ."], np.array([-1.0, -2.0, -3.0, -2.0])))
    assert scores["exact_match"] == pytest.approx(2 / 3)
    symbols = 3 + 2 + 4 + 2
    assert scores["log_loss"] == pytest.approx(8 / symbols)
    assert scores["perplexity"] == pytest.approx(np.exp(8 / symbols))
    assert "perplexity" not in data.metrics(Predictions(["a", "b", "c"]))


def test_answers_come_in_the_order_of_the_sources():
    head = small_head()
    # A translation that does not end by itself is cut off by the longest source.
    head.network.softmax.bias.assign_add(3 * tf.one_hot(head.text.target.end, len(head.text.target)))
    data = Translations(head, PAIRS, "en", width=3, alpha=0.5)
    for tokens in (1, 4096):
        predictions = data.predict(exporting.of_head(head), tokens)
        assert predictions.texts == [head.n_best([text], 3, 0.5)["translations"][0, 0].numpy().decode()
                                     for text in data.texts]
        given = [data.pairs.padded([n]) for n in range(4)]
        np.testing.assert_allclose(predictions.log_probability, [
            np.sum(head.score(one["ids"], one["target"])) for one in given], rtol=1e-4)


def test_characters_are_the_symbols_of_languages_without_spaces():
    assert [by_language(code) for code in ("zh", "zh-TW", "ja", "de", "und")] == [
        "character", "character", "character", "subword", "subword"]


def test_the_longest_translation_follows_from_training():
    text = small_head().text
    assert longest(text, PAIRS) == 2
    assert longest(text, [*PAIRS, Pair("我爱茶好", " ".join(["tea"] * 13))]) == 4


def test_an_attention_that_is_not_there_is_not_drawn(tmp_path):
    assert not pictured({"translations": [b"a"]}, pathlib.Path(tmp_path) / "picture.svg")
