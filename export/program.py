"""How programs begin and end: what a user can mend ends one in one line, with exit code 2."""

import importlib
import sys

from export import interrupt


def run(module):
    """Run the `main` of a module, which is imported here, as a program that Ctrl-C ends in one line."""
    interrupt.end_at_once()
    try:
        importlib.import_module(module).main()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        fail(error)


def fail(error):
    """Say what is wrong in one line, and leave."""
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    sys.exit(2)
