"""Makes the pretrained models again.

    python -m benchmarks.pretrained language-id                     what to download, and what trains it
    python -m benchmarks.pretrained language-id ~/voice-web corpora/language-id
    python -m benchmarks.pretrained --keep language-id              runs/… → zoo/trained/language-id
    python -m benchmarks.pretrained --documents > docs/models.md

The second command writes the corpus that training reads; most models read their corpus as it is.
"""

import pathlib
import sys

from benchmarks.pretrained.conversions import CONVERSIONS
from benchmarks.pretrained.recipes import RECIPES
from export import quiet
from tasks import cli


def main(arguments):
    """Do what one of the commands says."""
    flag, name, folders = "", "", []
    if arguments and arguments[0].startswith("--"):
        flag, *arguments = arguments
    name, *folders = arguments or [""]
    if flag == "--documents":
        from benchmarks.pretrained import documents
        return print(documents.page())
    if name not in RECIPES or flag not in ("", "--keep") or len(folders) not in (0, 2):
        raise ValueError(f"expected a model among {', '.join(RECIPES)}, perhaps with --keep or two "
                         f"folders; received {' '.join([flag, name, *folders]).strip() or 'none'}")
    if flag == "--keep":
        quiet.import_tensorflow()
        from benchmarks.pretrained.keep import keep
        keep(name)
    elif folders:
        if name not in CONVERSIONS:
            raise ValueError(f"{name} reads its corpus as it is: expected no folders, received "
                             f"{' '.join(folders)}")
        CONVERSIONS[name](*(pathlib.Path(folder).expanduser() for folder in folders))
    print(f"{RECIPES[name].corpus} ({RECIPES[name].licence})\nnext: {RECIPES[name].command(name)}")


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
