"""`python -m tasks.translation`."""

from tasks import cli
from tasks.translation import flags

if __name__ == "__main__":
    flags.define()
    cli.main("tasks.translation.task")
