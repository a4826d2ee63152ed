"""What an earlier conversion lost is in no vocabulary, whatever the task."""
import importlib
import json

import pytest

LOST = "M\ufffdller likes tea \ufffd {n}"
FILES = {
    "sentiment": ("a.jsonl", lambda n: json.dumps(
        {"text": LOST.format(n=n) + " a\0b \ud83d c", "label": "ab"[n % 2]})),
    "tagging": ("a.conll", lambda n: f"M\ufffdller{n}\tB-PER\n\ufffd\tO\nt\ufffda\tO\ntea\tO\n"),
    "generation": ("a.txt", lambda n: LOST.format(n=n)),
    "translation": ("a.tsv", lambda n: f"{n} M\ufffdller trinkt\t{n} \ufffd drinks")}


@pytest.mark.parametrize("task", FILES)
@pytest.mark.parametrize("level", ["word", "character", "subword"])
def test_what_was_lost_is_in_no_vocabulary(tmp_path, task, level):
    name, line = FILES[task]
    (tmp_path / name).write_text("\n".join(map(line, range(200))), encoding="utf-8")
    flags = {"sentiment": ["tokenizer"], "tagging": ["tokenizer"] * (level != "subword"),
             "generation": ["level"], "translation": ["source_level", "target_level"]}[task]
    options = importlib.import_module(f"tasks.{task}.options")
    settings = options.Settings.of(corpus=str(tmp_path / name), vocabulary_size=90,
                                   **dict.fromkeys(flags, level))
    task = vars(importlib.import_module(f"tasks.{task}.task"))[task.title()](settings)
    corpus = task.load_corpus()
    task.settings = task.settings.filled(task.recipe(corpus))
    files = task.untrained(corpus).text.files()
    said = [note for note in corpus.warnings if "characters are U+FFFD" in note]
    assert len(said) == (task.name != "sentiment")         # there they are written as JSON's \ufffd
    learnt = "".join(text for file, text in files.items() if file.endswith(".txt"))
    assert "t" in learnt and "\ufffd" not in learnt and "\\xef" not in learnt
