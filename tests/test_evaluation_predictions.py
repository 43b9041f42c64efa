"""predictions.npz: what is stored, what is refused, what a killed writer leaves."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasdl.evaluation.predictions import Predictions, log_probabilities, log_softmax, softmax

LABELS = np.array([0, 2, 1, 2], dtype=np.int32)
LOGITS = np.array([[3.0, 1, 0], [0, 0, 0.5], [-1, 2, 2.5], [0, 1, 40]])


def test_softmax_by_hand_and_without_overflow() -> None:
    expected = np.exp([1.0, 2, 3]) / np.exp([1.0, 2, 3]).sum()
    np.testing.assert_allclose(softmax([[1.0, 2, 3]])[0], expected, rtol=1e-14)
    np.testing.assert_allclose(log_softmax([[1000.0, 0.0]])[0], [0.0, -1000.0])
    assert log_softmax(np.float32([[1, 2]])).dtype == np.float64


def test_small_losses_survive_float32() -> None:
    predictions = Predictions(np.array([0]), 2)
    stored = predictions.add("a", 0, [[30.0, 0.0]])
    # -log p = log(1 + e^-30); a probability stored as float32 would give 0.
    assert -stored[0, 0] == pytest.approx(np.log1p(np.exp(-30.0)), rel=1e-6)
    assert stored.dtype == np.float32


def test_probabilities_and_logits_agree() -> None:
    np.testing.assert_allclose(
        log_probabilities(softmax(LOGITS), from_logits=False), log_softmax(LOGITS), atol=1e-12
    )
    zero = log_probabilities([[1.0, 0.0]], from_logits=False)
    assert np.isfinite(zero).all()
    assert zero[0, 1] < -87


def test_round_trip_is_exact_and_grows_run_by_run(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    first = Predictions(LABELS, 3)
    first.add("../evil\n|name", 0, LOGITS)
    first.save(path)
    again = Predictions.load(path)
    again.add("b", 1, LOGITS * 0.5, settings={"depth": 3})
    again.save(path)
    loaded = Predictions.load(path)
    assert list(loaded) == [("../evil\n|name", 0), ("b", 1)]
    assert len(loaded) == 2
    assert loaded.num_classes == 3
    np.testing.assert_array_equal(loaded.labels, LABELS)
    stored = loaded.get("../evil\n|name", 0)
    assert stored is not None
    np.testing.assert_array_equal(stored, log_softmax(LOGITS).astype(np.float32))
    assert loaded.get("b", 1, {"depth": 3}) is not None
    assert loaded.get("b", 1, {"depth": 4}) is None
    assert loaded.get("b", 2) is None
    # A run without settings is found with any: they are then no part of its name.
    assert loaded.get("../evil\n|name", 0, {"epochs": 3}) is not None
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "predictions.npz"
    predictions = Predictions(LABELS, 3)
    predictions.add("a", 0, LOGITS)
    predictions.save(path)
    before = path.read_bytes()

    def broken(file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(KeyboardInterrupt):
        predictions.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.npz"]


@pytest.mark.parametrize(
    ("scores", "from_logits", "message"),
    [
        (np.zeros((3, 3)), True, r"shape \(4, 3\)"),
        (np.full((4, 3), np.nan), True, "finite"),
        (softmax(LOGITS), True, "from_logits=False"),
        (LOGITS, False, "from_logits=True"),
    ],
)
def test_wrong_scores_are_refused(scores: np.ndarray, from_logits: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(LABELS, 3).add("a", 0, scores, from_logits=from_logits)


@pytest.mark.parametrize("labels", [[0, 3], [-1], [], [0.5], [[0]]])
def test_wrong_labels_are_refused(labels: list[object]) -> None:
    with pytest.raises(ValueError, match="labels must"):
        Predictions(np.array(labels), 3)


def test_damaged_files_give_one_clear_error(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    predictions = Predictions(LABELS, 3)
    predictions.add("a", 0, LOGITS)
    predictions.save(good)
    content = good.read_bytes()
    path = tmp_path / "bad.npz"
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"bad\.npz is not a kerasdl"):
            Predictions.load(path)
    with pytest.raises(FileNotFoundError):
        Predictions.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"format": np.int32(9)},
        {"labels": np.array([0, 2, 1, 7])},
        {"labels": np.array([0, 2, 1])},
        {"keys": np.array('[["a", "x", {}]]')},
        {"keys": np.array("{")},
        {"run_0": np.zeros((4, 2))},
        {"run_0": np.full((4, 3), np.inf)},
        {"labels": np.array([{}], dtype=object)},
    ],
)
def test_foreign_content_is_refused(tmp_path: Path, change: dict[str, np.ndarray]) -> None:
    path = tmp_path / "p.npz"
    content = {
        "format": np.int32(1),
        "num_classes": np.int32(3),
        "labels": LABELS,
        "keys": np.array(json.dumps([["a", 0, {}]])),
        "run_0": log_softmax(LOGITS).astype(np.float32),
    }
    np.savez(path, **content)
    assert len(Predictions.load(path)) == 1
    np.savez(path, **{**content, **change})
    with pytest.raises(ValueError, match="not a kerasdl predictions"):
        Predictions.load(path)


def test_a_plain_npy_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "p.npz").open("wb") as file:
        np.save(file, LOGITS)
    with pytest.raises(ValueError, match="single array"):
        Predictions.load(tmp_path / "p.npz")
