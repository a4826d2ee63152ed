"""Which pretrained model answers, and what is refused."""

import pytest

import zoo
from tasks import pretrained, sentiment
from tasks.sentiment.options import Settings
from tasks.tagging.options import Settings as TaggingSettings
from zoo import trained

NAME = "banking-intents"


def test_a_named_model_stands_in_for_a_run():
    chosen = pretrained.chosen("sentiment", Settings.of(model_from=NAME, predict="My card is lost."))
    assert chosen.output_dir == str(trained.folder(NAME)) and chosen.variant == "int8"


def test_the_tasks_own_model_answers_where_nothing_is_trained_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(pretrained.DEFAULTS, "sentiment", NAME)
    chosen = pretrained.chosen("sentiment", Settings.of(predict="My card is lost."))
    assert chosen.output_dir == str(trained.folder(NAME))
    assert NAME in capsys.readouterr().err
    (tmp_path / "runs" / "sentiment").mkdir(parents=True)
    (tmp_path / "runs" / "sentiment" / "settings.json").write_text("{}")
    for settings in (Settings.of(predict="a"), Settings.of(predict="a", output_dir="runs/other"),
                     Settings.of()):
        assert pretrained.chosen("sentiment", settings) == settings
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("task, settings, message", [
    ("sentiment", Settings.of(model_from="no", predict="a"), "among .*banking-intents.* received 'no'"),
    ("sentiment", Settings.of(model_from=NAME), "--init_from=banking-intents goes on training"),
    ("sentiment", Settings.of(model_from=NAME, predict="a", output_dir="b"), "leave one out"),
    ("tagging", TaggingSettings.of(model_from=NAME, predict="a"), "tasks.sentiment --model_from")])
def test_what_cannot_be_is_refused(task, settings, message):
    with pytest.raises(ValueError, match=message):
        pretrained.chosen(task, settings)


@pytest.mark.slow
def test_training_goes_on_from_a_pretrained_model_with_its_network(capsys):
    places = "home work school the station the bank London Paris Rome Oslo Lima".split()
    starts = "my card is lost in", "where is the way to"
    texts = [f"{start} {place}" for start in starts for place in places]
    labels = [label for label in ("card", "way") for _ in places]
    model = sentiment.fit(texts, labels, start=NAME, epochs=2, batch_size=4, validation=0.2)
    assert f"init_from {NAME}: " in capsys.readouterr().out
    assert model.network.options == zoo.load(NAME).network.options
    assert [row["label"] for row in model.predict(texts)] == labels
