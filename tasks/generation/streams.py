"""Running text that need not fit into memory: read from disk in blocks, as often as it is asked for."""

import collections
import dataclasses

from tasks.reading import encoding as encodings

BLOCK = 1 << 16                       # characters

File = collections.namedtuple("File", "path codec")
File.__doc__ = "A file of text, perhaps compressed, and the codec that decodes it."


@dataclasses.dataclass(frozen=True)
class Stream:
    """The characters [start, end) of some sources, one after the other. Iterating yields them in blocks.

    A block ends at a line's end or after a space, so that no word is cut; only where there is neither
    for a whole block it ends anywhere. Every iteration reads anew, and holds two blocks at the most.

    Args:  sources  texts, and `File`s, of which every line end becomes a newline and a byte order mark
                    is dropped

    >>> list(Stream(["To be, ", "or not"], 3, 9))
    ['be, ', 'or']
    """
    sources: list = dataclasses.field(repr=False)
    start: int
    end: int

    @property
    def characters(self):
        return self.end - self.start

    def __iter__(self):
        return _whole_words(self._stretch())

    def _stretch(self):
        position = 0
        for source in self.sources:
            for block in blocks(source):
                stretch = block[max(self.start - position, 0):self.end - position]
                if stretch:
                    yield stretch
                position += len(block)
                if position >= self.end:
                    return

    def cut(self, *percents):
        """Consecutive streams that hold so many percent of this one each; the last takes the rest.

        >>> [list(part) for part in Stream(["To be, or not to be"], 0, 19).cut(30, 20, 50)]
        [['To ', 'be'], [', ', 'or'], [' not to ', 'be']]
        """
        marks = [self.start + self.characters * sum(percents[:n]) // 100 for n in range(len(percents))]
        return [Stream(self.sources, *ends) for ends in zip(marks, [*marks[1:], self.end])]


def opened(sources, encoding=None):
    """The whole text of texts and paths as a stream, and warnings; reads it once to see that it is text.

    Args:    encoding  of the files; None finds that of each
    Raises:  ValueError: a file that is no text, or in an encoding that cannot be told
    """
    warnings, found, characters = [], [], 0
    for source in sources:
        name = getattr(source, "name", "corpus")
        if not isinstance(source, str):
            codec, notes = encodings.codec_of_file(source, encoding)
            warnings += [f"{name}: {note}" for note in notes]
            source = File(source, codec)
        length, lost = _surveyed(source)
        warnings += [f"{name}: {note}" for note in encodings.lost(lost)]
        characters += length
        found.append(source)
    stream = Stream(found, 0, characters)
    if not any(block.strip() for block in stream):
        name = getattr(sources[0], "name", "corpus")
        raise ValueError(f"{name}: expected text, received an empty file")
    return stream, warnings


def blocks(source):
    """The text of one source, some `BLOCK` characters at a time."""
    if isinstance(source, str):
        yield from (source[at:at + BLOCK] for at in range(0, len(source), BLOCK))
        return
    with encodings.readable(source.path), encodings.opened(
            source.path, "rt", encoding=source.codec) as file:
        while block := file.read(BLOCK):
            yield block


def _surveyed(source):
    """(characters, how many of them are U+FFFD) of a source; a binary file is refused."""
    characters = lost = lines = 0
    for block in blocks(source):
        characters += len(block)
        lost += block.count(encodings.REPLACEMENT)
        if "\0" in block:
            line = 1 + lines + block.count("\n", 0, block.index("\0"))
            raise encodings.not_text(source.path.name, line)
        lines += block.count("\n")
    return characters, lost


def _whole_words(pieces):
    """The same text, cut after the last newline of what there is; else the last space, else anywhere."""
    rest = ""
    for piece in pieces:
        rest += piece
        cut = rest.rfind("\n") + 1 or rest.rfind(" ") + 1 or len(rest)
        yield rest[:cut]
        rest = rest[cut:]
    if rest:
        yield rest
