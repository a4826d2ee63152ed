"""How fast and how good: what the documents state is measured by these commands."""

from export import quiet

quiet.import_tensorflow()
