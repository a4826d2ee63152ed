"""`--predict` of a translator that comes with the package: the beam, phrases, pictures."""

import pytest

from export import run
from tasks import cli, pretrained
from tasks.translation import task
from tasks.translation.options import Settings
from zoo import trained

SENTENCE = "Wo ist der Bahnhof?"


@pytest.fixture
def translated(capsys):
    """Flags → the lines that are printed for a sentence."""
    def translated(*flags):
        task.main(pretrained.chosen("translation", cli.parse(Settings, [
            "translation", "--model_from=translation-de-en", f"--predict={SENTENCE}", *flags])))
        return capsys.readouterr().out.splitlines()
    return translated


def test_the_best_of_the_beam_stand_below_each_other(translated):
    [best], several = translated("--width=3"), translated("--width=3", "--n_best=3")
    scores, texts = zip(*(line.split("  ", 1) for line in several))
    assert texts[0] == best and len(set(texts)) == 3
    assert sorted(map(float, scores), reverse=True) == list(map(float, scores)) and float(scores[0]) < 0


def test_a_phrase_is_in_the_translation_or_is_not(translated):
    [best] = translated()
    assert "station" in best
    [without], [other] = translated("--banned=station"), translated("--required=please")
    assert "station" not in without and "please" in other


def test_a_phrase_that_is_not_known_is_refused(translated):
    with pytest.raises(ValueError, match="banned: expected tokens that the target's vocabulary has, "
                                         "received '龍'"):
        translated("--banned=龍")


def test_where_attention_looked_is_drawn(translated, tmp_path):
    picture = tmp_path / "new" / "attention.svg"
    translated(f"--picture={picture}")
    assert "station at Bahnhof" in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize("phrase", ["--banned=station", "--required=please"])
def test_a_picture_of_a_translation_with_phrases_is_refused(translated, tmp_path, phrase):
    with pytest.raises(ValueError, match="picture: expected neither banned nor required phrases"):
        translated(f"--picture={tmp_path}/attention.svg", phrase)


def test_a_beam_wider_than_a_file_searches_is_refused(translated, capsys):
    with pytest.raises(SystemExit):
        translated("--width=65")
    assert "width: expected a whole number from 1 to 64, received 65" in capsys.readouterr().err
    with pytest.raises(ValueError, match="width: expected at most 64, received 65"):
        run.load(trained.file("translation-de-en")).predict([SENTENCE], width=65)


def test_more_translations_than_the_beam_is_wide_are_refused(translated):
    with pytest.raises(ValueError, match="n_best: expected at most the width of the beam, 2, received 3"):
        translated("--width=2", "--n_best=3")
