"""What follows the gradients: one operation and many give the same step, that of AdamW's formula."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.training.average import Average
from tasks.training.optimizer import Adam
from tasks.training.update import update
from zoo.engines.native import adam, build, ops

# An embedding of several pieces, vectors with a rest, single numbers, nothing.
SHAPES = [(300, 70), (5, 7), (16384,), (3,), (), (0, 4)]
OPTIONS = {"beta_1": 0.8, "beta_2": 0.97, "epsilon": 1e-3}


@pytest.fixture(params=("one operation", "many operations"))
def way(request, monkeypatch):
    if request.param == "many operations":
        monkeypatch.setenv("ZOO_NATIVE", "0")
    else:
        needs_the_engine()
    return request.param


@pytest.fixture
def engine():
    needs_the_engine()


def needs_the_engine():
    try:
        build.find_compiler()
    except build.BuildError as error:
        pytest.skip(str(error))
    if ops.unmet_here():
        pytest.skip(f"the native engine needs {ops.unmet_here()}")
    assert adam.unmet([]) is None


def draws(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES]


def trained(steps, decay=0.0, limit=0.0, average=0.0, rate=0.1, change=lambda gradients: gradients):
    """The weights, the optimizer, the average and the norms after some steps."""
    weights = [keras.Variable(array) for array in draws(0)]
    optimizer = Adam(rate, weight_decay=decay or None, **OPTIONS)
    if decay:
        optimizer.exclude_from_weight_decay(var_list=weights[2:4])
    optimizer.build(weights)
    kept = Average(weights, average)
    norms = [update(optimizer, weights, [tf.constant(g) for g in change(draws(1 + n))], limit, kept)
             for n in range(steps)]
    return weights, optimizer, kept, norms


def adamw(steps, decay=0.0, limit=0.0, average=0.0, rate=0.1):
    """The same in NumPy: Loshchilov & Hutter 2019, algorithm 2; Kingma & Ba 2015, end of section 2."""
    weights = [array.astype("float64") for array in draws(0)]
    m, v, kept = ([k * array for array in weights] for k in (0, 0, 1))
    norms = []
    for t in range(1, steps + 1):
        gradients = [array.astype("float64") for array in draws(t)]
        norms.append(np.sqrt(sum((g ** 2).sum() for g in gradients)))
        scale = min(1, limit / norms[-1]) if limit else 1
        keep = min(average, (1 + t) / (10 + t))
        for k, g in enumerate(gradients):
            m[k] = OPTIONS["beta_1"] * m[k] + (1 - OPTIONS["beta_1"]) * scale * g
            v[k] = OPTIONS["beta_2"] * v[k] + (1 - OPTIONS["beta_2"]) * (scale * g) ** 2
            alpha = rate * np.sqrt(1 - OPTIONS["beta_2"] ** t) / (1 - OPTIONS["beta_1"] ** t)
            shrunk = weights[k] * (1 - rate * decay * (k not in (2, 3)))
            weights[k] = shrunk - alpha * m[k] / (np.sqrt(v[k]) + OPTIONS["epsilon"])
            kept[k] = keep * kept[k] + (1 - keep) * weights[k]
    return weights, m, v, kept, norms


def assert_close(found, wanted):
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), two, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("average", (0.0, 0.3))
@pytest.mark.parametrize("limit", (0.0, 3.0, 1e6), ids=("never", "clipped", "not reached"))
@pytest.mark.parametrize("decay", (0.0, 0.5))
def test_steps_are_those_of_adamw(way, decay, limit, average):
    weights, optimizer, kept, norms = trained(4, decay, limit, average)
    wanted_weights, m, v, wanted_average, wanted_norms = adamw(4, decay, limit, average)
    assert_close(norms, wanted_norms)
    assert_close(weights, wanted_weights)
    assert_close(optimizer._momentums, m)
    assert_close(optimizer._velocities, v)
    assert_close(kept.variables, wanted_average if average else [])
    assert int(optimizer.iterations) == 4


def test_the_learning_rate_is_that_of_the_step(way):
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.0])
    one, two = trained(1, decay=0.5, rate=rates)[0], trained(3, decay=0.5, rate=rates)[0]
    assert all(np.array_equal(a, b) for a, b in zip(one, two))
    assert_close(one, adamw(1, decay=0.5)[0])


def test_gradients_of_nothing_move_nothing(way):
    weights, *_, norms = trained(2, limit=1.0, change=lambda gradients: [0 * g for g in gradients])
    assert norms[0] == 0 and all(np.array_equal(a, b) for a, b in zip(weights, draws(0)))


@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_a_gradient_that_is_not_finite_shows_in_the_norm(way, value):
    def spoil(gradients):
        gradients[1][2, 3] = value
        return gradients
    weights, *_, norms = trained(1, limit=1.0, change=spoil)
    np.testing.assert_equal(float(norms[0]), value)
    assert np.isnan(weights[1][2, 3])


def test_a_result_does_not_depend_on_the_threads(engine, monkeypatch):
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(ops, "threads", lambda: threads)
        weights, _, kept, norms = trained(3, 0.1, 1.0, 0.9)
        results.append([np.asarray(a).tobytes() for a in (*weights, *kept.variables, *norms)])
    assert results[0] == results[1] == results[2]


def test_weights_that_were_read_before_stay_as_they_were(engine):
    weights = [keras.Variable(array) for array in draws(0)]
    optimizer = Adam(0.1)
    optimizer.build(weights)
    read = [weight.value.read_value() for weight in weights]
    update(optimizer, weights, [tf.constant(g) for g in draws(1)], 0.0, Average(weights, 0.9))
    assert all(np.array_equal(a, b) for a, b in zip(read, draws(0)))


def operations(weights, optimizer):
    """The types of the operations in the graph of an update."""
    optimizer.build(weights)
    function = tf.function(lambda: update(
        optimizer, weights, [tf.ones_like(weight.value) for weight in weights], 1.0,
        Average([], 0.0)))
    return {op.type for op in function.get_concrete_function().graph.get_operations()}


def in_one(types):
    return any(name.startswith("ZooAdam") for name in types)


def test_one_operation_takes_the_place_of_many(engine):
    types = operations([keras.Variable(np.ones((3, 2)), dtype="float32")], Adam(0.1, weight_decay=0.1))
    assert in_one(types) and not types & {"ResourceApplyAdam", "L2Loss", "AssignSubVariableOp"}


class Other(Adam):
    """One that may have changed the formula."""


@pytest.mark.parametrize("kind, dtype, options", [
    (Adam, "float64", {}), (Adam, "bfloat16", {}), (Adam, "float32", {"amsgrad": True}),
    (Adam, "float32", {"clipvalue": 0.5}), (Adam, "float32", {"use_ema": True}),
    (Other, "float32", {}), (keras.optimizers.SGD, "float32", {})])
def test_what_the_operation_does_not_know_goes_its_old_way(engine, kind, dtype, options):
    weights = [keras.Variable(np.ones((3, 2)), dtype=dtype)]
    assert not in_one(operations(weights, kind(0.1, **options)))


def test_constraints_are_kept(engine):
    layer = keras.layers.Dense(2, kernel_constraint="non_neg")
    layer.build((None, 3))
    assert not in_one(operations(layer.trainable_variables, Adam(0.1)))


def test_the_environment_turns_it_off(engine, monkeypatch):
    monkeypatch.setenv("ZOO_NATIVE", "0")
    assert not in_one(operations([keras.Variable(np.ones((3, 2)), dtype="float32")], Adam(0.1)))
    assert "ZOO_NATIVE" in adam.unmet([])


def test_gradients_that_do_not_fit_are_an_error_not_a_crash(engine):
    variables = [[tf.Variable(array)] for array in 4 * [np.ones(40, "float32")]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a weight of 3 elements, received 40"):
        adam.step([tf.ones(3)], *variables, [0.1, 0.0, 0.1], limit=0.0, decayed=[False], **OPTIONS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="rate, decay and share of 3 elements"):
        adam.step([tf.ones(40)], *variables, [0.1], limit=0.0, decayed=[False], **OPTIONS)


def test_a_weight_that_asks_for_it_moves_as_by_adagrad():
    start, gradients = np.ones([3, 2], np.float32), np.array([[[1, 0], [2, -3], [0, 0]],
                                                              [[1, 1], [-2, 0], [0, 0]]], np.float32)
    weight, other = keras.Variable(start), keras.Variable(start)
    weight.adagrad = 50.0
    optimizer = Adam(0.01)
    optimizer.build([weight, other])
    w, v = start.astype("float64"), np.zeros([3, 2])
    for g in gradients:
        update(optimizer, [weight, other], [tf.constant(g)] * 2, 0.0, Average([], 0))
        v += g ** 2.0
        w -= 50 * 0.01 * g / np.sqrt(v + 1e-6)
    np.testing.assert_allclose(np.array(weight), w, rtol=1e-5)
    assert np.abs(np.array(other) - 1).max() < 0.03
