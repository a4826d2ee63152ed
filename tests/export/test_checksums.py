"""SHA256SUMS tells every change of the files, and is what sha256sum reads."""
import shutil
import subprocess

import pytest

from export import checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "labels.txt").write_text("bad\ngood\n")
    (tmp_path / "saved_model.pb").write_bytes(bytes(range(256)) * 9000)  # longer than a block
    checksums.write(tmp_path)
    return tmp_path


def test_what_was_written_is_accepted(folder):
    checksums.check(folder)
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == 2


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_sha256sum_reads_it_and_writes_what_is_accepted(folder):
    run = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.count(": OK") == 2
    again = "sha256sum ./saved_model.pb ./assets/* > SHA256SUMS"
    subprocess.run(again, cwd=folder, shell=True, check=True)
    checksums.check(folder)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-9])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage, file, said", [
    (truncate, "saved_model.pb", "saved_model.pb differs"),
    (flip, "saved_model.pb", "saved_model.pb differs"),
    (flip, "assets/labels.txt", "assets/labels.txt differs"),
    (lambda path: path.unlink(), "assets/labels.txt", "labels.txt is missing"),
    (lambda path: path.write_text(""), "assets/new.txt", "assets/new.txt is not in it"),
    (lambda path: path.unlink(), "SHA256SUMS", "expected SHA256SUMS among the files, received none"),
    (truncate, "SHA256SUMS", "saved_ is missing"), (flip, "SHA256SUMS", "saved_model.pb is not in it"),
    (lambda path: path.write_bytes(b"\xff"), "SHA256SUMS", "is missing")])
def test_any_damage_is_one_clear_line(folder, damage, file, said):
    damage(folder / file)
    with pytest.raises(ValueError, match=said) as caught:
        checksums.check(folder)
    assert "\n" not in str(caught.value)
