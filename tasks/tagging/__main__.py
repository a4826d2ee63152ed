"""`python -m tasks.tagging`."""

from tasks import cli

if __name__ == "__main__":
    cli.main("tagging")
