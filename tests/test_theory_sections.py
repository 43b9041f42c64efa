"""Verdicts follow the numbers, whatever they are; figures are drawn."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from theory_fakes import task

from kerasdl.theory import (
    confidence,
    convergence,
    convexity,
    convexity_figures,
    convexity_section,
    gradients,
    losses_figures,
    losses_section,
    pocket,
)
from kerasdl.theory.convergence import Duel
from kerasdl.theory.losses import LOSSES, MSE, RAW_CE


def drawn(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    assert len(np.unique(pixels)) > 20
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def tables_fit(section):
    names = [table.name for table in section.tables]
    assert len(set(names)) == len(names)
    for table in section.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.fixture(scope="module")
def learned():
    return convergence.measure(
        task(n=120), rates=[0.1, 1.0], steps=60, batch_size=16, seeds=range(3)
    )


@pytest.fixture(scope="module")
def parts(learned):
    given = task(n=120)
    return {
        "curves": gradients.curves(),
        "measured": [gradients.measure(given)],
        "likelihoods": [gradients.likelihood(given)],
        "convergences": [learned],
        "calibrations": [confidence.measure(learned)],
        "figures": [],
    }


def test_the_section_on_losses(parts):
    section = losses_section.section(**parts, left_out="No table here.")
    tables_fit(section)
    assert section.text[-1] == "No table here."
    assert [claim.verdict for claim in section.claims][:3] == ["right"] * 3
    assert len(section.tables[1].rows) == 4  # two targets, two starts


def faster(parts, best, equal=(10, 40)):
    """The claim's verdict when all duels went so (steps of cross-entropy, of squared error)."""

    def duels(old, steps):
        spread = np.array([1.0, 1.1, 1.2])
        table = np.array([np.round(10 * one * spread) for one in steps]).astype(np.int64)
        return tuple(
            Duel(d.margin, d.start, d.rates, table, np.full(table.shape, True)) for d in old
        )

    learned = parts["convergences"][0]
    changed = dataclasses.replace(
        learned, best=duels(learned.best, best), equal=duels(learned.equal, equal)
    )
    return losses_section.section(**{**parts, "convergences": [changed]}).claims[3].verdict


def test_the_verdict_on_speed_follows_the_duels(parts):
    assert faster(parts, best=(10, 40)) == "right"
    assert faster(parts, best=(10, 10)) == "partly right"
    assert faster(parts, best=(40, 10)) == "partly right"
    assert faster(parts, best=(40, 10), equal=(40, 10)) == "wrong"


def test_with_few_seeds_the_verdict_on_speed_is_open(parts):
    few = convergence.measure(task(n=120), rates=[0.1], steps=20, batch_size=16, seeds=range(2))
    changed = {
        **parts, "convergences": [few], "calibrations": [confidence.measure(few)]
    }  # fmt: skip
    section = losses_section.section(**changed)
    assert section.claims[3].verdict == "undecided"
    assert "too few seeds" in section.text[3]


def test_broken_gradients_would_be_seen(parts):
    ce, mse = parts["measured"][0]
    swapped = losses_section.section(**{**parts, "measured": [(mse, ce)]})
    assert swapped.claims[2].verdict == "wrong"
    off = dataclasses.replace(parts["likelihoods"][0], error=0.1)
    assert losses_section.section(**{**parts, "likelihoods": [off]}).claims[0].verdict == "wrong"


def test_the_figures_of_losses(parts, learned, tmp_path):
    label = "two clouds"
    losses_figures.gradients(tmp_path / "a.png", parts["curves"], parts["measured"], label)
    losses_figures.convergence(tmp_path / "b.png", learned, label)
    losses_figures.calibration(tmp_path / "c.png", parts["calibrations"], label)
    for name in "abc":
        drawn(tmp_path / f"{name}.png")


@pytest.fixture(scope="module")
def measured():
    return convexity.measure(
        task(n=80), losses=LOSSES, depths=(1, 2), points=30, components=2, width=2
    )


def verdicts(measured):
    claims = convexity_section.section([measured], pocket.examples(), []).claims
    return [claim.verdict for claim in claims]


def test_the_section_on_convexity(measured):
    section = convexity_section.section([measured], pocket.examples(), [])
    tables_fit(section)
    assert verdicts(measured) == [
        "right", "wrong", "wrong", "partly right", "partly right", "not defined"
    ]  # fmt: skip
    assert [table.name for table in section.tables] == ["counterexamples", "convexity_clouds"]


def changed(measured, loss, depth, **values):
    cases = [
        dataclasses.replace(case, **values) if (case.loss, case.depth) == (loss, depth) else case
        for case in measured.cases
    ]
    return dataclasses.replace(measured, cases=tuple(cases))


def test_the_verdicts_on_convexity_follow_the_numbers(measured):
    positive = np.ones(30)
    convex = changed(
        measured, MSE, 2, smallest=positive, relative=positive, refuting=0, open_midpoints=0
    )
    assert verdicts(convex)[1:3] == ["right", "right"]
    bent = changed(measured, MSE, 1, relative=-positive)
    assert verdicts(bent)[0] == "wrong"
    assert verdicts(bent)[4] == "wrong"
    defined = changed(measured, RAW_CE, 1, undefined=0.0)
    assert verdicts(defined)[5] == "wrong"


def test_the_figures_of_convexity(measured, tmp_path):
    given = task(n=80)
    convexity_figures.eigenvalues(tmp_path / "a.png", measured, "two clouds")
    convexity_figures.segments(tmp_path / "b.png", measured, given, "two clouds")
    convexity_figures.maps(tmp_path / "c.png")
    for name in "abc":
        drawn(tmp_path / f"{name}.png")
