"""Numbers of words that do not exist: no loss, score or embedding takes them for others."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.adaptive_softmax import AdaptiveSoftmax
from zoo.layers.characters import CharacterCNN
from zoo.layers.embedding import Embedding, WordEmbedding
from zoo.layers.softmax import Softmax
from zoo.models.classifier import Classifier
from zoo.models.tagger import Tagger

V = 9
SOFTMAXES = {"full": lambda: Softmax(V), "adaptive": lambda: AdaptiveSoftmax(V, [3, 6])}
READERS = {"classifier": lambda: Classifier(V, 2, units=3, embedding=3),
           "tagger": lambda: Tagger(V, ["a", "b"], units=3, embedding=3),
           "words": lambda: WordEmbedding(V, 3),
           "characters": lambda: CharacterCNN(V, embedding=3, units=3)}


@pytest.mark.parametrize("target", [-100, -1, V])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_losses_refuse_a_target_that_is_no_word(name, target):
    softmax, h, targets = SOFTMAXES[name](), tf.ones([1, 3, 4]), tf.constant([[2, target, 0]])
    with pytest.raises(ValueError, match=f"targets: expected numbers from 0 to {V - 1}, received "
                                         f"{min(0, target)} to {max(2, target)}"):
        softmax.loss(h, targets)
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets: expected numbers from 0"):
        tf.function(softmax.loss)(h, targets)


@pytest.mark.parametrize("target", [-100, -1, V])
@pytest.mark.parametrize("name", SOFTMAXES)
def test_a_target_that_is_no_word_has_no_probability(name, target):
    keras.utils.set_random_seed(0)
    softmax, h = SOFTMAXES[name](), tf.ones([1, 3, 4])
    found = softmax.log_probability(h, tf.constant([[2, target, 0]])).numpy()
    assert found[0, 1] == -np.inf
    np.testing.assert_array_equal(found[0, [0, 2]], softmax.log_probability(
        h, tf.constant([[2, 5, 0]])).numpy()[0, [0, 2]])


@pytest.mark.parametrize("number", [-1, V])
@pytest.mark.parametrize("name", READERS)
def test_networks_refuse_ids_beyond_their_table(name, number):
    ids = np.array([[2, number, 0]], "int32")
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{number} is not in \[0, {V}\)"):
        READERS[name]()(ids[..., None] if name == "characters" else ids)


@pytest.mark.slow
@pytest.mark.parametrize("number", [-1, V])
def test_where_a_compiler_leaves_out_the_check_an_id_beyond_the_table_is_not_a_number(number):
    embed = tf.function(Embedding(V, 3), jit_compile=True)
    found = embed(tf.constant([2, number])).numpy()
    assert np.isfinite(found[0]).all() and np.isnan(found[1]).all()


def test_ids_may_be_floats_as_in_keras():
    embed = Embedding(V, 3)
    np.testing.assert_array_equal(embed(tf.constant([2.0, 5.0])), embed(tf.constant([2, 5])))
