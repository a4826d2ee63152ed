"""What options choose from, by name. No TensorFlow here: `--help` reads it too."""

CELLS = ("simple", "gru", "lstm")
TOKENIZERS = ("word", "character", "byte", "subword")         # of a text that is read
LEVELS = ("subword", "word", "separated", "character")        # of a text that is read and written
TOKENS = ("word", "space", "character")                       # of a sentence that is tagged
POOLINGS = {                                                  # name: what of zoo.layers.pooling
    "last": "last", "mean": "mean", "max": "maximum", "attention": "AttentionPooling"}
ENCODERS = ("cnn", "lstm")                                    # of a word's characters
FEEDS = ("nothing", "output", "context")                      # what attention gives back to the states
FORMS = ("last", "transformed", "pooled")                     # of the one vector of a sequence
USES = ("first", "copied", "every")                           # where that vector enters
SCORES = ("additive", "concat", "dot", "general")             # of attention
ATTENTIONS = ("none", *SCORES)
CHARACTERS = 24                                               # of a word that n-grams are made of
VECTORS = ("frozen", "tuned", "projected")                     # what becomes of given word vectors
MOST_LABELS = 32                                              # that naive Bayes counts for
AUTO = "auto"                                                 # the model that validates best
LETTERS = ("characters", "code_points")                       # inputs that have some a token
