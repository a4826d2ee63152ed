"""Everything it takes to translate texts: network and the text processing of both languages."""

import tensorflow as tf

from zoo.beam_search import beam_search, spread
from zoo.heads import Head, Reader, batch, signature
from zoo.subwords import GENERATED
from zoo.text import RESERVED
from zoo.text_pair import TextPair

WIDTH, ALPHA = 5, 0.75  # of the beam search, where nobody says others
MORE = 10               # symbols that a translation may have beyond `longest` times those of the source
IDS = tf.TensorSpec([None, None], tf.int32, "ids")
TEXT = tf.TensorSpec([None], tf.string, "text")
DEFAULTS = {"width": WIDTH, "alpha": ALPHA}
BEAM = {"width": tf.TensorSpec([], tf.int32, "width"), "alpha": tf.TensorSpec([], tf.float32, "alpha")}


class TextTranslator(Head):
    """Everything it takes to translate texts.

        translation = argmax_y log p(y | x)/L^α,    y ends in [END]

    With attention, an unknown word of the translation is the source's word that has the largest weight;
    without, a translation has none.

    Args:    network  a `zoo.translator.Translator`;   text  a `zoo.text_pair.TextPair`
             longest  a translation of S symbols has at most longest·S + MORE
    """

    name, text_class, settings = "translator", TextPair, ("longest",)

    def __init__(self, network, text, longest=2):
        self.network, self.text, self.longest = network, text, longest
        said = [text.target.end, *[RESERVED.index("[UNK]")] * network.attends]
        self.never = [n for n in range(len(GENERATED)) if n not in said]

    def assets(self):
        """{file name: text}: all that it takes to ask the exported files and to read their answers."""
        return {"model.json": self.description(), **self.text.files()}

    def readers(self):
        """One a language."""
        network, text = self.network, self.text
        decoder = network.decoder.decoder if network.attends else network.decoder
        return [Reader(network.embedding, text.source.vocabulary, network.recurrent.layers),
                Reader(network.target_embedding, text.target.vocabulary, decoder.layers)]

    # Reading.

    def ids(self, text):
        """strings [B] → ids [B, S]."""
        return self.text.source.dense(batch(text))

    def embed(self, text):
        """What the encoder makes of strings [B]: {"representation" [B, C]}."""
        return {"representation": self.network.read(self.ids(text))[1]}

    # Writing.

    def search(self, ids, width=WIDTH, alpha=ALPHA, **settings):
        """Ids [B, S] → the n best translations of each, as ids; see `zoo.beam_search`."""
        source, states = self.network.encode(ids)
        source = {name: spread(tensor, width) for name, tensor in source.items()}
        start, mask = self._start(ids), {"source_mask": ids > 0} if self.network.attends else {}
        most = self.longest * tf.reduce_sum(tf.cast(ids > 0, tf.int32), 1) + MORE
        return beam_search(
            lambda said, states: self.network.step(said, states, source), start, states, width, most,
            [self.text.target.end], alpha, forbidden=self.never, **mask, **settings)

    def _start(self, ids):
        """What is read first: [B]."""
        return tf.fill(tf.shape(ids)[:1], self.text.target.start)

    def n_best(self, text, width=WIDTH, alpha=ALPHA, banned=None, required=None, **settings):
        """Strings [B] → their n best translations.

        Args:    width, alpha      of the beam search, scalars
                 banned, required  None, or phrases [N], strings, that no translation contains, or all
                 settings          others of `zoo.beam_search.beam_search`: n_best, minimum_length,
                                   coverage_penalty
        Returns: {"translations" [B, n], "scores" [B, n], with attention "tokens" [B, n, T],
                 "source_tokens" [B, S], "alignments" [B, n, T, S]}; "" where fewer are found
        """
        ids = self.ids(text)
        phrases = {"banned": banned, "required": required}
        given = {name: self.text.target.dense(batch(said))
                 for name, said in phrases.items() if said is not None}
        found = self.search(ids, width, alpha, **given, **settings)
        pieces, shown = self.pieces(found, text), {}
        if self.network.attends:
            words = self._words(text)[:, :tf.shape(ids)[1]]
            shown = {"tokens": pieces, "source_tokens": self.text.source.pieces(ids, words),
                     "alignments": found["alignments"]}
        return {"translations": self.text.target.joined(pieces), "scores": found["scores"], **shown}

    def pieces(self, found, text):
        """What each symbol that was found adds to the translations: [B, n, T] tf.string."""
        target, unknown = self.text.target, None
        if self.network.attends:
            looked_at = tf.argmax(found["alignments"], -1, tf.int32)
            word = tf.strings.strip(tf.gather(self._words(text), looked_at, batch_dims=1))
            unknown = word if target.tokenizer == "character" else tf.strings.join([" ", word])
        return target.pieces(found["ids"], unknown)

    def _words(self, text):
        """The source's words, and one that is empty: [B, S + 1]."""
        words = self.text.source.words(batch(text)).to_tensor("")
        return tf.pad(words, [[0, 0], [0, 1]], constant_values="")

    def answer_text(self, text):
        """Strings [B] → {"translation" [B], "score" [B]}: the best of WIDTH."""
        found = self.n_best(text, n_best=1)
        return {"translation": found["translations"][:, 0], "score": found["scores"][:, 0]}

    @staticmethod
    def readable(row, facts):
        """An answer's row for people."""
        translation = row["translation"].decode("utf-8", "replace")
        return {"translation": translation, "score": float(row["score"])}

    def score(self, ids, target):
        """log p of translations: ids [B, S], target [B, T] with its end → [B, T], 0 at padding."""
        read = tf.concat([tf.expand_dims(self._start(target), 1), target[:, :-1]], 1)
        return self.network.log_probability(self.network({"source": ids, "target": read}), target)

    # Signatures.

    def signatures(self):
        """The serving signatures. All tensors are batch first but `width` and `alpha`: scalars."""
        return {"serving_default": signature(self.answer_text, text=TEXT),
                "n_best": signature(self.n_best, DEFAULTS, text=TEXT, **BEAM),
                "embed": signature(self.embed, text=TEXT), **self.lite_signatures()}

    def lite_signatures(self):
        """Numbers in: `ids` scores translations, `init` is the encoder; one step; greedy and beam."""
        network = self.network
        sources = {"source": tf.TensorSpec([None, None], tf.int32, "source")} if network.attends else {}
        sources |= {name: tf.TensorSpec([None, *shape], tf.float32, name)
                    for name, shape in network.source_shapes.items()}
        states = {f"state_{n}": tf.TensorSpec([None, size], tf.float32, f"state_{n}")
                  for n, size in enumerate(network.state_sizes)}

        def init(ids):
            source, first = network.encode(ids)
            return {**source, **dict(zip(states, first))}

        def step(ids, **given):
            logits, after, *weights = network.step(
                ids, [given[name] for name in states], {name: given[name] for name in sources})
            return {"log_probability": tf.nn.log_softmax(logits), **dict(zip(states, after)),
                    **dict(zip(["weights"], weights))}

        def beam(ids, width, alpha):
            found = self.search(ids, width, alpha)
            return {name: found[name] for name in ("ids", "lengths", "scores", "alignments")
                    if name in found}

        return {"ids": signature(lambda ids, target: {"log_probability": self.score(ids, target)},
                                 ids=IDS, target=tf.TensorSpec([None, None], tf.int32, "target")),
                "init": signature(init, ids=IDS),
                "step": signature(step, ids=tf.TensorSpec([None], tf.int32, "ids"), **sources, **states),
                "greedy": signature(lambda ids: beam(ids, 1, 0.0), ids=IDS),
                "beam": signature(beam, DEFAULTS, ids=IDS, **BEAM)}

    def questions(self, strings):
        """What to verify the signatures with."""
        ids, beam = self.ids(strings), {"width": tf.constant(WIDTH), "alpha": tf.constant(ALPHA)}
        source, states = self.network.encode(ids)
        given = {f"state_{n}": state for n, state in enumerate(states)}
        target = tf.fill(tf.shape(ids), self.text.target.end)
        return {"serving_default": {"text": strings}, "n_best": {"text": strings, **beam},
                "embed": {"text": strings}, "ids": {"ids": ids, "target": target}, "init": {"ids": ids},
                "step": {"ids": self._start(ids), **source, **given}, "greedy": {"ids": ids},
                "beam": {"ids": ids, **beam}}
