"""The adaptive softmax against its definition in float64, and its loss against the full distribution."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.adaptive_softmax import AdaptiveSoftmax

V, D, N = 12, 8, 9
CUTOFFS = [[5, 8], [1], [2, 3, 11]]
TARGETS = np.array([3, 4, 5, 7, 8, 11, 1, 10, 2])


def layer(cutoffs=(5, 8), tied=False, **options):
    """With random weights, and an embedding if it is tied."""
    softmax, random = AdaptiveSoftmax(V, cutoffs, tied=tied, **options), np.random.default_rng(0)
    softmax.build((None, D))
    softmax.set_weights([random.normal(size=weight.shape) for weight in softmax.weights])
    return softmax, *[tf.Variable(random.normal(size=[V, D]).astype("float32"))] * tied


def inputs(rows=N):
    return np.random.default_rng(1).normal(size=[rows, D]).astype("float32")


def loss_of(softmax, h, targets, *embeddings):
    """Of rows, as one sequence."""
    return softmax.loss(tf.convert_to_tensor(h)[None], tf.constant(targets, tf.int32)[None], *embeddings)


def softmax_of(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def expected(softmax, h, embeddings=None):
    """p(w|h) of every word, one by one."""
    weights = {weight.name: np.float64(weight) for weight in softmax.weights}
    bounds, h = [*softmax.cutoffs, V], np.float64(h)
    if embeddings is None:
        kernel = weights["kernel_0"]
    else:
        table = np.float64(embeddings)
        kernel = np.concatenate([table[:bounds[0]], weights["kernel_clusters"]])
    head, p = softmax_of(h @ kernel.T + weights["bias_0"]), np.zeros([len(h), V])
    p[:, :bounds[0]] = head[:, :bounds[0]]
    for n, (low, high) in enumerate(zip(bounds, bounds[1:]), 1):
        if embeddings is None:
            logits = h @ weights[f"projection_{n}"] @ weights[f"kernel_{n}"].T
        else:
            logits = h @ table[low:high].T
        p[:, low:high] = head[:, [bounds[0] + n - 1]] * softmax_of(logits + weights[f"bias_{n}"])
    return p


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_probabilities_are_those_of_the_definition_and_sum_to_one(cutoffs, tied):
    softmax, *embeddings = layer(cutoffs, tied)
    found = np.exp(softmax(inputs(), *embeddings))
    np.testing.assert_allclose(found, expected(softmax, inputs(), *embeddings), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cutoffs", CUTOFFS)
def test_the_targets_log_probability_is_that_of_the_full_distribution(cutoffs, tied):
    softmax, *embeddings = layer(cutoffs, tied)
    found = softmax.log_probability(inputs()[None], TARGETS[None], *embeddings)[0]
    wanted = np.log(expected(softmax, inputs(), *embeddings)[np.arange(N), TARGETS])
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_allclose(loss_of(softmax, inputs(), TARGETS, *embeddings), -wanted.sum(), rtol=1e-4)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("targets", [TARGETS, [4, 1, 2, 3, 4, 4, 1, 2, 3], [8] * N], ids=str)
def test_gradients_are_those_of_the_full_distribution(targets, tied):
    """Where no target is in a cluster, nothing reaches its weights."""
    softmax, *embeddings = layer(tied=tied)
    h = tf.Variable(inputs())
    weights = [h, *embeddings, *softmax.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        loss = loss_of(softmax, h, targets, *embeddings)
        full = -tf.reduce_sum(tf.gather(softmax(h, *embeddings), targets, batch_dims=1))
    for found, wanted in zip(tape.gradient(loss, weights), tape.gradient(full, weights)):
        np.testing.assert_allclose(tf.convert_to_tensor(found), wanted, rtol=1e-4, atol=1e-5)


def test_padding_costs_and_teaches_nothing():
    softmax, = layer()
    h, targets = tf.Variable(inputs()), np.where(np.arange(N) % 2, TARGETS, 0)
    with tf.GradientTape() as tape:
        loss = loss_of(softmax, h, targets)
    np.testing.assert_allclose(loss, loss_of(softmax, inputs()[1::2], TARGETS[1::2]), rtol=1e-5)
    assert not tf.convert_to_tensor(tape.gradient(loss, h)).numpy()[::2].any()
    assert not softmax.log_probability(inputs()[None], targets[None])[0, ::2].numpy().any()


def test_a_tail_is_computed_only_for_the_rows_that_fall_in_it():
    """Numbers that are none in its weights would spoil all that they meet."""
    softmax, = layer()
    wanted = loss_of(softmax, inputs()[TARGETS < 8], TARGETS[TARGETS < 8])
    softmax.kernels[2].assign(np.full(softmax.kernels[2].shape, np.nan))
    assert loss_of(softmax, inputs()[TARGETS < 8], TARGETS[TARGETS < 8]) == wanted
    assert np.isnan(loss_of(softmax, inputs(), TARGETS))


@pytest.mark.parametrize("factor, widths", [(1, [8, 8]), (2, [4, 2]), (4, [2, 1]), (100, [1, 1])])
def test_tails_narrow_by_the_factor(factor, widths):
    softmax, = layer(factor=factor)
    assert [projection.shape for projection in softmax.projections] == [(D, width) for width in widths]
    assert [kernel.shape for kernel in softmax.kernels] == [(7, 8), (3, widths[0]), (4, widths[1])]


def test_it_learns_how_often_words_come():
    """From an h that says nothing the best answer is the words' shares."""
    softmax, optimizer = AdaptiveSoftmax(V, [5, 8]), keras.optimizers.Adam(.1)
    counts = np.array([9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1, 1])
    counts[0] = 0   # padding is never a target
    h, targets = tf.zeros([counts.sum(), D]), np.repeat(np.arange(V), counts)
    softmax.build(h.shape)
    optimizer.build(softmax.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(softmax, h, targets)
        variables = softmax.trainable_variables
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        optimizer.apply(gradients, variables)

    for _ in range(200):
        step()
    np.testing.assert_allclose(np.exp(softmax(h[:1])[0]), counts / counts.sum(), rtol=.02, atol=1e-3)


@pytest.mark.parametrize("tied", [False, True])
def test_mixed_precision_sums_in_float32(tied):
    softmax, *embeddings = layer(tied=tied, dtype="mixed_bfloat16")
    log_p = softmax(inputs(), *embeddings)
    assert log_p.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(log_p), 1), 1, rtol=1e-5)
    found = loss_of(softmax, inputs(), TARGETS, *embeddings)
    np.testing.assert_allclose(found, -log_p.numpy()[np.arange(N), TARGETS].sum(), rtol=1e-5)


@pytest.mark.parametrize("cutoffs", [[], [0], [5, 5], [8, 5], [V], [2.5]], ids=str)
def test_cutoffs_out_of_range_are_refused(cutoffs):
    with pytest.raises(ValueError, match="cutoffs: expected rising numbers between 1 and 11, received"):
        AdaptiveSoftmax(V, cutoffs)


def test_a_factor_below_one_and_wrong_embeddings_are_refused():
    with pytest.raises(ValueError, match="factor: expected 1 or more, received 0.5"):
        AdaptiveSoftmax(V, [5], factor=.5)
    with pytest.raises(ValueError, match="expected a table .* received none"):
        layer(tied=True)[0](inputs())
    with pytest.raises(ValueError, match="expected none .* received some"):
        loss_of(layer()[0], inputs(), TARGETS, np.zeros([V, D]))


def test_a_keras_file_keeps_weights_and_settings(tmp_path):
    h = keras.Input((D,))
    softmax, = layer(factor=2)
    model = keras.Model(h, softmax(h))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs()), softmax(inputs()))
    assert AdaptiveSoftmax.from_config(softmax.get_config()).factor == 2
