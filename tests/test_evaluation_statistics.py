"""Tests of significance against enumeration and published values; verdicts in words."""

import itertools

import numpy as np
import pytest
import reporting_fakes as fakes

from kerasdl.evaluation import statistics
from kerasdl.evaluation.predictions import Predictions
from kerasdl.evaluation.significance import holm, mcnemar, paired_t, sign_flip, spread
from kerasdl.evaluation.variants import group
from kerasdl.record import Run

TEMPLATE = fakes.make(models=("lenet5",), seeds=1, images=20)[0].runs[0]


def _run(model: str, seed: int, **settings: object) -> Run:
    import msgspec

    return msgspec.structs.replace(TEMPLATE, model=model, seed=seed, settings=settings)


def _study(answers: dict[str, list[np.ndarray]]) -> tuple[list[Run], Predictions]:
    """Makes runs whose test answers are right where the given arrays are true."""
    import msgspec

    images = len(next(iter(answers.values()))[0])
    predictions = Predictions(np.zeros(images, np.int32), 2)
    runs = []
    for model, by_seed in answers.items():
        for seed, right in enumerate(by_seed):
            predictions.add(model, seed, np.where(right[:, None], [4.0, 0], [0, 4.0]))
            run = _run(model, seed)
            scores = msgspec.structs.replace(run.metrics, test_accuracy=float(right.mean()))
            runs.append(msgspec.structs.replace(run, metrics=scores))
    return runs, predictions


def _right(images: int, wrong: range) -> np.ndarray:
    right = np.ones(images, bool)
    right[wrong] = False
    return right


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0), 1.0),
        ((5, 5), 1.0),
        ((10, 2), 2 * (1 + 12 + 66) / 2**12),
        ((0, 6), 2 / 2**6),
        # Agresti, Categorical Data Analysis, section 10.1: z^2 = 17.36 for these counts.
        ((150, 86), 3.7e-5),
    ],
)
def test_mcnemar(counts: tuple[int, int], expected: float) -> None:
    assert mcnemar(*counts) == pytest.approx(expected, rel=0.02)
    assert mcnemar(*counts[::-1]) == mcnemar(*counts)


def test_sign_flip_equals_full_enumeration() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        d = rng.integers(-3, 4, 10)
        flips = [abs(np.dot(s, np.abs(d))) for s in itertools.product([-1, 1], repeat=10)]
        expected = np.mean(np.array(flips) >= abs(d.sum()))
        assert sign_flip(d) == pytest.approx(expected, abs=1e-12)


def test_sign_flip_of_one_seed_is_mcnemar() -> None:
    assert sign_flip([1] * 10 + [-1] * 2 + [0] * 99) == pytest.approx(mcnemar(10, 2))


def test_the_same_images_again_are_no_new_evidence() -> None:
    # Three seeds that answer alike: the images are as many as before, so is the p.
    once = np.array([1] * 10 + [-1] * 2)
    assert sign_flip(3 * once) == pytest.approx(sign_flip(once))


def test_paired_t_against_student() -> None:
    # Student's own sleep data (Biometrika 6, 1908, p. 20): t = 4.062, nine degrees of freedom.
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    assert paired_t(sleep) == pytest.approx(0.002833, abs=1e-6)
    assert paired_t([0.1, 0.2]) is None
    assert paired_t([0.0, 0.0, 0.0]) == 1.0
    assert paired_t([0.1, 0.1, 0.1]) == 0.0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_spread() -> None:
    found = spread([0.9, 0.92, 0.97])
    assert (found.mean, found.n) == (pytest.approx(0.93), 3)
    assert found.std == pytest.approx(np.std([0.9, 0.92, 0.97], ddof=1))
    assert spread([0.5]).std is None
    with pytest.raises(ValueError, match="none"):
        spread([])


def test_a_clear_winner() -> None:
    runs, predictions = _study(
        {
            "big": [_right(1000, range(150 + s, 250)) for s in range(3)],
            "small": [_right(1000, range(0, 30 - s)) for s in range(3)],
        }
    )
    (found,) = statistics.compare_all(runs, predictions)
    assert found.models == ("big", "small")
    assert found.seeds == [0, 1, 2]
    assert found.only_first == [30, 29, 28]
    assert found.only_second == [100, 99, 98]
    assert found.difference == pytest.approx(-0.070)
    assert found.better == "small"
    assert found.verdict == "small beats big by 7.00 points (p < 0.001 in each of 3 seeds)"
    assert statistics.best(runs, [found]) == statistics.Best("small", tied=[], beaten=["big"])


def test_tied_within_noise() -> None:
    runs, predictions = _study(
        {
            "a": [_right(1000, range(0, 50)), _right(1000, range(0, 52))],
            "b": [_right(1000, range(30, 83)), _right(1000, range(30, 84))],
        }
    )
    (found,) = statistics.compare_all(runs, predictions)
    assert found.better is None
    assert found.verdict.startswith("tied within noise: a leads b by 0.25 points only (p = ")
    assert found.verdict.endswith("over 2 seeds)")
    best = statistics.best(runs, [found])
    assert best is not None
    assert (best.name, best.tied, best.beaten) == ("a", ["b"], [])


def test_a_lead_that_changes_from_seed_to_seed_is_no_win() -> None:
    runs, predictions = _study(
        {
            "a": [_right(1000, range(0, 10)) for _ in range(3)],
            "b": [_right(1000, range(500, 500 + n)) for n in (90, 12, 8)],
        }
    )
    (found,) = statistics.compare_all(runs, predictions)
    assert found.p_images < 0.001
    assert found.p_seeds is not None
    assert found.p_seeds == pytest.approx((paired_t([0.08, 0.002, -0.002]) or 0) / 2)
    assert found.p_seeds > 0.05
    assert found.better is None
    assert "within the noise from seed to seed (+8.00, +0.20, -0.20 points)" in found.verdict


def test_a_steady_lead_passes_one_sided() -> None:
    # t = 3.5 with two degrees of freedom: 0.073 on both sides, 0.036 on the leader's.
    runs, predictions = _study(
        {
            "a": [_right(1000, range(0, 10)) for _ in range(3)],
            "b": [_right(1000, range(500, 500 + n)) for n in (40, 60, 100)],
        }
    )
    (found,) = statistics.compare_all(runs, predictions)
    both = paired_t([0.03, 0.05, 0.09])
    assert both is not None
    assert 0.05 < both < 0.1
    assert found.p_seeds == pytest.approx(both / 2)
    assert found.better == "a"


def test_two_seeds_must_point_the_same_way() -> None:
    wrong = {"b": (90, 9), "c": (90, 11)}
    for model, sizes in wrong.items():
        runs, predictions = _study(
            {
                "a": [_right(1000, range(0, 10)) for _ in range(2)],
                model: [_right(1000, range(500, 500 + n)) for n in sizes],
            }
        )
        (found,) = statistics.compare_all(runs, predictions)
        assert found.p_seeds is None
        assert found.better == (None if model == "b" else "a")


def test_one_seed_says_what_it_does_not_know() -> None:
    runs, predictions = _study(
        {"a": [_right(500, range(0, 5))], "b": [_right(500, range(100, 160))]}
    )
    (found,) = statistics.compare_all(runs, predictions)
    assert found.better == "a"
    assert found.p_images == pytest.approx(found.p_values[0])
    assert "one seed: the noise of training is not measured" in found.verdict


def test_equal_models_are_tied() -> None:
    runs, predictions = _study({"a": [_right(50, range(5))], "b": [_right(50, range(5))]})
    (found,) = statistics.compare_all(runs, predictions)
    assert found.p_values == [1.0]
    assert found.verdict.startswith("tied within noise: a and b have the same accuracy")


def test_many_pairs_are_held_to_a_stricter_level() -> None:
    answers = {"a": [_right(1000, range(0, 10))], "b": [_right(1000, range(500, 524))]}
    runs, predictions = _study(answers)
    alone = statistics.compare_all(runs, predictions)[0]
    assert alone.better == "a"
    others = {f"c{i}": [_right(1000, range(400, 412))] for i in range(4)}
    runs, predictions = _study({**answers, **others})
    among = statistics.compare_all(runs, predictions)[0]
    assert among.models == ("a", "b")
    assert among.p_values == alone.p_values
    assert among.p_images > alone.p_images
    assert among.better is None


def test_only_common_seeds_are_compared() -> None:
    runs, predictions = _study({"a": [_right(50, range(5))] * 3, "b": [_right(50, range(9))]})
    (found,) = statistics.compare_all(runs, predictions)
    assert found.seeds == [0]
    apart = [run for run in runs if (run.model, run.seed) != ("a", 0)]
    assert statistics.compare_all(apart, predictions) == []
    best = statistics.best(apart, [])
    assert best is not None
    assert (best.name, best.tied) == ("a", ["b"])
    assert statistics.best([], []) is None


def test_groups_are_named_by_what_differs() -> None:
    runs = [
        _run("mlp", 1, depth=1, epochs=9),
        _run("mlp", 0, depth=1, epochs=9),
        _run("mlp", 0, depth=2, epochs=9),
        _run("cnn", 0, epochs=9),
    ]
    found = group(runs)
    assert {name: [run.seed for run in members] for name, members in found.items()} == {
        "mlp (depth=1)": [0, 1],
        "mlp (depth=2)": [0],
        "cnn": [0],
    }
    summary = statistics.summarise(runs, {"mlp": "MLP"})
    assert [one.title for one in summary] == ["MLP (depth=1)", "MLP (depth=2)", "cnn"]
    assert [one.test_accuracy.n for one in summary] == [2, 1, 1]
    with pytest.raises(ValueError, match="seed 0 twice"):
        group([*runs, _run("cnn", 0, epochs=9)])


def test_summary_is_mean_and_sample_deviation_of_the_runs() -> None:
    record, _, _ = fakes.make(models=("lenet5", "smallnet"), images=100)
    for one in record.summary:
        runs = [run for run in record.runs if run.model == one.model]
        values = [run.metrics.test_accuracy for run in runs]
        assert one.test_accuracy.mean == pytest.approx(np.mean(values))
        assert one.test_accuracy.std == pytest.approx(np.std(values, ddof=1))
        assert one.train_seconds.mean == pytest.approx(np.mean([r.train_seconds for r in runs]))
        assert one.title == fakes.ZOO[one.model][0]
