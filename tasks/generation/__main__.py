"""`python -m tasks.generation`."""

from tasks import cli
from tasks.generation import flags

if __name__ == "__main__":
    flags.define()
    cli.main("tasks.generation.task")
