"""What options choose from, by name, and the defaults of decoding: read before TensorFlow is there."""

CELLS = ("simple", "gru", "lstm")
TOKENIZERS = ("word", "character", "byte", "subword")         # of a text that is read
LEVELS = ("subword", "word", "separated", "character")        # of a text that is read and written
TOKENS = ("word", "space", "character")                       # of a sentence that is tagged
ENCODERS = ("cnn", "lstm")                                    # of a word's characters
FEEDS = ("nothing", "output", "context")                      # what attention gives back to the states
FORMS = ("last", "transformed", "pooled")                     # of the one vector of a sequence
USES = ("first", "every")                                     # where that vector enters
SCORES = ("additive", "concat", "dot", "general")             # of attention
ATTENTIONS = ("none", *SCORES)
CHARACTERS = 24                                               # of a word that n-grams are made of
MOST_LABELS = 32                                              # that naive Bayes counts for

LENGTH = 200            # symbols that are written where nobody says how many
SETTINGS = {            # of `zoo.decoding.sampling`, where nobody says others
    "temperature": 0.8, "top_k": 0, "top_p": 1.0, "typical": 1.0, "repetition_penalty": 1.0}
WIDTH, ALPHA = 5, 0.75  # of the beam search, where nobody says others
