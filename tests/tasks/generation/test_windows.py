"""Training over a running text: what is read, what is predicted, what is carried."""

import numpy as np
import pytest
import tensorflow as tf

from tasks.generation.windows import Stateful, windows
from zoo.models.language_model import Generator

IDS = np.arange(100, 203)


@pytest.mark.parametrize("varied", [False, True])
def test_every_symbol_is_predicted_once_from_the_one_before(varied):
    batches = list(windows(IDS, 2, batch_size=5, length=8, seed=1, epoch=0, varied=varied))
    read = np.concatenate([batch.inputs["ids"] for batch in batches], 1)
    targets = np.concatenate([batch.targets for batch in batches], 1)
    np.testing.assert_array_equal(targets, IDS[:100].reshape(5, 20))
    np.testing.assert_array_equal(read[:, 1:], targets[:, :-1])
    assert set(read[:, 0]) == {2}
    assert [bool(batch.inputs["fresh"].all()) for batch in batches] == [True] + [False] * (
        len(batches) - 1)
    assert sum(batch.count for batch in batches) == sum(batch.tokens for batch in batches) == 100


def test_varied_windows_vary_with_seed_and_epoch_alone():
    def lengths(seed, epoch):
        batches = windows(np.arange(20000), 2, 2, 50, seed, epoch, varied=True)
        return [batch.targets.shape[1] for batch in batches]

    assert lengths(0, 0) == lengths(0, 0) != lengths(0, 1) != lengths(1, 1)
    assert abs(np.median(lengths(0, 0)) - 50) < 4 and min(lengths(0, 0)[:-1]) >= 5


def test_a_text_shorter_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="at least 200 symbols .* received 103; lower batch_size"):
        windows(IDS, 2, batch_size=200, length=8, seed=0, epoch=0)


def test_states_go_on_until_a_row_starts_anew():
    network = Generator(9, units=4, embedding=3)
    model = Stateful(network, 2)
    ids = np.random.default_rng(0).integers(2, 9, [2, 12])
    whole, _ = network({"ids": tf.constant(ids)})

    def call(first, last, fresh):
        return model({"ids": tf.constant(ids[:, first:last]), "fresh": tf.fill([2], fresh)})

    call(4, 9, 1.0)
    for fresh, (first, last) in ((1.0, (0, 5)), (0.0, (5, 12))):
        np.testing.assert_allclose(call(first, last, fresh), whole[:, first:last], atol=1e-6)


def test_the_carried_states_are_saved_and_not_trained():
    model = Stateful(Generator(9, units=4, embedding=3), 2)
    states = [variable for variable in model.variables if variable.shape == (2, 4)]
    assert len(states) == 2 and not any(variable.trainable for variable in states)
    assert len(model.trainable_variables) == len(model.network.trainable_variables)
