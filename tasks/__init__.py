"""Four tasks of one plan: corpus, network, training, files. Run one: `python -m tasks.sentiment`."""
