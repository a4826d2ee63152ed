"""SHA256SUMS: what the files of a version hold, as `sha256sum` writes it, so that damage is noticed.

It tells a truncated, altered, missing or added file from what was verified. It is no signature: who can
write the files can write the sums too.
"""
import hashlib
import pathlib

NAME = "SHA256SUMS"


def write(folder):
    """Write the sums of all files under `folder` into it; `sha256sum -c SHA256SUMS` checks them too."""
    lines = [f"{digest}  {name}\n" for name, digest in sums(folder).items()]
    pathlib.Path(folder, NAME).write_text("".join(lines), encoding="utf-8")


def check(folder):
    """ValueError unless `folder` holds the files of its SHA256SUMS, and no others."""
    path = pathlib.Path(folder, NAME)
    if not path.is_file():
        raise ValueError(f"expected {NAME} among the files, received none: copy the whole folder, or "
                         "export again")
    expected, found = _read(path), sums(folder)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            odd = ("is not in it" if name not in expected else
                   "is missing" if name not in found else "differs from it")
            raise ValueError(f"expected the files of {NAME}, received others: {name} {odd}; copy the "
                             "folder again")


def sums(folder):
    """{path under the folder: SHA-256 in hexadecimal} of all files but SHA256SUMS itself, in order."""
    folder = pathlib.Path(folder)
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: _digest(paths[name]) for name in sorted(paths) if name != NAME}


def _digest(path):
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


def _read(path):
    lines = path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    pairs = [line.partition("  ") for line in lines]
    return {name.removeprefix("./"): digest for digest, _, name in pairs}
