"""One readable script a task, and what the scripts share. Run one: `python -m tasks.sentiment`."""

import export  # noqa: F401  first, because Ctrl-C is one line from there on
import zoo  # noqa: F401  before others, because it imports TensorFlow without its log lines
