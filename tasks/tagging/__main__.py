"""`python -m tasks.tagging`."""

from tasks import cli
from tasks.tagging import flags

if __name__ == "__main__":
    flags.define()
    cli.main("tasks.tagging.task")
