"""What a report says of the arms of a transfer, from records and tiny networks made for it."""

import dataclasses
from types import SimpleNamespace

import keras
import msgspec
import numpy as np
import pytest
import reporting_fakes as fakes
from keras import layers
from rich.console import Console
from test_reporting_figures import check

from kerasdl.datasets.dataset import Examples, Splits
from kerasdl.evaluation import embedding
from kerasdl.reporting.figures import arms as arms_figure
from kerasdl.reporting.figures import embedding as embedding_figure
from kerasdl.reporting.figures import gradcam as gradcam_figure
from kerasdl.studies import explaining
from kerasdl.studies.conclude import Comparison
from kerasdl.studies.transfer import arms_section, classes_section
from kerasdl.studies.transfer.arms import best_base, trained
from kerasdl.studies.transfer.sections import sections

ARMS = {"frozen": "frozen", "finetuned": "fine-tuned", "scratch": "from scratch"}


def compare(folder, monkeypatch, *, skills, base="vgg16", weights="imagenet", images=400, **more):
    """Returns a finished comparison of the arms of a base; a skill is how good an arm is."""
    names = tuple(f"{base}-{arm}" for arm in skills)
    for arm, name in zip(skills, names, strict=True):
        row = (f"VGG16, {ARMS[arm]}", 14_719_818, 313_478_144, 0.0, 40.0)
        monkeypatch.setitem(fakes.ZOO, name, row)
    record, pictures, predictions = fakes.make(
        models=names,
        images=images,
        skills={name: skills[arm] for name, arm in zip(names, skills, strict=True)},
        **more,
    )
    runs = [
        msgspec.structs.replace(
            run,
            feature_seconds=12.5 if run.model.endswith("frozen") and run.seed == 0 else None,
            trained_parameters=5130 if run.model.endswith("frozen") else 14_719_818,
        )
        for run in record.runs
    ]
    settings = {
        f"{base}-{arm}": {"base": base, "weights": "random" if arm == "scratch" else weights}
        for arm in skills
    }
    recipe = {
        "data": {"dataset": "fashion_mnist"},
        "settings": settings,
        "transfer": {f"{base}-{arm}": {"arm": arm, "cached": False} for arm in skills},
    }
    dataset = msgspec.structs.replace(record.dataset, name="fashion_mnist")
    record = msgspec.structs.replace(
        record, app="fashion_mnist", runs=runs, recipe=recipe, dataset=dataset
    )
    part = Examples(pictures, predictions.labels)
    return Comparison(record, predictions, Splits(part, part, part), folder)


def weak(folder, monkeypatch, **more):
    skills = {"scratch": 3.4, "frozen": 1.8, "finetuned": 3.0}
    return compare(folder, monkeypatch, skills=skills, **more)


def test_arms_come_base_by_base_in_order(tmp_path, monkeypatch):
    comparison = weak(tmp_path, monkeypatch)
    found = trained(comparison.record)
    assert [one.arm for one in found] == ["frozen", "finetuned", "scratch"]
    assert [one.weights for one in found] == ["ImageNet", "ImageNet", "random"]
    assert found[0].feature_seconds == 12.5
    assert found[2].feature_seconds is None
    assert found[0].side(comparison.record) == "32"
    assert best_base(found) == found


def test_weak_frozen_features_are_called_so(tmp_path, monkeypatch):
    comparison = weak(tmp_path, monkeypatch)
    section = arms_section.section(comparison, trained(comparison.record))
    (figure,) = section.figures
    check(tmp_path / figure.file)
    assert "VGG16: frozen features are weak here: frozen " in section.text[0]
    assert "from scratch beats frozen by" in section.text[0]
    assert "things at 224×224 pixels; here the base sees 32" in section.text[0]
    # Said once.
    assert "weak" not in section.text[1]
    assert "Fine-tuning pays" in section.text[1]
    (table,) = section.tables
    cells = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["Parameters trained"] for row in cells] == [5130, 14_719_818, 14_719_818]
    assert [row["Features, s"] for row in cells] == [12.5, None, None]


def test_frozen_features_that_carry_are_called_so(tmp_path, monkeypatch):
    comparison = compare(tmp_path, monkeypatch, skills={"frozen": 3.4, "scratch": 1.5})
    (words,) = arms_section.section(comparison, trained(comparison.record)).text
    assert "the frozen features carry" in words
    assert "weak" not in words


def test_what_is_within_noise_is_left_open(tmp_path, monkeypatch):
    skills = {"frozen": 2.5, "scratch": 2.5, "finetuned": 2.5}
    comparison = compare(tmp_path, monkeypatch, skills=skills, images=90)
    words = arms_section.section(comparison, trained(comparison.record)).text
    assert len(words) == 3
    assert all("open" in one and "tied within noise" in one for one in words)


def test_one_arm_alone_is_not_judged(tmp_path, monkeypatch):
    comparison = compare(tmp_path, monkeypatch, skills={"frozen": 0.4})
    (words,) = arms_section.section(comparison, trained(comparison.record)).text
    assert "--arms frozen,finetuned,scratch" in words
    assert "weak" not in words


def test_class_accuracies_have_wilsons_intervals(tmp_path, monkeypatch):
    comparison = weak(tmp_path, monkeypatch, images=1500)
    section = classes_section.section(comparison, trained(comparison.record))
    (table,) = section.tables
    # The best arm first.
    assert table.columns[2] == "VGG16, from scratch"
    assert [row[0] for row in table.rows] == [*(f"{i}: {i}" for i in range(10)), "all"]
    # Label 3 was made to look like label 5.
    assert "least often right on 3, " in section.text[0]
    assert "explains: 3" in section.text[0]
    counts = np.bincount(comparison.predictions.labels)
    assert [row[1] for row in table.rows] == [*counts.tolist(), 1500]
    n = int(counts[3])
    scores = [
        comparison.predictions.get(run.model, run.seed, run.settings)
        for run in comparison.runs("vgg16-scratch")
    ]
    chosen = comparison.predictions.labels == 3
    p = np.mean([(one.argmax(axis=1) == 3)[chosen].mean() for one in scores])
    # Wilson's interval is where |p - q| = z sqrt(q (1 - q) / n).
    low, high = np.sort(np.roots([1 + 1.96**2 / n, -(2 * p + 1.96**2 / n), p**2]).real)
    assert table.rows[3][2] == f"{100 * p:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def test_of_many_classes_the_hardest_are_shown(tmp_path, monkeypatch):
    names = [f"class {i}" for i in range(30)]
    comparison = weak(tmp_path, monkeypatch, names=names, seeds=1)
    (table,) = classes_section.section(comparison, trained(comparison.record)).tables
    assert len(table.rows) == 21
    assert "the 20 hardest of 30 classes" in table.title
    assert any(row[0].startswith("3: ") for row in table.rows)


@pytest.mark.parametrize(
    ("base", "weights", "skill", "verdict"),
    [
        ("vgg16", "imagenet", 3.4, "wrong"),
        ("vgg16", "imagenet", 0.9, "right"),
        ("vgg16", "runs/cifar10", 3.4, "undecided"),
        ("mobilenet", "imagenet", 3.4, "undecided"),
    ],
)
def test_report_e_is_judged_by_its_own_network_only(
    tmp_path, monkeypatch, base, weights, skill, verdict
):
    comparison = compare(
        tmp_path, monkeypatch, skills={"frozen": skill}, base=base, weights=weights
    )
    (claim,) = classes_section.section(comparison, trained(comparison.record)).claims
    assert claim.report == "E, row 15"
    assert claim.verdict == verdict
    assert "batches of the first epoch 0." in claim.measured
    other = msgspec.structs.replace(comparison.record.dataset, source="synthetic")
    record = msgspec.structs.replace(comparison.record, dataset=other)
    synthetic = dataclasses.replace(comparison, record=record)
    assert not classes_section.section(synthetic, trained(record)).claims


def tiny(*, dead=False):
    """A model of `models.transfer`'s form."""
    inner = keras.Input((32, 32, 3))
    x = layers.Conv2D(6, 5, 4, activation="relu", name="block1")(inner)
    base = keras.Model(inner, x, name="vgg16")
    pixels = keras.Input((32, 32, 3), name="pixels")
    x = base(layers.Rescaling(1 / 255)(pixels), training=False)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(pixels, layers.Dense(10, name="logits")(x))
    if dead:
        base.get_layer("block1").set_weights([np.zeros((5, 5, 3, 6)), np.zeros(6)])
    return model


def test_the_whole_of_it(tmp_path, monkeypatch):
    comparison = weak(tmp_path, monkeypatch, seeds=1, images=60)
    (tmp_path / "models").mkdir()
    for arm in ARMS:
        tiny(dead=arm == "scratch").save(tmp_path / "models" / f"vgg16-{arm}-seed0.keras")
    study = SimpleNamespace(
        plan=SimpleNamespace(
            transfer={f"vgg16-{arm}": SimpleNamespace(cached=False) for arm in ARMS}
        ),
        splits=comparison.splits,
        cache=None,
        console=Console(quiet=True),
    )
    found = sections(comparison, study)
    assert [one.title for one in found] == [
        "Frozen, fine-tuned or from scratch",
        "Class by class",
        "What the features know",
        "Where the networks look",
    ]
    assert "from scratch are the same for all images" in found[2].text[1]
    assert [figure.file for one in found for figure in one.figures] == [
        "figures/fashion_mnist-arms.png",
        "figures/fashion_mnist-features.png",
        *(f"figures/fashion_mnist-gradcam-vgg16-{arm}.png" for arm in ARMS),
    ]
    for one in found:
        for figure in one.figures:
            check(tmp_path / figure.file)
            assert len(figure.alt) > 30
    assert "(vgg16/block1)" in found[3].figures[0].caption
    # What was saved is what is drawn; without it, the rest of the report stands.
    for path in (tmp_path / "models").iterdir():
        path.unlink()
    assert [one.title for one in sections(comparison, study)] == [one.title for one in found[:2]]


def test_without_arms_there_is_nothing_to_say(tmp_path):
    record, images, predictions = fakes.make(models=("lenet5",), seeds=1, images=60)
    part = Examples(images, predictions.labels)
    comparison = Comparison(record, predictions, Splits(part, part, part), tmp_path)
    assert sections(comparison, SimpleNamespace()) == []
    assert explaining.sections(comparison) == []


def test_the_best_network_with_convolutions_is_explained(tmp_path):
    from kerasdl.models import registry

    record, images, predictions = fakes.make(
        models=("lenet5", "smallnet"), seeds=1, images=60, skills={"smallnet": 4.0}
    )
    part = Examples(images, predictions.labels)
    comparison = Comparison(record, predictions, Splits(part, part, part), tmp_path)
    (tmp_path / "models").mkdir()
    # The better one has none.
    registry.build("mlp1", (32, 32, 3), 10).save(tmp_path / "models" / "smallnet-seed0.keras")
    registry.build("lenet5", (32, 32, 3), 10).save(tmp_path / "models" / "lenet5-seed0.keras")
    (section,) = explaining.sections(comparison)
    (figure,) = section.figures
    assert figure.file == "figures/svhn-gradcam-lenet5.png"
    assert "10×10 cells (c3)" in figure.caption
    first = (tmp_path / figure.file).read_bytes()
    check(tmp_path / figure.file)
    explaining.sections(comparison)
    assert (tmp_path / figure.file).read_bytes() == first


def test_figures_stand_hostile_names_and_few_answers(tmp_path):
    dataset = fakes.make(models=(), names=fakes.HOSTILE, images=20)[0].dataset
    image = np.full((40, 20, 1), 90, np.uint8)
    nothing = np.zeros((40, 20), np.float32)
    example = gradcam_figure.Example(image, 0, 2, 0.5, nothing, nothing)
    right = dataclasses.replace(example, answered=0, true_heat=None)
    for number, (good, bad) in enumerate((([right], []), ([], [example] * 6))):
        path = tmp_path / f"{number}.png"
        gradcam_figure.examples(path, good, bad, fakes.HOSTILE, "title", dataset)
        check(path)
    points = np.random.default_rng(0).normal(size=(60, 2))
    plane = embedding.Embedding(points, (0.5, 0.1), points, (0.9, 0.4, 0.8), 0.1)
    many = embedding_figure.Panel("$\\frac{$ <b>", plane, np.arange(60) % 30)
    names = [*fakes.HOSTILE, *(f"class {i}" for i in range(27))]
    embedding_figure.planes(tmp_path / "2.png", [many], names, "title", dataset)
    check(tmp_path / "2.png")
    one = arms_figure.Arm("$\\frac{$", [0.5], 0.0, 0.0, 0)
    arms_figure.accuracy_and_time(tmp_path / "3.png", [one], "title", dataset)
    check(tmp_path / "3.png")
