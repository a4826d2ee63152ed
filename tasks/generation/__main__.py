"""`python -m tasks.generation`."""

from tasks import cli
from tasks.generation.task import TASK

if __name__ == "__main__":
    TASK.define_flags()
    cli.main(TASK.main)
