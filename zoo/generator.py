"""Language models: the next symbol of a text (N→N), or a whole text from a label (1→N)."""

import keras
import tensorflow as tf

from zoo.adaptive_softmax import AdaptiveSoftmax
from zoo.decoder import Decoder
from zoo.embedding import Embedding, WordEmbedding
from zoo.heads import CELLS, check_recurrence
from zoo.softmax import Softmax


@keras.saving.register_keras_serializable("zoo")
class Generator(keras.Model):
    """Symbols so far to the probabilities of the next: an embedding, recurrent layers, one linear layer.

        x_t = E[w_t]     h_t, s_t = f(x_t, s_{t-1})     p(w_{t+1} | w_1 … w_t) = softmax(h_t·V + b)

    With `tied` weights V is Eᵀ, and the last layer as wide as the embedding. With `labels` a text follows
    from one: the row c of an embedding of labels is, as `zoo.decoder` has it, where the states start
    (`vector` "first") or a part of every input ("every").

    While it is trained, two terms beside the loss keep the activations small and slow:

        α · mean(m ⊙ h)²  +  β · mean(h_t − h_{t-1})²          m the dropout mask of h

    Args:    vocabulary_size     rows of E; id 0 is padding, never predicted
             labels              names of what a text may follow from
             vector              "first" or "every"
             cell                "simple", "gru" or "lstm"
             units, layers       width of a layer, how many
             embedding           width of the embedding
             tied                one matrix reads and predicts
             cutoffs             those of an adaptive softmax in place of the linear layer; costs less to
                                 train where symbols are numbered by falling frequency; empty: none
             word_dropout        rate at which a symbol's row of E is dropped, everywhere in a batch
             embedding_dropout   rate at which a coordinate is dropped from a whole window
             layer_dropout       the same between layers;   output_dropout  before the linear layer
             recurrent_dropout   the same for the states
             weight_drop         share of the recurrent weights that are dropped (DropConnect)
             activation_penalty, temporal_penalty  α and β
             engine              see `zoo.engines`
    Call:    {"ids" [B, T], with labels "label" [B]} int32, states (a list, each [B, H]; by default those
             where a text starts), there ([B, T] bool: which ids are no padding; by default all)
             → h [B, T, H], states after the last id
    Raises:  ValueError: an unknown cell, a rate outside [0, 1), cutoffs that do not rise
    Source:  Elman 1990; Mikolov et al. 2010; Zaremba et al. 2014; Press & Wolf 2017 (tied weights);
             Merity et al. 2018 (DropConnect and both penalties); Gal & Ghahramani 2016; Grave et al. 2017
             (cutoffs)

    >>> network = Generator(10, units=4, embedding=3)
    >>> h, states = network({"ids": tf.constant([[2, 3, 4]])})
    >>> tuple(network.logits(h).shape), [tuple(state.shape) for state in states]
    ((1, 3, 10), [(1, 4), (1, 4)])
    """

    def __init__(self, vocabulary_size, labels=(), vector="first", cell="lstm", units=512, layers=1,
                 embedding=128, tied=False, cutoffs=(), word_dropout=0.0, embedding_dropout=0.0,
                 layer_dropout=0.0, output_dropout=0.0, recurrent_dropout=0.0, weight_drop=0.0,
                 activation_penalty=0.0, temporal_penalty=0.0, engine="auto", **kwargs):
        super().__init__(**kwargs)
        self.options = {
            "vocabulary_size": vocabulary_size, "labels": list(labels), "vector": vector, "cell": cell,
            "units": units, "layers": layers, "embedding": embedding, "tied": tied,
            "cutoffs": list(cutoffs), "word_dropout": word_dropout,
            "embedding_dropout": embedding_dropout, "layer_dropout": layer_dropout,
            "output_dropout": output_dropout, "recurrent_dropout": recurrent_dropout,
            "weight_drop": weight_drop, "activation_penalty": activation_penalty,
            "temporal_penalty": temporal_penalty, "engine": engine}
        check_recurrence(cell, layers)
        self.embedding = WordEmbedding(vocabulary_size, embedding, word_dropout, embedding_dropout)
        self.label_embedding = Embedding(len(labels), embedding) if labels else None
        widths = [units] * (layers - 1) + [embedding if tied else units]
        self.decoder = Decoder(
            [CELLS[cell](width, recurrent_dropout=recurrent_dropout, weight_drop=weight_drop,
                         engine=engine) for width in widths],
            vector if labels else "first", layer_dropout)
        self.output_dropout = keras.layers.SpatialDropout1D(output_dropout)
        self.softmax = AdaptiveSoftmax(vocabulary_size, cutoffs, tied=tied) if cutoffs else Softmax(
            vocabulary_size, tied)
        self.build()

    def build(self, ids_shape=None):
        """Make all weights: their shapes follow from the options, so a new network is complete."""
        width = self.options["embedding"]
        self.embedding.build((None, None))
        if self.label_embedding:
            self.label_embedding.build((None,))
        self.decoder.build((None, None, width), (None, width) if self.label_embedding else None)
        self.softmax.build((None, None, self.decoder.units))
        self.built = True

    def call(self, inputs, states=None, there=None, training=False):
        if states is None:
            states = self.start(inputs)
        states, vector = self._parted(states)
        h, after = self.decoder(self.embedding(inputs["ids"], training=training), vector,
                                initial_state=states, inputs_mask=there, training=training)
        dropped = self.output_dropout(h, training=training)
        if training:
            self._penalise(h, dropped)
        return dropped, self._joined(after, vector)

    def _penalise(self, h, dropped):
        alpha, beta = self.options["activation_penalty"], self.options["temporal_penalty"]
        if alpha:
            self.add_loss(alpha * tf.reduce_mean(tf.square(dropped)))
        if beta:
            self.add_loss(beta * tf.reduce_mean(tf.square(h[:, 1:] - h[:, :-1])))

    # Where a text starts. With the label's vector at every step, it is carried as one more state.

    def start(self, inputs):
        """The states where the texts of {"ids" [B, …], "label" [B]} start, a list, each [B, H]."""
        if not self.label_embedding:
            return self.decoder.zeros(tf.shape(inputs["ids"])[0])
        vector = self.label_embedding(inputs["label"])
        return self._joined(self.decoder.start(vector), vector)

    @property
    def state_size(self):
        """The widths of all states."""
        carried = self.label_embedding and self.decoder.vector == "every"
        return [*self.decoder.state_size, *[self.options["embedding"]] * bool(carried)]

    def _parted(self, states):
        layers = len(self.decoder.state_size)
        return states[:layers], (states[layers] if len(states) > layers else None)

    def _joined(self, states, vector):
        return [*states, *[vector] * (len(self.state_size) > len(states))]

    def step(self, ids, states):
        """One symbol of each text: ids [B] → logits of the next [B, V], states."""
        states, vector = self._parted(states)
        h, after = self.decoder.step(self.embedding(ids), states, vector)
        return self.logits(h), self._joined(after, vector)

    # What the last layer says about the next symbol.

    def logits(self, h):
        """z [..., V] float32 of h [..., H]; with `cutoffs` they are log p."""
        return self.softmax(h, *self._tied())

    def log_probability(self, h, targets):
        """log p of the targets [B, T], 0 where they are padding."""
        return self.softmax.log_probability(h, targets, *self._tied())

    def loss_of(self, targets, h):
        """−log p of the targets [B, T], summed; by ops that TFLite lacks."""
        return self.softmax.loss(h, targets, *self._tied())

    def _tied(self):
        return [self.embedding.embeddings] * self.options["tied"]

    @property
    def engine_in_use(self):
        """The engine of the recurrent layers."""
        return self.decoder.layers[0].engine_in_use

    def get_config(self):
        return {**super().get_config(), **self.options}
