"""Pictures: a readable PNG appears, nothing else happens."""
import warnings

import numpy as np
import pytest

from tasks.reporting import plots, tables

HISTORY = [{"epoch": epoch, "loss": 1 / epoch, "log_loss": 1.2 / epoch, "accuracy": 1 - 0.5 / epoch,
            "learning_rate": 0.001, "seconds": 2.0} for epoch in (1, 2, 3)]


def picture(path):
    """The pixels of a PNG, [height, width, 3]; ValueError from matplotlib if it is none."""
    import matplotlib.image
    return matplotlib.image.imread(path, format="png")[..., :3]


def colours(path):
    return len(np.unique((picture(path) * 255).astype(int).reshape(-1, 3), axis=0))


def test_learning_curves_draw_losses_and_metrics_side_by_side(tmp_path):
    plots.learning_curves(HISTORY, tmp_path / "both.png")
    plots.learning_curves([{"epoch": 1, "loss": 1.0}], tmp_path / "loss.png")
    both, loss = picture(tmp_path / "both.png"), picture(tmp_path / "loss.png")
    assert both.shape[1] == 2 * loss.shape[1] and both.shape[0] == loss.shape[0]
    assert colours(tmp_path / "both.png") > 20


def test_learning_curves_leave_out_what_is_no_measure():
    assert plots._curves(HISTORY, "nats") == {
        "loss [nats]": ["loss", "log_loss"], "validation [share]": ["accuracy"]}


def test_metrics_of_different_units_have_axes_of_their_own():
    row = {"epoch": 1, "loss": 1.0, "bleu": 30.0, "chrf": 50.0, "exact_match": 0.1}
    assert list(plots._curves([row], "nats")) == ["loss [nats]", "validation [points]",
                                                  "validation [share]"]


def test_a_metric_that_is_not_listed_is_shown_by_its_name():
    assert tables.line({"accuracy": 0.5, "mine": 0.25}) == "accuracy 0.5000  mine 0.2500"


def test_learning_curves_read_rows_of_text_as_a_csv_file_gives_them(tmp_path):
    rows = [{name: str(value) for name, value in row.items()} for row in HISTORY]
    plots.learning_curves(rows, tmp_path / "text.png")
    plots.learning_curves(HISTORY, tmp_path / "numbers.png")
    np.testing.assert_array_equal(picture(tmp_path / "text.png"), picture(tmp_path / "numbers.png"))


def test_confusion_matrix_is_darker_where_the_share_is_larger(tmp_path):
    plots.confusion_matrix([[90, 10], [10, 90]], ["no", "yes"], tmp_path / "right.png")
    plots.confusion_matrix([[10, 90], [90, 10]], ["no", "yes"], tmp_path / "wrong.png")
    right, wrong = picture(tmp_path / "right.png"), picture(tmp_path / "wrong.png")
    # The blue of 90 % lies on one diagonal or the other: mirrored left to right, they swap.
    blue = [image[..., 2] - image[..., 0] > 0.35 for image in (right, wrong)]
    rows = [np.argwhere(image[:, :image.shape[1] * 6 // 10])[:, 0].mean() for image in blue]
    assert rows[0] < rows[1] - 20


def test_confusion_matrix_takes_many_and_foreign_labels_without_warnings(tmp_path):
    labels = [f"意图 {number}" for number in range(26)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plots.confusion_matrix(np.eye(26, dtype=int), labels, tmp_path / "many.png")
    assert (tmp_path / "many.png").read_bytes().startswith(b"\x89PNG")


def test_reliability_draws_the_bins_that_are_used(tmp_path):
    plots.reliability([0, 0, 4, 6], [0, 0, .6, .9], [0, 0, .25, 1.0], tmp_path / "r.png")
    plots.reliability([0, 0, 0, 10], [0, 0, 0, .9], [0, 0, 0, 1.0], tmp_path / "one.png")
    blue = [((image[..., 2] - image[..., 0]) > 0.3).sum()
            for image in (picture(tmp_path / "r.png"), picture(tmp_path / "one.png"))]
    assert 1.1 < blue[0] / blue[1] < 1.4           # bars of heights ¼ and 1 against one of 1


def test_gradient_flow_has_a_panel_for_each_cell_and_leaves_out_zeros(tmp_path):
    curves = [{"cell": "GRU", "radius": radius, "state": "h", "norms": [radius ** 2, radius, 1.0]}
              for radius in (0.5, 2.0)]
    cells = {**curves[0], "cell": "LSTM"}, {**curves[0], "cell": "LSTM", "state": "c", "norms": [1, 2, 0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plots.gradient_flow(curves, tmp_path / "one.png")
        plots.gradient_flow([*curves, *cells], tmp_path / "two.png")
    one, two = picture(tmp_path / "one.png"), picture(tmp_path / "two.png")
    assert two.shape[1] == 2 * one.shape[1] and colours(tmp_path / "one.png") > 20


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one epoch"):
        plots.learning_curves([], tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"\[3, 3\] for as many labels, received \[2, 2\]"):
        plots.confusion_matrix(np.eye(2), ["a", "b", "c"], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
