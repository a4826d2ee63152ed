"""`python -m tasks.gradient_flow`."""

from tasks import cli

if __name__ == "__main__":
    cli.main("gradient_flow")
