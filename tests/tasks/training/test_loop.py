"""The training loop, on a tiny network; the children of the kill test run this file as a script."""
import io
import itertools
import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from conftest import ROOT
from tasks.training import loop
from tasks.training.average import Average
from tasks.training.batches import Batch, Batches, bucketed
from tasks.training.optimizer import Adam, learning_rates
from tasks.training.run_directory import Run

TOKENS, EXAMPLES, EPOCHS = 20, 96, 4


def sentences():
    """Ids 1…19 of many lengths, the class being whether the largest id is above 15."""
    rng = np.random.default_rng(1)
    rows = [rng.integers(1, TOKENS, rng.integers(2, 12)) for _ in range(EXAMPLES)]
    return rows, np.array([int(row.max() > 15) for row in rows], np.int32)


def padded(rows, length=0):
    length = max(length, *map(len, rows))
    return np.array([np.pad(row, (0, length - len(row))) for row in rows], np.int32)


def batches(seed=0, size=8):
    rows, labels = sentences()

    def make(indices):
        chosen = [rows[index] for index in indices]
        return Batch(padded(chosen), labels[indices], len(indices), sum(map(len, chosen)))
    return lambda epoch: Batches(
        bucketed([len(row) for row in rows], size, seed, epoch), make)


def tiny(dropout=0.2, seed=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([
        keras.layers.Embedding(TOKENS, 8, mask_zero=True), keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dropout(dropout, seed=5), keras.layers.Dense(2)])


def summed_loss(targets, outputs):
    return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs))


def accuracy(network):
    rows, labels = sentences()
    logits = network(padded(rows)).numpy()
    return {"accuracy": np.mean(logits.argmax(-1) == labels)}


def settings(**changes):
    return loop.Settings(**{"epochs": EPOCHS, "learning_rate": 0.03, "average": 0.9, **changes})


def a_run(folder):
    return Run.open(folder, "toy", {})


def stepper(network, batch, optimizer, clip_norm=0.0):
    network(batch.inputs)
    step = loop.make_step(network, summed_loss, optimizer, clip_norm)
    return step(batch.inputs, batch.targets, tf.constant(float(batch.count)))


# What the children do ------------------------------------------------------------------------

def train_in_child(folder, kill_at=None, while_writing=None, terminate_at=None):
    """Train; die at a batch (counted over the epochs) or in the middle of writing a checkpoint."""
    loop.deterministic(7)
    asked, writes, save = itertools.count(), itertools.count(), np.savez

    def give(epoch):
        data = batches(seed=7)(epoch)

        class Deadly(Batches):
            def __getitem__(self, index):
                number = epoch * len(self) + index
                next(asked)
                if number == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if number == terminate_at:
                    os.kill(os.getpid(), signal.SIGINT)
                return super().__getitem__(index)
        return Deadly(data.groups, data.make)

    def dying_save(file, **arrays):
        if next(writes) == while_writing:
            whole = io.BytesIO()
            save(whole, **arrays)
            file.write(whole.getvalue()[:len(whole.getvalue()) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        save(file, **arrays)

    np.savez = dying_save
    run = Run.open(folder, "toy", {}, environment=loop.environment())
    network = tiny()
    result = loop.train(network, summed_loss, give, accuracy, run,
                        settings(checkpoint_seconds=0.01, weight_decay=0.01))
    np.savez = save
    run.save_checkpoint(loop._arrays({"network": network.variables}),
                        {"losses": [row["loss"] for row in result.history], "batches": next(asked)},
                        "final")


def in_fork(job):
    """Run the job in a forked child (TensorFlow is imported, and not used yet): its exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            job()
            status = 0
        except SystemExit as stop:
            status = stop.code
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder):
    """Prints the exit statuses of an unbroken run and of a broken one."""
    rng = np.random.default_rng()
    steps = EPOCHS * len(batches()(0))
    interrupt, *kills = sorted(rng.choice(np.arange(1, steps), 5, replace=False).tolist())
    unbroken, broken = f"{folder}/unbroken", f"{folder}/broken"
    jobs = [lambda: train_in_child(unbroken),
            lambda: train_in_child(broken, terminate_at=interrupt)]
    jobs += [lambda at=at: train_in_child(broken, kill_at=at) for at in kills]
    jobs += [lambda: train_in_child(broken, while_writing=0), lambda: train_in_child(broken)]
    statuses = [in_fork(job) for job in jobs]
    print(json.dumps({"broken": statuses, "interrupt": interrupt, "kills": kills}))


# The claims ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def children(tmp_path_factory):
    """What `main` printed, and its folder."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork a process")
    folder = tmp_path_factory.mktemp("children")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "",
                   "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True,
                          timeout=1800, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), folder, done


@pytest.mark.slow
def test_a_run_killed_five_times_ends_with_the_weights_of_an_unbroken_one(children):
    report, folder, _ = children
    assert report["broken"] == [0, 130, -9, -9, -9, -9, -9, 0], report
    expected, expected_note = Run(folder / "unbroken").load_checkpoint("final")
    found, note = Run(folder / "broken").load_checkpoint("final")
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()}, report
    assert note["losses"] == expected_note["losses"], report
    assert note["batches"] < expected_note["batches"], "the last process should only do the rest"


@pytest.mark.slow
def test_ctrl_c_prints_one_line_that_says_how_to_go_on(children):
    report, folder, done = children
    lines = [line for line in done.stdout.splitlines() if line.startswith("Stopped")]
    steps = len(batches()(0))
    epochs, rest = divmod(report["interrupt"] + 1, steps)
    if rest:
        assert f"after {epochs} epochs and {rest} steps" in lines[0]
    assert len(lines) == 1 and "same command" in lines[0] and str(folder / "broken") in lines[0]


def test_training_lowers_the_loss_and_reports_every_epoch(tmp_path, capsys):
    result = loop.train(tiny(), summed_loss, batches(), accuracy, a_run(tmp_path), settings())
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < 0.8 * losses[0]
    assert result.epochs == EPOCHS and result.seconds > 0 and result.tokens_per_second > 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == EPOCHS and all("tokens/s" in line and "s left" in line for line in lines)
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header.startswith("epoch,loss,learning_rate,accuracy") and len(rows) == EPOCHS


def test_the_reported_loss_is_the_mean_over_the_examples(tmp_path):
    frozen = settings(epochs=1, learning_rate=1e-12, average=0.0)
    network = tiny(dropout=0.0)
    result = loop.train(network, summed_loss, batches(), accuracy, a_run(tmp_path), frozen)
    rows, labels = sentences()
    expected = summed_loss(labels, network(padded(rows))) / EXAMPLES
    np.testing.assert_allclose(result.history[0]["loss"], expected, rtol=1e-5)


def test_a_finished_run_is_not_trained_again(tmp_path):
    network = tiny()
    first = loop.train(network, summed_loss, batches(), accuracy, a_run(tmp_path), settings())

    def nothing(network):
        raise AssertionError("validated again")
    other = tiny(seed=9)
    again = loop.train(other, summed_loss, batches(), nothing, a_run(tmp_path), settings())
    assert again == first
    for one, two in zip(network.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_one_step_moves_every_trainable_weight(tmp_path):
    training = loop.Training(tiny(dropout=0.0), summed_loss, batches(), settings())
    before = training.network.get_weights()
    training.take(batches(size=EXAMPLES)(0)[0])
    for old, new in zip(before, training.network.get_weights()):
        moved = (old != new).any(axis=-1) if old.ndim > 1 else old != new
        assert moved[1:].all()      # row 0 of the embedding is padding


def test_batches_of_all_sizes_and_lengths_share_one_graph():
    training = loop.Training(tiny(), summed_loss, batches(), settings())
    for size in (1, 5, 8):
        for batch in batches(size=size)(0):
            training.take(batch)
    assert training.progress.count == 3 * EXAMPLES


def test_clipping_scales_the_whole_gradient_to_the_norm():
    batch = batches()(0)[0]
    plain, clipped = tiny(dropout=0.0), tiny(dropout=0.0)
    start = None
    moves = []
    for network, clip_norm in ((plain, 0.0), (clipped, 0.01)):
        network(batch.inputs)
        start = network.get_weights()
        _, norm = stepper(network, batch, keras.optimizers.SGD(1.0), clip_norm)
        moves.append(np.concatenate([(new - old).ravel() for new, old in
                                     zip(network.get_weights(), start)]))
    np.testing.assert_allclose(np.linalg.norm(moves[0]), norm, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(moves[1]), 0.01, rtol=1e-3)
    np.testing.assert_allclose(moves[1], moves[0] * 0.01 / norm, atol=1e-6)


@pytest.mark.parametrize("change", ["more padding", "every example twice"])
def test_a_step_depends_neither_on_padding_nor_on_the_number_of_examples(change):
    batch = batches()(0)[0]
    wide = batch._replace(inputs=padded(batch.inputs, 40))
    twice = batch._replace(inputs=np.repeat(batch.inputs, 2, 0), count=2 * batch.count,
                           targets=np.repeat(batch.targets, 2, 0))
    expected, found = tiny(dropout=0.0), tiny(dropout=0.0)
    stepper(expected, batch, keras.optimizers.SGD(1.0))
    stepper(found, wide if change == "more padding" else twice, keras.optimizers.SGD(1.0))
    for one, two in zip(expected.get_weights(), found.get_weights()):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_regularisers_pull_on_the_weights():
    batch = batches()(0)[0]
    network = keras.Sequential([keras.layers.Embedding(TOKENS, 2), keras.layers.Flatten(),
                                keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L2(1))])
    network(batch.inputs)
    kernel = network.layers[-1].kernel.numpy()
    loop.make_step(network, lambda targets, outputs: tf.reduce_sum(outputs * 0.0),
                   keras.optimizers.SGD(0.1), 0.0)(batch.inputs, batch.targets, 8.0)
    np.testing.assert_allclose(network.layers[-1].kernel.numpy(), 0.8 * kernel, rtol=1e-5)


def test_adam_moves_as_keras_adam_does():
    ours, theirs = tiny(dropout=0.0), tiny(dropout=0.0)
    optimizers = [kind(learning_rates(0.1, 10, 0.3), beta_1=0.8, epsilon=1e-3)
                  for kind in (Adam, keras.optimizers.Adam)]
    for batch in batches()(0):
        stepper(ours, batch, optimizers[0])
        stepper(theirs, batch, optimizers[1])
    for one, two in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_weight_decay_shrinks_matrices_and_spares_biases():
    training = loop.Training(tiny(), lambda targets, outputs: 0.0 * tf.reduce_sum(outputs),
                             batches(), settings(weight_decay=0.5, warmup=0.0))
    dense = training.network.layers[-1]
    dense.bias.assign([1.0, 2.0])
    kernel = dense.kernel.numpy()
    training.take(batches()(0)[0])
    np.testing.assert_allclose(dense.kernel.numpy(), kernel * (1 - 0.5 * 0.03), rtol=1e-5)
    np.testing.assert_array_equal(dense.bias.numpy(), [1.0, 2.0])


def test_the_learning_rate_climbs_in_a_line_and_falls_as_a_cosine():
    rates = learning_rates(0.5, steps=200, warmup=0.2)
    for step in range(200):
        expected = (0.0125 + (0.5 - 0.0125) * step / 40 if step < 40
                    else 0.25 * (1 + np.cos(np.pi * (step - 40) / 160)))
        np.testing.assert_allclose(rates(step), expected, atol=1e-6)
    assert float(learning_rates(0.5, steps=10, warmup=0.0)(0)) == 0.5


def test_the_average_follows_its_formula_and_gives_the_weights_back_bit_for_bit():
    rng, weight = np.random.default_rng(2), keras.Variable(np.ones((3, 2), "float32"))
    average, expected = Average([weight], 0.3), np.ones((3, 2))
    for update in range(1, 8):
        weight.assign(rng.normal(size=(3, 2)))
        average.update(tf.constant(update))
        keep = min(0.3, (1 + update) / (10 + update))
        expected = keep * expected + (1 - keep) * weight.numpy()
    last = weight.numpy().tobytes()
    with average.in_place():
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5)
    assert weight.numpy().tobytes() == last


def test_validation_sees_the_averaged_weights(tmp_path):
    seen = []

    def validate(network):
        seen.append(network.get_weights())
        return {"accuracy": len(seen)}
    network = tiny()
    training = loop.Training(network, summed_loss, batches(), settings())
    for batch in batches()(0):
        training.take(batch)
    raw = network.get_weights()
    training.end_epoch(validate, a_run(tmp_path))
    for average, scored, old, new in zip(training.average.variables, seen[0], raw,
                                         network.get_weights()):
        np.testing.assert_array_equal(average.numpy(), scored)
        assert np.abs(scored - old).max() > 1e-4
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("mode, scores", [("max", [.1, .5, float("nan"), .5]),
                                          ("min", [.9, .5, .6, .5])])
def test_early_stopping_ends_after_patience_and_keeps_the_best_epoch(tmp_path, mode, scores):
    seen = []

    def validate(network):
        seen.append(network.get_weights())
        return {"accuracy": scores[len(seen) - 1]}
    network = tiny()
    result = loop.train(network, summed_loss, batches(), validate, a_run(tmp_path),
                        settings(epochs=9, patience=2, mode=mode))
    assert result.epochs == len(seen) == 4
    for best, last, now in zip(seen[1], seen[3], network.get_weights()):
        np.testing.assert_array_equal(best, now)
        assert (last != now).any()


def test_a_loss_that_is_not_finite_stops_with_advice_and_saves_nothing(tmp_path):
    run = a_run(tmp_path)
    with pytest.raises(ValueError, match="epoch 1, step 1: .*nan.*lower learning rate.*clipping"):
        loop.train(tiny(), lambda targets, outputs: summed_loss(targets, outputs) * float("nan"),
                   batches(), accuracy, run, settings(checkpoint_seconds=0))
    assert run.load_checkpoint() is None


def test_other_data_or_another_network_is_refused_on_resume(tmp_path):
    run = a_run(tmp_path)
    loop.train(tiny(), summed_loss, batches(), accuracy, run, settings(epochs=1))
    with pytest.raises(ValueError, match="12 batches an epoch, received 96.*--overwrite"):
        loop.train(tiny(), summed_loss, batches(size=1), accuracy, run, settings())
    wider = keras.Sequential([*tiny().layers[:-1], keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="variables of this network's shapes"):
        loop.train(wider, summed_loss, batches(), accuracy, run, settings())


def test_a_checkpoint_holds_the_states_of_the_dropout_seeds(tmp_path):
    network = tiny()
    training = loop.Training(network, summed_loss, batches(), settings())
    training.take(batches()(0)[0])
    training.save(a_run(tmp_path))
    state = np.asarray(network.layers[2].seed_generator.state)
    stored, _ = a_run(tmp_path).load_checkpoint()
    assert state[0] == 5 and state[1] == 1      # the seed, and how often it was drawn from
    assert any(np.array_equal(array, state) for array in stored.values())


def test_a_metric_that_validation_does_not_give_is_named(tmp_path):
    with pytest.raises(ValueError, match="expected validation to give f1"):
        loop.train(tiny(), summed_loss, batches(), accuracy, a_run(tmp_path),
                   settings(monitor="f1"))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0.0}, {"average": 1.0},
                                   {"warmup": 1.5}, {"clip_norm": -1.0}, {"patience": -1},
                                   {"mode": "up"}, {"weight_decay": -0.1}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        loop.Settings(**wrong)


def test_tensorboard_events_hold_loss_and_validation(tmp_path):
    loop.train(tiny(), summed_loss, batches(), accuracy, a_run(tmp_path / "run"),
               settings(epochs=1, tensorboard=tmp_path / "logs"))
    events = tf.data.TFRecordDataset([str(path) for path in (tmp_path / "logs").iterdir()])
    values = [value for event in events
              for value in tf.compat.v1.Event.FromString(event.numpy()).summary.value]
    assert [value.tag for value in values].count("loss") == 12
    assert any(value.tag == "validation/accuracy" and value.simple_value > 0 for value in values)


def test_a_terminal_gets_a_bar_with_loss_metric_speed_and_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    loop.train(tiny(), summed_loss, batches(), accuracy, a_run(tmp_path), settings(epochs=2))
    shown = capsys.readouterr().out
    for word in ("epoch 2/2", "12/12", "loss:", "accuracy:", "tokens/s:", "min left:"):
        assert word in shown


def test_bucketing_covers_every_example_once_and_is_a_function_of_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(0, 50, 1003)
    groups, again = (bucketed(lengths, 7, 1, 2) for _ in range(2))
    assert sorted(np.concatenate(groups)) == list(range(1003))
    assert all((one == two).all() for one, two in zip(groups, again, strict=True))
    for other in (bucketed(lengths, 7, 1, 3), bucketed(lengths, 7, 2, 2)):
        assert {tuple(group) for group in other} != {tuple(group) for group in groups}
    assert all(len(group) > 0 for group in groups)
    padding = sum(lengths[group].max() * len(group) - lengths[group].sum() for group in groups)
    assert padding < 0.1 * lengths.sum()
    assert sorted(map(len, groups))[1:] == [7] * 143


def test_bucketing_shuffles_the_order_of_lengths():
    lengths = np.arange(1000) % 40
    means = [lengths[group].mean() for group in bucketed(lengths, 10, 0, 0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_bucketing_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one example"):
        bucketed([], 8, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1])
