"""All versions of a model that lie in a folder, answering from TensorFlow alone, and kept up with.

    folder/1/, folder/2/, …   what `export.saved_model` writes

A version is loaded only if its files are those of its SHA256SUMS, its graph has no op that TF Serving
lacks, and it answers the requests it came with. Until then, and if not, what was live before goes on.
"""
import gc
import os
import pathlib
import threading

import numpy as np
import tensorflow as tf

from export import checksums, one_line, tf_serving, verify

SERVER = list(verify.LACKS)[-1]  # this process has the ops of the newest


class Version:
    """One version, loaded by its graph alone, as TF Serving's C++ loads it. Safe for concurrent use.

    Attributes: signatures  {name: SignatureDef}
    Raises:     ValueError, OSError, tf.errors.OpError, DecodeError: why it must not be served
    """

    def __init__(self, path):
        path = str(path)
        checksums.check(path)
        verify.check_ops(path, SERVER)
        self.signatures = verify.signatures(path)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            tf.compat.v1.saved_model.load(self._session, ["serve"], path)
        for name, inputs in tf_serving.warmup(path):
            self.answer(name, inputs)

    def answer(self, signature, inputs, seconds=60):
        """What the signature answers: {output: array}, of {input: array}; defaults need not be given.

        Raises: tf.errors.DeadlineExceededError: it took longer, and was stopped
                tf.errors.OpError: the graph cannot answer these inputs
        """
        definition = self.signatures[signature]
        defaults = {name: tf.make_ndarray(value) for name, value in definition.defaults.items()}
        feed = {definition.inputs[name].name: value for name, value in {**defaults, **inputs}.items()}
        fetches = {name: info.name for name, info in sorted(definition.outputs.items())}
        options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(1e3 * seconds)))
        return {name: np.asarray(value)
                for name, value in self._session.run(fetches, feed, options).items()}


class Versions:
    """The versions under a folder, kept up with by `refresh`.

    Attributes: live     {number: Version}, replaced as a whole, so that readers need no lock
                refused  {number: why, one line} of those whose files, as they are now, are not served
    Args:       folder   a run, or a folder of versions
                say      called with a line about every version that comes, goes or is refused
    Raises:     ValueError: no version can be served;  FileNotFoundError: there is none
    """

    def __init__(self, folder, say=print):
        self.folder, self.name = located(folder)
        self.live, self.refused, self._say = {}, {}, say
        self._noticed, self._judged = {}, {}
        self.refresh()
        self.refresh()
        if not self.live:
            raise ValueError(f"no version in {self.folder} can be served; export again")

    def newest(self):
        """Number of the newest version that is live."""
        return max(self.live)

    def refresh(self):
        """Load what is new or has changed, and has rested since the last call; drop what is gone.

        If nothing at all is left, the folder itself is lost: everything stays.
        """
        present, before = numbers(self.folder), self.live
        for number in present:
            files = _files(self.folder / str(number))
            if files != self._noticed.get(number):
                self._noticed[number] = files
            elif files != self._judged.get(number):
                self._judged[number] = files
                self._take(number, files)
        for number in self.live.keys() - present if self.live.keys() & present else ():
            self.live = {n: version for n, version in self.live.items() if n != number}
            self._say(f"{self.name} {number}: gone")
        self._forget(present)
        if self.live is not before:
            gc.collect()  # a replaced version's session ends with its last answer

    def _take(self, number, files):
        path = self.folder / str(number)
        try:
            version = Version(path)
            if _files(path) != files:
                raise ValueError("its files changed while it was being loaded")
        except Exception as error:  # whatever is wrong with files from outside, the server goes on
            self.refused[number] = one_line(getattr(error, "message", error))
            kept = "the one before keeps serving" if number in self.live else "it is not served"
            self._say(f"{self.name} {number}: refused, {kept}: {self.refused[number]}")
        else:
            self.live = {**self.live, number: version}
            self.refused.pop(number, None)
            self._say(f"{self.name} {number}: live")

    def _forget(self, present):
        for numbered in (self.refused, self._noticed, self._judged):
            for number in numbered.keys() - present:
                del numbered[number]

    def watch(self, seconds=2):
        """Refresh every so many seconds, in a thread of its own, until the Event it returns is set."""
        ended = threading.Event()

        def keep_up():
            while not ended.wait(seconds):
                try:
                    self.refresh()
                except OSError as error:
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


def numbers(folder):
    """The version numbers under a folder, in order."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(int(name) for name in names if name.isdecimal())


def _files(folder):
    """What tells that files have changed: {path: (size, time of change, …)}."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            for path in paths for stat in [path.stat()]}
