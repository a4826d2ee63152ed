"""Text classification (N→1): data → model → train → evaluate → export.

    python -m tasks.sentiment                                  train on the standard corpus
    python -m tasks.sentiment --predict "not bad at all"       predict with the exported model
    python -m tasks.sentiment --corpus=reviews.csv             your own texts and labels

Any labels will do, not only sentiment: topics, intents, several labels a text (`--multi_label`) or a
number (`--regression`).
"""
