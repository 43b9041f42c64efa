"""Figures of searches: scales, gaps, missing values, and that every shape can be drawn."""

import itertools

import numpy as np
import pytest
from tuning_fakes import INFO

from kerasdl.reporting.figures import parallel, scales, style, trial_curves, value_curve

ACCURACY = scales.Objective("validation accuracy")
LOSS = scales.Objective("validation loss", minimised=True)


@pytest.fixture
def drawn(monkeypatch):
    """Keeps the figures that are drawn, so that tests can look into them."""
    kept = []
    original = style.drawing

    def drawing(*arguments):
        manager = original(*arguments)

        class Kept:
            def __enter__(self):
                kept.append(manager.__enter__())
                return kept[-1]

            def __exit__(self, *error):
                return manager.__exit__(*error)

        return Kept()

    monkeypatch.setattr(style, "drawing", drawing)
    return kept


def panel(values, means, **more):
    scores = [np.array([mean - 0.001, mean, mean + 0.001]) for mean in means]
    settings = {"label": "Width", "joined": True, **more}
    return value_curve.Panel(values=np.array(values, float), scores=scores, **settings)


def legend(figure):
    return [one.get_text() for one in figure.legends[0].get_texts()]


def test_logarithmic_where_numbers_span_a_factor_of_30():
    assert scales.logarithmic([1e-5, 1e-3])
    assert scales.logarithmic([0, 0.1, 10.0])
    assert scales.logarithmic([1e-4, 3e-4, 1e-3, 3e-3])
    assert not scales.logarithmic([60, 600])
    assert not scales.logarithmic([-1, 100])
    assert not scales.logarithmic([0.0, 5.0])
    assert 0 < scales.zero_place([0, 1e-5, 1e-3]) < 1e-5


def test_ticks_are_the_numbers_where_they_are_few():
    assert scales.ticks([3, 1, 1, 2]) == [1, 2, 3]
    assert scales.ticks(np.geomspace(1e-4, 1e-1, 20)) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert scales.ticks(np.arange(40.0, 141.0)) == [40, 60, 80, 100, 120, 140]
    assert [scales.short(one) for one in (480.0, 1e-5, 0.001)] == ["480", "1e-5", "0.001"]
    assert [scales.short(one) for one in (1e-4, 3e-4, 1.25e-4)] == ["1e-4", "3e-4", "1.25e-4"]
    assert [scales.short(one) for one in (-3e-4, 0.003, 2e6, 0.0)] == ["-3e-4", "0.003", "2e6", "0"]


def test_a_collapsed_trial_does_not_flatten_the_others():
    values = np.array([98.0, 97.9, 97.8, 97.5, 97.6, 10.0])
    assert 95 < ACCURACY.worse(values) < 97.5
    # What lies a little deeper than the rest is shown.
    assert ACCURACY.worse(np.array([98.0, 97.9, 97.8, 97.5, 96.0])) == 96.0
    assert LOSS.worse(np.array([0.1, 2.3])) == 2.3


def test_value_curve_has_line_band_dots_and_marks(tmp_path, drawn):
    path = tmp_path / "figure.png"
    one = panel([60, 120, 180], [0.95, 0.97, 0.98], best=2, simplest=1, failed=[240.0])
    value_curve.draw(path, [one], ACCURACY, ("Title", "smallest tied"), INFO)
    assert path.is_file()
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "linear"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["60", "120", "180", "240"]
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["mean over the seeds"].get_ydata() == pytest.approx([95, 97, 98])
    assert (lines["best"].get_xdata()[0], lines["best"].get_ydata()[0]) == (180, pytest.approx(98))
    assert lines["smallest tied"].get_xdata()[0] == 120
    assert lines["failed"].get_xdata()[0] == 240
    assert len(axes.collections) == 1
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(94.9)
    assert set(legend(drawn[0])) == {
        "one seed",
        "mean over the seeds",
        "best",
        "smallest tied",
        "failed",
    }


def test_value_curve_with_panels_zero_and_a_collapse(tmp_path, drawn):
    panels = [
        panel([0, 1e-5, 1e-4, 1e-3], [0.97, 0.975, 0.98, 0.1], label="L1 $x$", best=2, simplest=2),
        panel([0.1, 0.2, 0.2], [0.97, 0.975, 0.97], joined=False),
        panel([], []),
    ]
    value_curve.draw(
        tmp_path / "figure.png", panels, ACCURACY, ("T", "smallest"), INFO, [("none", 0.972)]
    )
    first, second = drawn[0].axes
    assert first.get_xscale() == "log"
    assert first.get_xticklabels()[0].get_text() == "0"
    assert [one.get_text() for one in first.texts] == ["↓10"]
    assert first.get_ylim()[0] > 90
    assert second.get_xscale() == "linear"
    assert {line.get_linestyle() for line in second.get_lines()} >= {"None"}
    assert "best, and smallest" in legend(drawn[0])
    assert legend(drawn[0]).count("none") == 1


@pytest.mark.parametrize(
    "values", [[1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3], [1e-4, 3e-4, 1e-3, 3e-3], [1, 3, 5, 29]]
)
def test_ticks_of_three_panels_do_not_overlap(values, tmp_path, drawn):
    panels = [panel(values, [0.97] * len(values)) for _ in range(3)]
    value_curve.draw(tmp_path / "figure.png", panels, ACCURACY, ("T", "s"), INFO)
    for axes in drawn[0].axes:
        boxes = [one.get_window_extent() for one in axes.get_xticklabels()]
        assert len(boxes) > 2
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_value_curve_of_one_trial_with_one_seed_and_of_a_loss(tmp_path, drawn):
    single = value_curve.Panel("Width", np.array([60.0]), [np.array([0.5])], True, best=0)
    value_curve.draw(tmp_path / "a.png", [single], ACCURACY, ("T", "s"), INFO)
    assert "the only seed" in legend(drawn[0])
    value_curve.draw(tmp_path / "b.png", [panel([1, 2], [0.05, 2.3])], LOSS, ("T", "s"), INFO)
    assert drawn[1].axes[0].get_yscale() == "log"
    assert drawn[1].axes[0].get_ylabel() == "Validation loss"


def test_mean_curve_skips_what_is_missing():
    mean = trial_curves.mean_curve([[1.0, None, 3.0], [3.0, None]])
    assert mean == pytest.approx([2.0, np.nan, 3.0], nan_ok=True)
    assert len(trial_curves.mean_curve([])) == 0


def curves(count, epochs=5, **more):
    return [
        trial_curves.Curve(
            f"width {i}",
            np.linspace(0.9, 0.98 - 0.001 * i, epochs),
            shade=10.0**i,
            marked={0: "best", 2: "simplest"}.get(i, ""),
            **more,
        )
        for i in range(count)
    ]


def test_few_curves_have_names_and_many_a_colour_bar(tmp_path, drawn):
    assert trial_curves.draw(tmp_path / "a.png", curves(3), ACCURACY, "Width", INFO)
    assert legend(drawn[0]) == ["width 0 (best)", "width 1", "width 2 (simplest)"]
    assert len(drawn[0].axes) == 1
    assert trial_curves.draw(tmp_path / "b.png", curves(30), ACCURACY, "Width", INFO)
    assert legend(drawn[1]) == ["width 0 (best)", "width 2 (simplest)"]
    bar = drawn[1].axes[1]
    assert bar.get_ylabel() == "Width"
    assert bar.get_yscale() == "log"


def test_curves_without_a_number_are_left_out(tmp_path, drawn):
    empty = trial_curves.Curve("none", np.full(3, np.nan), 0.0)
    path = tmp_path / "a.png"
    assert not trial_curves.draw(path, [empty], ACCURACY, "Rank", INFO)
    assert not path.exists()
    assert trial_curves.draw(path, [*curves(1, epochs=1), empty], ACCURACY, "Rank", INFO)
    assert len(drawn[0].axes[0].get_lines()) == 1


def texts(figure):
    return [one.get_text() for one in figure.axes[0].texts]


def test_parallel_coordinates(tmp_path, drawn):
    axes = [
        parallel.Axis("Width", [60, 120, 600, 300]),
        parallel.Axis("Rate", [1e-4, 1e-1, 1e-2, 1e-3]),
        parallel.Axis("Activation", ["relu", "tanh", "relu", "relu"]),
        parallel.Axis("Norm", [True, False, True, True]),
        parallel.Axis("Dropout", [None, 0.5, 0.1, None]),
        parallel.Axis("Always", [1, 1, 1, 1]),
    ]
    scores = [0.97, 0.98, 0.96, None]
    assert parallel.draw(tmp_path / "a.png", axes, scores, 1, ACCURACY, INFO)
    words = texts(drawn[0])
    assert "Always" not in words
    for label in ("Width", "Rate", "Activation", "Norm", "Dropout", "Validation accuracy, %"):
        assert label in words
    for tick in ("60", "1e-4", "tanh", "yes", "none", "failed"):
        assert tick in words
    best = next(line for line in drawn[0].axes[0].get_lines() if line.get_label() == "best")
    # Width 120 of 60..600; the highest of the rates; the second category; the best score.
    assert best.get_ydata() == pytest.approx([60 / 540, 1, 1, 1, 1, 1])
    assert legend(drawn[0]) == ["best", "good", "bad", "failed"]


def test_parallel_coordinates_need_two_hyper_parameters_and_a_completed_trial(tmp_path):
    path = tmp_path / "a.png"
    one, two = parallel.Axis("a", [1, 2]), parallel.Axis("b", ["x", "y"])
    assert not parallel.draw(path, [one], [0.5, 0.6], 1, ACCURACY, INFO)
    assert not parallel.draw(path, [one, two], [None, None], 0, ACCURACY, INFO)
    assert not path.exists()
    assert parallel.draw(path, [one, two], [0.5, 0.5], 0, ACCURACY, INFO)


def test_parallel_coordinates_of_a_loss_and_of_a_collapse(tmp_path, drawn):
    axes = [
        parallel.Axis("a", list(range(12))),
        parallel.Axis("b", [0.0, *[10.0**-i for i in range(11)]]),
    ]
    scores = [0.98 - 0.001 * i for i in range(11)] + [0.1]
    assert parallel.draw(tmp_path / "a.png", axes, scores, 0, ACCURACY, INFO)
    assert any(one.startswith("≤ 9") for one in texts(drawn[0]))
    assert parallel.draw(tmp_path / "b.png", axes, scores, 11, LOSS, INFO)
    best = next(line for line in drawn[1].axes[0].get_lines() if line.get_label() == "best")
    assert best.get_ydata()[-1] == 0
