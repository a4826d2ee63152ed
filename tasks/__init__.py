"""One readable script a task, and what the scripts share. Run one: `python -m tasks.sentiment`."""

