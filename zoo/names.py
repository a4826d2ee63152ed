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
USES = ("first", "every")                                     # where that vector enters
SCORES = ("additive", "concat", "dot", "general")             # of attention
ATTENTIONS = ("none", *SCORES)
MOST_LABELS = 32                                              # that naive Bayes counts for


def __getattr__(name):
    """LENGTH, SETTINGS, WIDTH and ALPHA of `zoo.decoding.options`, for those who still read them here."""
    from importlib import import_module
    options = import_module("zoo.decoding.options")
    settings, beam = options.SamplingOptions(), options.BeamOptions()
    known = {"LENGTH": options.LENGTH, "SETTINGS": vars(settings), "WIDTH": beam.width,
             "ALPHA": beam.alpha}
    if name not in known:
        raise AttributeError(f"module 'zoo.names' has no attribute {name!r}")
    return known[name]
