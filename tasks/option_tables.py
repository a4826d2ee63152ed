"""The page docs/options.md: all options of the tasks, read off their classes.

    python -m tasks.option_tables > docs/options.md
"""

import importlib

from tasks.cli import UNITS, default_of
from zoo.options import fields

TASKS = ("sentiment", "tagging", "generation", "translation", "gradient_flow")
TITLE = """# Options

Every option is a flag of its command (`--units=64`, `--crf` and `--nocrf`). A default such as "from the
recipe" follows from the corpus: see `tasks/recipes.py`. "From the model" means the configuration that
`--model` names: see `zoo/models/configurations.py`.

This page is written by `python -m tasks.option_tables > docs/options.md`.
"""


def page():
    """The whole page, in Markdown."""
    return TITLE + "".join(map(section, TASKS))


def section(task):
    """The options of a task, a table for each group."""
    groups = {}
    for field in fields(importlib.import_module(f"tasks.{task}.options").Settings):
        groups.setdefault(field.metadata["group"], []).append(field)
    head = "| option | what it does | default | source |\n|---|---|---|---|\n"
    tables = [f"\n### {task}: {group}\n\n{head}" + "".join(map(row, rows))
              for group, rows in groups.items()]
    return f"\n## `python -m tasks.{task}`\n" + "".join(tables)


def row(field):
    """An option's line of the table."""
    about = field.metadata
    kind = about["of"] if field.type is tuple else field.type
    values = ", ".join(map(str, about["choices"])) or UNITS.get(kind, "yes or no")
    cells = (f"`{field.name}`", f"{about['help']} ({values})", default_of(field),
             about.get("source", ""))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(page(), end="")
