"""`python -m tasks.gradient_flow`."""

from tasks import cli
from tasks.gradient_flow import flags

if __name__ == "__main__":
    flags.define()
    cli.main("tasks.gradient_flow.task")
