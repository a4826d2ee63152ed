"""Language modelling and text generation (N→N, 1→N): data → model → train → evaluate → export.

    python -m tasks.generation                                    train on the standard corpus
    python -m tasks.generation --predict "ROMEO: "                continue a text
    python -m tasks.generation --corpus=novel.txt                 your own text
    python -m tasks.generation --corpus=names --predict female    a text that follows from a label

A text without labels is read in windows; the states are carried from one window to the next.
"""
