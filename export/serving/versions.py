"""All versions of a model that lie in a folder, answering from TensorFlow alone, and kept up with.

    folder/1/, folder/2/, …   what `export.saved_model` writes; 00000001 is version 1 too

A version is loaded only if its files are those of its SHA256SUMS, its graph has no op that TF Serving
lacks or that reaches out of it, and it answers the requests it came with. Until then, and if not, what
was live before goes on.
"""
import gc
import os
import pathlib
import re
import threading

from export import checksums, one_line
from export.serving.version import Version

PATIENCE = 5  # more looks for files that are not those of SHA256SUMS: a slow copy is no damage
LARGEST = 2 ** 63 - 1  # TF Serving's version numbers are int64


class Versions:
    """The versions under a folder, kept up with by `refresh`.

    Attributes: live     {number: Version}, replaced as a whole, so that readers need no lock
                refused  {number: why, one line} of those whose files, as they are now, are not served
    Args:       folder   a run, or a folder of versions
                say      called with a line about every version that comes, goes or is refused
                patience looks that files must have rested before damage is called so
    Raises:     ValueError: no version can be served;  FileNotFoundError: there is none
    """

    def __init__(self, folder, say=print, patience=PATIENCE):
        self.folder, self.name = located(folder)
        self.live, self.refused, self._say, self._patience = {}, {}, say, 0
        self._noticed, self._rested, self._judged = {}, {}, {}
        self.refresh()
        self.refresh()
        if not self.live:
            raise ValueError(f"no version in {self.folder} can be served; export again")
        self._patience = patience

    def newest(self):
        """Number of the newest version that is live."""
        return max(self.live)

    def refresh(self):
        """Load what is new or has changed, and has rested since the last call; drop what is gone.

        If nothing at all is left, the folder itself is lost: everything stays.
        """
        present, before = folders(self.folder), self.live
        for number, path in present.items():
            files = _files(path)
            if files != self._noticed.get(number):
                self._noticed[number], self._rested[number] = files, 0
            elif files != self._judged.get(number):
                self._rested[number] += 1
                self._take(number, path, files)
        for number in self.live.keys() - present if self.live.keys() & present else ():
            self.live = {n: version for n, version in self.live.items() if n != number}
            self._say(f"{self.name} {number}: gone")
        self._forget(present)
        if self.live is not before:
            gc.collect()  # a replaced version's session ends with its last answer

    def _take(self, number, path, files):
        rested = self._rested[number] > self._patience
        if self._rested[number] > 1 and not rested:
            return  # the same files as at the last look
        try:
            checksums.check(path)
        except (ValueError, OSError) as error:
            if rested:
                self._refuse(number, files, error)
            return
        try:
            version = Version(path)
            if _files(path) != files:
                raise ValueError("its files changed while it was being loaded")
        except Exception as error:  # whatever is wrong with files from outside, the server goes on
            self._refuse(number, files, error)
        else:
            self.live, self._judged[number] = {**self.live, number: version}, files
            self.refused.pop(number, None)
            self._say(f"{self.name} {number}: live")

    def _refuse(self, number, files, error):
        self._judged[number] = files
        self.refused[number] = one_line(getattr(error, "message", error))
        kept = "the one before keeps serving" if number in self.live else "it is not served"
        self._say(f"{self.name} {number}: refused, {kept}: {self.refused[number]}")

    def _forget(self, present):
        for numbered in (self.refused, self._noticed, self._rested, self._judged):
            for number in numbered.keys() - present:
                del numbered[number]

    def watch(self, seconds=2):
        """Refresh every so many seconds, in a thread of its own, until the Event it returns is set."""
        ended = threading.Event()

        def keep_up():
            while not ended.wait(seconds):
                try:
                    self.refresh()
                except Exception as error:  # the next look may go well
                    self._say(f"{self.name}: cannot look for versions: {one_line(error)}")
        threading.Thread(target=keep_up, daemon=True).start()
        return ended


def located(folder):
    """The folder of versions, and the model's name, of a run or of a folder of versions itself."""
    folder = pathlib.Path(folder).resolve()
    inside = folder / "saved_model"
    found = inside if numbers(inside) else folder
    if not numbers(found):
        raise FileNotFoundError("expected a run, or a folder of SavedModel versions (1, 2, …); received "
                                f"{folder}: train and export first")
    return found, (found.parent if found.name == "saved_model" else found).name


def folders(folder):
    """{version: its folder} under a folder, in order. Of 1 and 001, both version 1, it is the first."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    names = sorted((name for name in names if re.fullmatch("[0-9]{1,20}", name)), key=len, reverse=True)
    found = {int(name): pathlib.Path(folder) / name for name in names if int(name) <= LARGEST}
    return dict(sorted(found.items()))


def numbers(folder):
    """The version numbers under a folder, in order."""
    return list(folders(folder))


def _files(folder):
    """What tells that files have changed: {path: (size, time of change, …)}."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            for path in paths for stat in [path.stat()]}
