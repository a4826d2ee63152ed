"""Sequence labelling (N→N): data → model → train → evaluate → export.

    python -m tasks.tagging                                            train on the standard corpus
    python -m tasks.tagging --predict "What time is it in Boston?"     predict with the exported model
    python -m tasks.tagging --corpus=mine.conll                        your own tokens and tags

Tags may mark spans (BIO, IOB1, BIOES, BILOU, BMES: chunks, names, slots of a request) or be one a token,
as parts of speech are. Files may also hold texts with character spans, in JSON.
"""
