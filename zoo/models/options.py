"""The options of the networks: each is stated here alone, with its help, range and source."""

import dataclasses

from zoo import names
from zoo.options import RATE, Options, option


@dataclasses.dataclass(frozen=True)
class NetworkOptions(Options):
    """Of every network: an embedding under recurrent layers."""

    cell: str = option("lstm", "Cell of the recurrent layers.", names.CELLS)
    units: int = option(64, "Width of a recurrent layer, of one direction.", least=1)
    layers: int = option(1, "Number of recurrent layers.", least=1)
    embedding: int = option(64, "Width of the embedding.", least=1)
    word_dropout: float = option(0.0, "Rate at which a word is read as unknown in training.", **RATE,
                                 source="Iyyer et al. 2015")
    embedding_dropout: float = option(0.0, "Dropout rate of the embedding's coordinates, one mask a "
                                      "text.", **RATE, source="Gal & Ghahramani 2016")
    output_dropout: float = option(0.0, "Dropout rate before the last layer.", **RATE)
    truncate: int = option(None, "Largest number of steps that an error flows back through the recurrent "
                           "layers; by default all.", least=1, source="Williams & Peng 1990")
    engine: str = option("auto", "Engine of the recurrent layers: see zoo.engines.")

    def __post_init__(self):
        super().__post_init__()
        if self.truncate is not None and not self.layers:
            raise ValueError("truncate: expected at least 1 recurrent layer with it, received layers=0")


@dataclasses.dataclass(frozen=True)
class ClassifierOptions(NetworkOptions):
    """Of `zoo.models.classifier.Classifier`."""

    layers: int = option(1, "Number of recurrent layers; 0 with ngrams alone.", least=0)
    bidirectional: bool = option(True, "Read in both directions.", source="Graves 2012")
    pooling: str = option("mean+max", "How the states become one vector: last, or some of mean, max and "
                          "attention joined by '+'.", source="Conneau et al. 2017; Yang et al. 2016")
    naive_bayes: bool = option(False, "Read and correct log-count ratios of words and word pairs.",
                               source="Wang & Manning 2012")
    window: int = option(None, "Read pieces of this many tokens side by side; by default the whole text "
                         "at once.", least=1)
    embedding_range: float = option(0.05, "A new embedding is uniform in plus or minus this.", least=0)
    filters: int = option(0, "Number of learnt n-grams of each width 2, 3 and 4; 0 for none.", least=0,
                          source="Kim 2014")
    ensemble: int = option(1, "Number of networks whose logits are averaged.", least=1, was="members",
                           source="Hansen & Salamon 1990")
    ngrams: int = option(0, "Largest number of buckets of word and character n-grams, whose linear model "
                         "is added or corrected; 0 for none.", least=0, source="Cheng et al. 2016")
    corrects: bool = option(True, "The recurrent part learns what the linear model of n-grams misses; "
                            "otherwise it learns by itself, and both are added.")
    vectors_as: str = option("frozen", "What becomes of given word vectors beside the embedding: they "
                             "stay as they are, are tuned, or projected to its width and added.",
                             names.VECTORS)

    def __post_init__(self):
        super().__post_init__()
        if not self.layers and (not self.ngrams or self.naive_bayes or self.filters or self.ensemble > 1):
            raise ValueError("layers: expected at least 1, or ngrams and no naive_bayes, filters or "
                             "ensemble, received 0")
        poolings_of(self.pooling)
        if self.pooling == "last" and self.window is not None:
            raise ValueError("window: expected a pooling over the whole text, received pooling='last'")


def poolings_of(pooling):
    """The names in a pooling; "last" stands alone, since it needs no sequence.

    >>> poolings_of("mean+max")
    ['mean', 'max']
    """
    found, several = pooling.split("+"), [name for name in names.POOLINGS if name != "last"]
    if pooling != "last" and (not set(found) <= set(several) or len(set(found)) < len(found)):
        raise ValueError(f"pooling: expected 'last', or some of {', '.join(several)} joined by '+', each "
                         f"once, received {pooling!r}")
    return found


@dataclasses.dataclass(frozen=True)
class TaggerOptions(NetworkOptions, units=128, embedding=100):
    """Of `zoo.models.tagger.Tagger`."""

    layers: int = option(1, "Number of recurrent layers; 0 with feedback or features alone.", least=0)
    bidirectional: bool = option(True, "Read in both directions.", source="Graves & Schmidhuber 2005")
    features: int = option(0, "Number of buckets of features of a token and of its neighbours, whose "
                           "scores are added; 0 for none.", least=0, source="Cheng et al. 2016")
    feature_dropout: float = option(0.0, "Dropout rate of these features.", **RATE)
    feature_rank: int = option(16, "Largest number of columns of the features' weights, for many labels.",
                               least=1)
    vectors_as: str = option("frozen", "What becomes of given word vectors beside the embedding: they "
                             "stay as they are, are tuned, or projected to its width and added.",
                             names.VECTORS)
    crf: bool = option(False, "A conditional random field over the tags.", source="Huang et al. 2015")
    characters: str = option(None, "Encoder of a word's characters.", names.ENCODERS,
                             source="cnn: Ma & Hovy 2016; lstm: Lample et al. 2016")
    character_embedding: int = option(30, "Width of a character's embedding.", least=1)
    character_units: int = option(50, "Width of a word's encoded characters.", least=1)
    affixes: int = option(0, "Width of the embedding of a word's prefixes and suffixes; 0 for none.",
                          least=0)
    shapes: bool = option(False, "Read which case a word's letters have.", source="Huang et al. 2015")
    feedback: bool = option(False, "Read the network's last output, in place of a linear layer.",
                            source="Jordan 1986")
    sampling: float = option(0.0, "Share of training steps that read the network's own output, with "
                             "feedback.", least=0, most=1, source="Bengio et al. 2015")
    rare_dropout: float = option(0.0, "Word dropout of words that occur once in training.", **RATE,
                                 source="Lample et al. 2016")
    recurrent_dropout: float = option(0.0, "Dropout rate of the recurrent layers' states.", **RATE,
                                      source="Gal & Ghahramani 2016")
    ngrams: int = option(1 << 13, "With intents the largest number of buckets of word and character "
                         "n-grams, whose linear model is added; 0 for none.", least=0,
                         source="Cheng et al. 2016")
    intent_weight: float = option(1.0, "Weight of a sentence's intent in the loss, beside its tags.",
                                  least=0, source="Liu & Lane 2016")

    def __post_init__(self):
        super().__post_init__()
        if self.crf and self.feedback:
            raise ValueError("feedback: expected no crf beside it, since each makes a tag depend on the "
                             "last")
        if self.truncate is not None and self.feedback:
            raise ValueError("truncate: expected no feedback beside it, through which an error flows too")
        if self.features and self.feedback:
            raise ValueError("feedback: expected no features beside it, since its last layer reads "
                             "states alone")
        if not self.layers and not self.feedback and not self.features:
            raise ValueError("layers: expected at least 1, or feedback or features, received 0")


@dataclasses.dataclass(frozen=True)
class GeneratorOptions(NetworkOptions, units=512, embedding=128):
    """Of `zoo.models.language_model.Generator`."""

    word_dropout: float = option(0.0, "Rate at which a symbol's embedding is dropped, wherever it occurs "
                                 "in a batch.", **RATE, source="Gal & Ghahramani 2016")
    vector: str = option("first", "Where a label's vector enters: the first states are made of it, are "
                         "copied from it, or it is read at every step.", names.USES)
    tied: bool = option(False, "One matrix reads and predicts.", source="Press & Wolf 2017")
    cutoffs: tuple = option((), "Where the clusters of an adaptive softmax begin, for large "
                            "vocabularies: 2000,10000.", of=int, least=1, source="Grave et al. 2017")
    layer_dropout: float = option(0.0, "Dropout rate between recurrent layers.", **RATE)
    recurrent_dropout: float = option(0.0, "Dropout rate of the recurrent layers' states.", **RATE,
                                      source="Gal & Ghahramani 2016")
    weight_drop: float = option(0.0, "Share of the recurrent weights that are dropped (DropConnect).",
                                **RATE, source="Merity et al. 2018")
    activation_penalty: float = option(0.0, "Weight of the penalty on large activations.", least=0,
                                       source="Merity et al. 2018")
    temporal_penalty: float = option(0.0, "Weight of the penalty on activations that change.", least=0,
                                     source="Merity et al. 2018")


@dataclasses.dataclass(frozen=True)
class TranslatorOptions(NetworkOptions, units=512, embedding=256):
    """Of `zoo.models.translator.Translator`."""

    word_dropout: float = option(0.0, "Rate at which a word's embedding is dropped, wherever it occurs "
                                 "in a batch.", **RATE, source="Gal & Ghahramani 2016")
    attention: str = option("general", "How attention scores a position of the source.",
                            names.ATTENTIONS, source="Bahdanau et al. 2015; Luong et al. 2015")
    feeds: str = option("nothing", "What attention feeds back into the states; nothing trains fastest.",
                        names.FEEDS, source="Luong et al. 2015; Bahdanau et al. 2015")
    coverage: bool = option(False, "Let the additive score see where attention looked before.",
                            source="Tu et al. 2016")
    context: str = option("last", "How the encoder's states become the vector where the decoder starts.",
                          names.FORMS)
    vector: str = option("first", "Where that vector enters without attention: the first states are made "
                         "of it, are copied from it (with nobidirectional and notied), or it is read at "
                         "every step.", names.USES,
                         source="Sutskever et al. 2014; Cho et al. 2014")
    bidirectional: bool = option(True, "Read the source in both directions, each in half of the units.")
    residual: bool = option(False, "Add a layer's input to its output.", source="Wu et al. 2016")
    tied: bool = option(True, "One matrix embeds the target's words and predicts them.",
                        source="Press & Wolf 2017")
    layer_dropout: float = option(0.0, "Dropout rate between layers, and before attention.", **RATE)
    recurrent_dropout: float = option(0.0, "Dropout rate of the recurrent layers' states.", **RATE,
                                      source="Gal & Ghahramani 2016")
    weight_drop: float = option(0.0, "Share of the recurrent weights that are dropped (DropConnect).",
                                **RATE, source="Merity et al. 2018")
    label_smoothing: float = option(0.0, "Share of a target's probability spread over all words.",
                                    **RATE, source="Szegedy et al. 2016")
    sampling: float = option(0.0, "Scheduled sampling: share of the words read in training that the "
                             "network predicted itself.", least=0, most=1,
                             source="Bengio et al. 2015; Mihaylova & Martins 2019")

    def __post_init__(self):
        super().__post_init__()
        if self.bidirectional and self.units % 2:
            raise ValueError(f"units: expected an even number to read both ways, received {self.units}")
        if self.coverage and self.attention not in ("additive", "concat"):
            raise ValueError("coverage: expected attention='additive' with it, received "
                             f"{self.attention!r}")
        if self.truncate is not None and self.attention != "none" and (
                self.coverage or self.feeds != "nothing"):
            raise ValueError("truncate: expected feeds='nothing' and no coverage with it, which make the "
                             f"decoder one loop, received feeds={self.feeds!r}, coverage={self.coverage}")
        if self.vector == "copied" and self.attention != "none":
            raise ValueError("vector: expected attention='none' with 'copied', received "
                             f"{self.attention!r}")
