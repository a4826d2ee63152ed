"""What is compiled on first use with the machine's own compiler, and the cache that keeps it.

The cache is `$XDG_CACHE_HOME/recurrent-zoo` or `~/.cache/recurrent-zoo`: never relative to the working
directory, and never one that anybody but this user or root owns or may write. A file's name is made of
everything its build depends on: sources, flags, processor, TensorFlow, and at its end the compiler.
Without a compiler a build of any compiler is taken. `CXX` names the compiler: `g++-13`, `ccache g++`.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile

import tensorflow as tf


class BuildError(Exception):
    """Why there is no build."""


@dataclasses.dataclass(frozen=True)
class Build:
    """A file that can be compiled here.

    name, suffix  of the file
    sources       paths of all that is compiled, headers too
    flags         of the compiler
    mode          of the file: a library needs no right to be executed
    """

    name: str
    suffix: str
    sources: tuple
    flags: tuple
    mode: int = 0o600

    @contextlib.contextmanager
    def kept(self):
        """Those in the cache, each with its key; their paths are good inside this context alone."""
        with cache() as folder:
            found, refused = [], None
            for path in sorted(folder.glob(f"{self.name}-{self._pattern()}{self.suffix}")):
                try:
                    found.append((trusted(path), path.stem.split("-")[1]))
                except (BuildError, OSError) as error:
                    refused = error
            if refused and not found:
                raise BuildError(str(refused)) from refused
            yield found

    def _pattern(self):
        with contextlib.suppress(BuildError):
            return self.key(find_compiler())
        return self._key() + "?" * LETTERS

    @contextlib.contextmanager
    def new(self):
        """(compiler, file to write, key); if all goes well the file then is in the cache, in one step."""
        compiler = find_compiler()
        key = self.key(compiler)
        with cache() as folder, draft(folder, f"{self.name}-{key}{self.suffix}") as path:
            yield compiler, path, key
            os.chmod(path, self.mode)  # the compiler's choice depends on the umask

    def key(self, compiler):
        """What the build depends on, as letters."""
        return self._key() + letters(*compiler, call([*compiler, "--version"]))

    def _key(self):
        texts = [pathlib.Path(path).read_text(encoding="utf-8") for path in self.sources]
        return letters(*texts, *self.flags, processor(), tf.__version__)


# What a build depends on.

LETTERS = 16  # of each of the two halves of a key


def letters(*parts):
    digest = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:LETTERS]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def find_compiler():
    """The command of the C++ compiler: $CXX, or g++ or clang++."""
    named = os.environ.get("CXX", "").strip()
    with contextlib.suppress(ValueError):  # a quotation without an end
        for command in [named] if named else ["g++", "clang++", "c++"]:
            program, *options = shlex.split(command)
            if shutil.which(program):
                return [shutil.which(program), *options]
    if named:
        raise BuildError(f"CXX: expected the command of a C++ compiler, received {named!r}")
    raise BuildError("no C++ compiler: install g++ or clang++, or set CXX to one")


def call(command, status=0):
    """What a command says, in English. Raises BuildError unless it ends with `status`."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
                                errors="replace", env={**os.environ, "LC_ALL": "C"})
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run: {error}") from error
    if result.returncode != status:
        raise BuildError(f"{command[0]} failed: {reason(result.stderr)}")
    return result.stdout


def reason(stderr):
    """The line that names the error, or else the first one."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or ["no message"]
    return next((line for line in lines if "error" in line.lower()), lines[0])


def processor():
    """The processor's model and abilities: what `-march=native` looks at."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


# The cache. Whatever is in it runs with this user's rights, so nobody else may have put it there.

@contextlib.contextmanager
def cache():
    """The folder of the cache, made where it is not yet, by a name that stays the folder's own.

    Raises:  BuildError: none can be had, or somebody else may write there
    """
    folder = cache_folder()
    with reported(folder):
        make_private(folder)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        refuse_strangers(os.fstat(handle), folder)
        # Who may write in a folder above this one could put another in its place meanwhile.
        opened = pathlib.Path(f"/proc/{os.getpid()}/fd/{handle}")
        yield opened if opened.is_dir() else folder
    finally:
        os.close(handle)


@contextlib.contextmanager
def reported(folder):
    """What the system says of the cache's folder as a BuildError."""
    try:
        yield
    except OSError as error:
        raise BuildError(f"cannot use the cache folder {folder}: {error}") from error


def cache_folder():
    """Its path. A relative one is ignored, as the XDG Base Directory Specification wants it."""
    home = os.path.join(os.path.expanduser("~"), ".cache")
    for root in (os.environ.get("XDG_CACHE_HOME", ""), home):
        if os.path.isabs(root):
            return pathlib.Path(root) / "recurrent-zoo"
    raise BuildError(f"no cache folder: expected HOME or XDG_CACHE_HOME to be absolute, received {home}")


def make_private(folder):
    """Make a folder, and those above it, that only this user may enter, whatever the umask."""
    for path in (*reversed(folder.parents), folder):
        if not path.is_dir():
            with contextlib.suppress(FileExistsError):
                path.mkdir(0o700)


def trusted(path):
    """The path of a file that nobody but this user or root can have written."""
    refuse_strangers(path.stat(), path.resolve())
    return path


def refuse_strangers(status, path):
    """Raise BuildError unless this user or root owns the file or folder and nobody else may write it."""
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (os.geteuid(), 0) or mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BuildError(
            f"{path}: expected this user or root to own it and nobody else to write it, received owner "
            f"{status.st_uid} and mode {mode:o}; remove it, or set XDG_CACHE_HOME to a folder of yours")


@contextlib.contextmanager
def draft(folder, name):
    """A file that becomes folder/name in one step if all goes well: several processes may build it."""
    with reported(folder.resolve()):
        handle, path = tempfile.mkstemp(suffix=pathlib.Path(name).suffix, dir=folder)
        os.close(handle)
    try:
        yield path
        with reported(folder.resolve()):
            os.replace(path, folder / name)
    finally:
        pathlib.Path(path).unlink(missing_ok=True)
