"""Clones of repositories, small ones written here, become the corpora of pretrained models."""
import json

import pytest

from benchmarks.pretrained import conversions


@pytest.fixture
def source(tmp_path):
    return tmp_path / "clone"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_comments_of_one_clear_feeling_are_kept(source, target):
    put(source / "data/group/labels.txt", "ambiguous\nnegative\nneutral\npositive")
    for part in ("train", "dev", "test"):
        put(source / f"data/group/{part}.tsv",
            f'{part}: fine\t3\ta1\nwell\t0\ta2\nhm "so"\t2\ta3\noh\t1,3\ta4\nbad\t1\ta5\n')
    conversions.sentiments(source, target)
    assert (target / "validation.tsv").read_text() == (
        'text\tlabel\ndev: fine\tpositive\nhm "so"\tneutral\nbad\tnegative\n')


def test_slots_are_those_of_the_character_offsets(source, target):
    fold = source / "CrossValidation/out4RasaReal/some_80Train/CrossValidation/KFold_1"
    examples = [{"text": "play  abba's songs in the den.", "intent": "play_music", "entities": [
        {"start": 6, "end": 10, "value": "abba", "entity": "artist"},
        {"start": 22, "end": 29, "value": "the den", "entity": "room"}]},
        {"text": "stop", "intent": "stop", "entities": []}]
    for folder in ("merged", "mergedTestset"):
        put(fold / folder / "Rasa.json", json.dumps({"rasa_nlu_data": {"common_examples": examples}}))
    conversions.requests(source, target)
    for part in ("train", "test"):
        found = {name: (target / part / name).read_text() for name in ("label", "seq.in", "seq.out")}
        assert found == {"label": "play_music\nstop\n", "seq.in": "play abba's songs in the den.\nstop\n",
                         "seq.out": "O B-artist O O B-room I-room\nO\n"}


def test_quatrains_have_four_lines_of_one_form(source, target):
    five, seven = "月月月月月，水水水水水。山山山山山？雨雨雨雨雨。", "花花花花花花花，鳥鳥鳥鳥鳥鳥鳥。" * 2
    poems = [[five[:12], five[12:]], [seven], [five], ["月月月月月，水水水水水。"], ["月月月月月，水水水水。" * 2],
             ["x月月月月，水水水水水。" * 2]]
    put(source / "全唐诗/poet.tang.0.json", json.dumps([{"paragraphs": lines} for lines in poems]))
    put(source / "全唐诗/poet.song.0.json", json.dumps([{"paragraphs": [seven.replace("花", "雪")]}]))
    conversions.quatrains(source, target)
    assert (target / "quatrains.tsv").read_text(encoding="utf-8") == (
        f"text\tlabel\n{five}\t5\n{seven}\t7\n")


def test_languages_share_no_sentence_between_splits(source, target):
    for code, count in (("aa", 600), ("bb", 5200), ("few", 499)):
        lines = [f"{code} is sentence {n} of many, and it is long enough" for n in range(count)]
        put(source / f"server/data/{code}/wiki.txt", "\n".join([*lines, lines[0].upper(), "short"]))
    put(source / "server/data/aa/europarl-v7.txt", "the sitting of the parliament is closed\n" * 9)
    conversions.languages(source, target)
    splits = {split: [tuple(row) for row in conversions.table(target / f"{split}.tsv")[1:]]
              for split in conversions.SPLITS}
    whole = {split: {row for row in rows if len(row[0]) > 30} for split, rows in splits.items()}
    assert {split: len(rows) for split, rows in whole.items()} == {
        "train": 480 + 4000, "validation": 60 + 500, "test": 60 + 500}
    assert not whole["train"] & whole["test"] and not whole["validation"] & whole["test"]
    starts = [text for text, _ in splits["train"] if len(text) <= 30]
    assert 2000 < len(starts) < 2500


def test_pairs_that_share_a_sentence_are_in_one_split(source, target):
    lines = [f"I see {n}.\tIch sehe {n}." for n in range(600)]
    lines += [f"I see {n}.\tIch erblicke {n}." for n in range(0, 600, 2)]
    put(source / "deu.txt", "\n".join(lines) + "\n")
    conversions.pairs(source, target)
    tables = {split: (target / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
              for split in ("train", "validation", "test")}
    assert all(rows[0] == "de\ten" and rows[1].startswith("Ich ") for rows in tables.values())
    english = {split: {row.split("\t")[1] for row in rows[1:]} for split, rows in tables.items()}
    assert sum(map(len, english.values())) == 600 and sum(map(len, tables.values())) == 900 + 3
    assert 1 <= len(english["test"]) <= 30
