"""What is compiled on first use: its name, its compiler, and whose files are trusted."""
import os
import pathlib
import types

import pytest

from zoo.engines.native import build


@pytest.fixture
def wanted(monkeypatch, tmp_path):
    """A build of one source, an empty cache, and a compiler of version 1."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "root"))
    monkeypatch.setenv("CXX", compiler(tmp_path, "1"))
    source = tmp_path / "source.cc"
    source.write_text("naïve", encoding="utf-8")
    return build.Build("toy", ".so", (source,), ("-O3",))


def compiler(folder, version):
    path = folder / f"compiler-{version}"
    path.write_text(f"#!/bin/sh\necho version {version}\n")
    path.chmod(0o755)
    return str(path)


def make(wanted):
    """Build it; the file in the cache."""
    with wanted.new() as (_, path, key):
        pathlib.Path(path).write_text("whole")
    return build.cache_folder() / f"toy-{key}.so"


def kept(wanted):
    with wanted.kept() as found:
        return [(path.read_text(), key) for path, key in found]


# ---------------------------------------------------------------- names

def test_what_changes_a_build_changes_its_name(wanted, monkeypatch, tmp_path):
    names = {make(wanted).name, make(build.Build("toy", ".so", wanted.sources, ("-O1",))).name}
    with monkeypatch.context() as patch:
        patch.setattr(build, "processor", lambda: "another")
        names.add(make(wanted).name)
    with monkeypatch.context() as patch:
        patch.setattr(build.tf, "__version__", "1.0")
        names.add(make(wanted).name)
    with monkeypatch.context() as patch:
        patch.setenv("CXX", compiler(tmp_path, "2"))
        names.add(make(wanted).name)
    wanted.sources[0].write_text("other")
    assert len({*names, make(wanted).name}) == 6


def test_a_build_is_found_again_and_without_any_compiler(wanted, monkeypatch, tmp_path):
    assert kept(wanted) == []
    make(wanted)
    found = kept(wanted)
    assert [text for text, _ in found] == ["whole"]
    monkeypatch.setenv("CXX", compiler(tmp_path, "2"))
    assert kept(wanted) == [], "another compiler makes its own"
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert kept(wanted) == found
    wanted.sources[0].write_text("other")
    assert kept(wanted) == []


def test_a_file_appears_whole_or_not_at_all(wanted):
    file = make(wanted)
    assert file.read_text() == "whole"
    with pytest.raises(ValueError), wanted.new() as (_, path, _):
        pathlib.Path(path).write_text("half")
        raise ValueError
    assert [*file.parent.iterdir()] == [file] and file.read_text() == "whole"


# ---------------------------------------------------------------- compilers

def test_the_compiler_may_be_a_command_with_arguments(monkeypatch, tmp_path):
    path = compiler(tmp_path, "1")
    monkeypatch.setenv("CXX", f"'{path}' g++ -m64")
    assert build.find_compiler() == [path, "g++", "-m64"]


@pytest.mark.parametrize("name", ("no-such-compiler", "g++ '"))
def test_a_named_compiler_that_is_none_is_refused_by_name(monkeypatch, name):
    monkeypatch.setenv("CXX", name)
    with pytest.raises(build.BuildError, match="CXX: expected .* received .*(no-such|g)"):
        build.find_compiler()


def test_a_failed_command_says_why_on_one_line(tmp_path):
    path = tmp_path / "fails"
    path.write_text("#!/bin/sh\necho first >&2; echo a.cc:3: error: no such luck >&2; exit 1\n")
    path.chmod(0o755)
    with pytest.raises(build.BuildError, match="fails failed: a.cc:3: error: no such luck$"):
        build.call([str(path)])
    with pytest.raises(build.BuildError, match="cannot be run"):
        build.call([str(tmp_path)])


# ---------------------------------------------------------------- the cache

def modes(path):
    return [oct(p.stat().st_mode & 0o777) for p in (path.parents[1], path.parent, path)]


@pytest.mark.parametrize("umask", (0o000, 0o002, 0o077))
def test_nobody_else_may_enter_the_cache_whatever_the_umask(wanted, umask):
    before = os.umask(umask)
    try:
        assert modes(make(wanted)) == ["0o700", "0o700", "0o600"]
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", (0o770, 0o702, 0o777))
def test_a_folder_that_others_may_write_is_refused(wanted, mode):
    file = make(wanted)
    file.parent.chmod(mode)
    for use in (kept, make):
        with pytest.raises(build.BuildError, match=f"recurrent-zoo: expected .*mode {mode:o}; remove it"):
            use(wanted)


def test_a_file_that_others_may_write_is_refused(wanted):
    file = make(wanted)
    file.chmod(0o660)
    with pytest.raises(build.BuildError, match=f"{file}: expected .*mode 660; remove it"):
        kept(wanted)


def test_a_file_that_is_refused_leaves_the_others_of_use(wanted, monkeypatch, tmp_path):
    bad = make(wanted)
    monkeypatch.setenv("CXX", compiler(tmp_path, "2"))
    good = make(wanted)
    bad.chmod(0o660)
    good.with_name(bad.name.replace(".so", "x.so")).symlink_to(tmp_path / "nothing")
    monkeypatch.setattr(build, "find_compiler", refuse)
    assert kept(wanted) == [("whole", good.stem.split("-")[1])]


def refuse():
    raise build.BuildError("no compiler")


@pytest.mark.parametrize("owner, refused", ((0, False), (os.geteuid(), False), (54321, True)))
def test_only_this_user_and_root_are_trusted(owner, refused):
    status = types.SimpleNamespace(st_uid=owner, st_mode=0o100600)
    if not refused:
        return build.refuse_strangers(status, "x.so")
    with pytest.raises(build.BuildError, match="x.so: expected .*received owner 54321"):
        build.refuse_strangers(status, "x.so")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_folder_put_in_its_place_meanwhile_is_not_read(wanted):
    file = make(wanted)
    with wanted.kept() as ((path, _),):
        file.parent.rename(file.parent.with_name("moved"))
        file.parent.mkdir()
        file.write_text("planted")
        assert path.read_text() == "whole"


def test_a_relative_cache_folder_is_ignored(wanted, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert make(wanted).parent == tmp_path / "home" / ".cache" / "recurrent-zoo"
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(build.BuildError, match="expected HOME or XDG_CACHE_HOME to be absolute"):
        make(wanted)
    assert not (tmp_path / "relative").exists()
