"""Translation (N→M): data → model → train → evaluate → export.

    python -m tasks.translation                                    train on the standard corpus
    python -m tasks.translation --predict "Ich habe keine Zeit."   translate with the exported model
    python -m tasks.translation --predict … --required=time --banned="I have"    phrases in, phrases out
    python -m tasks.translation --corpus=train.de,train.en         your own aligned files, or a table

After every epoch the validation split is translated greedily; beam search translates the test split.
"""
