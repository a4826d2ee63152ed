"""One readable script a task, and what the scripts share. Run one: `python -m tasks.sentiment`."""

import zoo  # noqa: F401  first, because it imports TensorFlow without its log lines
