"""Figures: there, not blank, the same bytes each time, labelled, sound with hostile names."""

import threading
from pathlib import Path

import numpy as np
import pytest
import reporting_fakes as fakes
from PIL import Image

from kerasdl.evaluation import calibration, errors
from kerasdl.reporting import illustrate, tables
from kerasdl.reporting.figures import (
    classes,
    confusion,
    curves,
    gallery,
    labels,
    reliability,
    style,
    tradeoff,
)


def check(path: Path) -> np.ndarray:
    """Returns a picture's pixels when it is a sensible one."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert "Software" not in image.info
        assert "date" not in str(image.info).lower()
        assert round(image.info["dpi"][0]) == 150
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    assert 300 <= height <= 2400
    assert 500 <= width <= 2000
    packed = pixels[::3, ::3].astype(np.int64) @ [1, 256, 65536]
    assert len(np.unique(packed)) > 20
    # Nothing is cut: the outermost pixels are white.
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()
    return pixels


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[illustrate.Picture]]:
    folder = tmp_path_factory.mktemp("zoo")
    record, images, predictions = fakes.make(models=("lenet5", "resnet18", "smallnet"), images=200)
    (folder / "figures").mkdir()
    (folder / "figures" / "confusion-gone.png").write_bytes(b"of a model that is no more")
    (folder / "figures" / "mine.png").write_bytes(b"not ours")
    return folder, illustrate.illustrate(folder, record, images, predictions)


def test_every_figure_is_there_and_sound(zoo: tuple[Path, list[illustrate.Picture]]) -> None:
    folder, pictures = zoo
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert found - {"figures/mine.png"} == {picture.file for picture in pictures}
    shared = {"curves", "accuracy-parameters", "accuracy-time", "reliability"}
    own = {
        f"{kind}-{m}"
        for kind in ("curves", "confusion", "classes", "errors")
        for m in ("lenet5", "resnet18", "smallnet")
    }
    assert {Path(picture.file).stem for picture in pictures} == shared | own
    for picture in pictures:
        check(folder / picture.file)
        assert len(picture.alt) > 30
        assert len(picture.caption) > 30


def test_a_second_writing_gives_the_same_bytes(
    zoo: tuple[Path, list[illustrate.Picture]], tmp_path: Path
) -> None:
    import matplotlib

    folder, pictures = zoo
    record, images, predictions = fakes.make(models=("lenet5", "resnet18", "smallnet"), images=200)
    # A style of the user's own must not matter, and must be left as it was.
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "yellow"}):
        before = dict(matplotlib.rcParams)
        assert illustrate.illustrate(tmp_path, record, images, predictions) == pictures
        assert dict(matplotlib.rcParams) == before
    for picture in pictures:
        assert (tmp_path / picture.file).read_bytes() == (folder / picture.file).read_bytes()


def test_the_alt_text_tells_the_worst_confusion(
    zoo: tuple[Path, list[illustrate.Picture]],
) -> None:
    alts = {Path(picture.file).stem: picture.alt for picture in zoo[1]}
    assert "Most often 3 is taken for 5 (" in alts["confusion-lenet5"]


def test_one_model_draws_no_comparison(tmp_path: Path) -> None:
    record, images, predictions = fakes.make(models=("lenet5",), seeds=1, images=60)
    pictures = illustrate.illustrate(tmp_path, record, images, predictions)
    assert "figures/accuracy-time.png" not in {picture.file for picture in pictures}
    assert "figures/curves-lenet5.png" in {picture.file for picture in pictures}


def test_models_without_predictions_or_history_are_left_out(tmp_path: Path) -> None:
    import msgspec

    record, images, predictions = fakes.make(models=("lenet5", "smallnet"), seeds=1, images=60)
    lone = fakes.Predictions(predictions.labels, 10)
    stored = predictions.get("smallnet", 0)
    assert stored is not None
    lone.add("smallnet", 0, stored)
    runs = [msgspec.structs.replace(run, history={}) for run in record.runs]
    record = msgspec.structs.replace(record, runs=runs)
    files = {p.file for p in illustrate.illustrate(tmp_path, record, images, lone)}
    assert not any("lenet5" in file or "curves" in file for file in files)
    assert "figures/confusion-smallnet.png" in files


def test_hostile_names_neither_warn_nor_become_formulas(tmp_path: Path) -> None:
    record, images, predictions = fakes.make(
        names=fakes.HOSTILE, models=("smallnet",), seeds=1, images=90, title="ੴ $\\frac{$ <b>"
    )
    for picture in illustrate.illustrate(tmp_path, record, images, predictions):
        check(tmp_path / picture.file)


def test_class_labels() -> None:
    assert style.class_labels(["cat", "五", "ੴ", "$x$"]) == ["cat", "#1", "#2", r"\$x\$"]
    assert style.class_labels(["a\nb"]) == ["a b"]
    # Cut names stay distinct: by their ends, or else by number.
    many = style.class_labels([f"class number {i}" for i in range(12)], limit=12)
    assert len(set(many)) == 12
    assert all(len(one) <= 12 for one in many)
    alike = style.class_labels(["x" * 30 + "a" + "y" * 30, "x" * 30 + "b" + "y" * 30, "z"])
    assert alike == ["#0", "#1", "z"]
    assert style.class_labels(["twin", "twin"]) == ["#0", "#1"]


def test_colours_are_distinct() -> None:
    assert len({style.color(i) for i in range(8)}) == 8
    looks = {(style.color(i), str(style.dashes(i))) for i in range(24)}
    assert len(looks) == 24


@pytest.mark.parametrize("size", [2, 130])
def test_confusion_of_any_size(tmp_path: Path, size: int) -> None:
    dataset = fakes.make(models=(), images=20)[0].dataset
    counts = np.eye(size, dtype=np.int64) * 90
    counts[0, 1] = 7
    names = [f"a rather long name {i}" for i in range(size)]
    confusion.matrix(tmp_path / "c.png", counts, names, "title", dataset)
    check(tmp_path / "c.png")
    assert confusion.worst(counts) == (0, 1, 7)
    assert confusion.worst(np.eye(3, dtype=np.int64)) is None


def test_confusion_colours_are_row_shares(tmp_path: Path) -> None:
    """The same shares give the same colours, however many images a class has."""
    dataset = fakes.make(models=(), images=20)[0].dataset
    pixels = []
    names = [str(i) for i in range(21)]  # so many classes that no counts are written
    for factor in (1, 50):
        counts = np.eye(21, dtype=np.int64) * 8 + np.eye(21, k=1, dtype=np.int64) * 2
        counts[:5] *= factor
        confusion.matrix(tmp_path / "c.png", counts, names, "t", dataset)
        pixels.append(check(tmp_path / "c.png"))
    np.testing.assert_array_equal(*pixels)


def test_curves_average_runs_of_different_length() -> None:
    import msgspec

    record = fakes.make(models=("lenet5",), seeds=2, images=30)[0]
    (model,) = tables.models(record)
    histories = ([4.0, 2.0, 1.0], [2.0, 2.0])
    for run, losses in zip(list(model.runs), histories, strict=True):
        model.runs.remove(run)
        model.runs.append(msgspec.structs.replace(run, history={"loss": losses}))
    found = curves.series(model, "loss")
    assert found is not None
    epochs, mean, deviation = found
    assert epochs.tolist() == [1, 2, 3]
    assert mean.tolist() == [3.0, 2.0, 1.0]
    assert deviation.tolist() == [pytest.approx(2**0.5), 0.0, 0.0]
    assert curves.series(model, "val_loss") is None


def test_gallery_shows_the_pixels_of_the_errors(tmp_path: Path) -> None:
    dataset = fakes.make(models=(), images=20)[0].dataset
    images = np.zeros((3, 8, 8, 1), np.uint8)
    images[1] = 137
    wrong = [errors.Error(index=1, predicted=0, true=1, confidence=0.99, true_probability=0.01)]
    gallery.errors(tmp_path / "g.png", images, wrong, ["a", "b"], "t", dataset)
    pixels = check(tmp_path / "g.png")
    # Gray 137 stays 137: no stretched contrast, no smoothing.
    assert (pixels == 137).all(axis=-1).sum() > 10_000
    for channels in (2, 3, 4):
        assert gallery.picture(np.zeros((5, 4, channels), np.uint8)).ndim == (
            2 if channels < 3 else 3
        )


def test_classes_without_images_are_left_out(tmp_path: Path) -> None:
    dataset = fakes.make(models=(), images=20)[0].dataset
    names = [f"class {i}" for i in range(80)]
    shares = [None if i == 3 else i / 80 for i in range(80)]
    counts = [0 if i == 3 else 20 for i in range(80)]
    classes.accuracies(tmp_path / "c.png", shares, counts, names, "#000000", "t", dataset)
    check(tmp_path / "c.png")


def test_labels_do_not_overlap_with_twelve_models_in_a_cluster(tmp_path: Path) -> None:
    dataset = fakes.make(models=(), images=20)[0].dataset
    rng = np.random.default_rng(0)
    points = [
        (float(x), float(y), f"Model number {i}")
        for i, (x, y) in enumerate(rng.uniform(0.3, 0.7, (12, 2)))
    ]
    with style.drawing(tmp_path / "l.png", (7.2, 4.8), "t", dataset) as figure:
        axes = figure.subplots()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        boxes = labels.place_labels(figure, axes, points)
        pixels = axes.transData.transform([(x, y) for x, y, _ in points])
    assert len(boxes) == 12
    for i, one in enumerate(boxes):
        assert not any(labels.overlaps(one, other) for other in boxes[:i])
        assert not any(one[0] < x < one[2] and one[1] < y < one[3] for x, y in pixels)


def _drawn_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    seen: list[str] = []
    real = Figure.savefig

    def spy(self: Figure, *args: object, **kwargs: object) -> None:
        seen.extend(t.get_text() for t in self.findobj(Text))
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return seen


def test_reported_figures_are_hollow_and_only_on_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _drawn_texts(monkeypatch)
    for source, expected in (("local", True), ("synthetic", False)):
        record = fakes.make(models=("lenet5", "resnet18"), images=60, source=source)[0]
        seen.clear()
        tradeoff.against_parameters(
            tmp_path / "a.png", tables.models(record), record.reported, record.dataset
        )
        check(tmp_path / "a.png")
        assert any("reported" in one for one in seen) == expected


def test_every_figure_carries_the_label_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _drawn_texts(monkeypatch)
    record, images, predictions = fakes.make(
        models=("lenet5", "smallnet"), seeds=1, images=60, source="synthetic", title="Digits"
    )
    pictures = illustrate.illustrate(tmp_path, record, images, predictions)
    label = "Digits, SYNTHETIC images, not real data, partial: 4434 of 73257"
    assert sum(label in one for one in seen) == len(pictures) == 12


def test_reliability_needs_no_full_bins(tmp_path: Path) -> None:
    record = fakes.make(models=("lenet5",), images=30)[0]
    bins = calibration.reliability([0, 0], [[5.0, 0], [0, 5.0]])
    reliability.diagrams(tmp_path / "r.png", [(tables.models(record)[0], bins)], record.dataset)
    check(tmp_path / "r.png")


def test_slugs_are_harmless_and_distinct() -> None:
    record = fakes.make(models=("lenet5", "smallnet", "vgg16"), images=20)[0]
    shown = tables.models(record)
    import dataclasses

    renamed = [
        dataclasses.replace(model, name=name)
        for model, name in zip(shown, ["../A b", "a*B", "五"], strict=True)
    ]
    assert list(illustrate.slugs(renamed).values()) == ["a-b", "a-b-1", "model-2"]


def test_drawing_starts_no_threads_and_no_pyplot(tmp_path: Path) -> None:
    import subprocess
    import sys

    before = threading.active_count()
    dataset = fakes.make(models=(), images=20)[0].dataset
    confusion.matrix(tmp_path / "c.png", np.eye(2, dtype=np.int64), ["a", "b"], "t", dataset)
    assert threading.active_count() == before
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, pathlib, reporting_fakes as fakes\n"
        "from kerasdl.reporting.figures import confusion\n"
        "dataset = fakes.make(models=(), images=20)[0].dataset\n"
        "path = pathlib.Path(sys.argv[2]) / 'd.png'\n"
        "confusion.matrix(path, np.eye(2, dtype=int), ['a', 'b'], 't', dataset)\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
