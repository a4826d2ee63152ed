"""`python -m tasks` lists the tasks with a first command each; `compare runs/*` compares runs."""

import sys

from tasks import cli

PAGE = """Tasks, each with a first command; --help lists the options of each.

  python -m tasks.sentiment       classify texts: sentiment, topics, intents, numbers
  python -m tasks.tagging         label tokens: names, slots, parts of speech
  python -m tasks.generation      model a language, write texts
  python -m tasks.translation     translate sentences
  python -m tasks.gradient_flow   measure how far gradients travel

  python -m tasks compare runs/*  finished runs in a table, and which differ beyond noise"""


def main(arguments):
    if arguments[:1] == ["compare"] and arguments[1:]:
        from tasks.reporting import comparison      # NumPy takes a while to import
        print(*comparison.compare(arguments[1:]), sep="\n")
    elif arguments and arguments[0] not in cli.HELP_FLAGS:
        raise ValueError(f"expected nothing, or compare and run directories, received "
                         f"{' '.join(arguments)!r}; python -m tasks lists the tasks")
    else:
        print(PAGE)


if __name__ == "__main__":
    cli.guarded(lambda: main(sys.argv[1:]))
