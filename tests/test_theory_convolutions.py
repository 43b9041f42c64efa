"""The two convolutions of row 17, counted by hand, and timed in turn."""

import itertools

import numpy as np
import pytest
from PIL import Image

from kerasdl.theory import convolutions, convolutions_section
from kerasdl.theory.convolutions import Timing


@pytest.fixture(scope="module")
def designs():
    return convolutions.designs()


def test_the_designs_cost_what_the_hand_counts(designs):
    direct, bottleneck = designs
    assert direct.output_shape == bottleneck.output_shape == (28, 28, 32)
    assert direct.costs.parameters == 5 * 5 * 192 * 32 + 32 == 153_632
    assert bottleneck.costs.parameters == (192 * 16 + 16) + (5 * 5 * 16 * 32 + 32) == 15_920
    assert direct.costs.multiply_accumulates == 28 * 28 * 32 * 25 * 192
    assert bottleneck.costs.multiply_accumulates == 28 * 28 * (16 * 192 + 32 * 25 * 16)
    assert [layer.name for layer in bottleneck.layers] == ["conv_1x1", "conv_5x5"]
    assert bottleneck.costs.activations == 28 * 28 * (16 + 32)


def test_the_reports_figures_are_those_of_other_layers():
    found = convolutions.variants()
    assert {one.parameters for one in found} == {55_328}
    assert [one.output_shape[0] for one in found] == [28, 26, 30]


def test_an_unknown_design_is_refused():
    with pytest.raises(ValueError, match=r"direct, bottleneck.*'other'"):
        convolutions.build("other")


def test_designs_are_timed_in_turn():
    ticks = itertools.count()
    found = convolutions.measure_time(
        batch_size=1, rounds=3, clock=lambda: float(next(ticks)), busy_clock=lambda: 0.0
    )
    assert found.seconds == {"direct": [1.0] * 3, "bottleneck": [1.0] * 3}
    assert found.busy == {"direct": [0.0] * 3, "bottleneck": [0.0] * 3}
    assert found.busy_ratio is None
    assert next(ticks) == 2 * 2 * 3


def test_ratios_are_of_rounds():
    busy = {"direct": [3.0, 5.0, 4.0], "bottleneck": [1.0, 1.0, 1.0]}
    timing = Timing(4, {"direct": [6.0, 10.0, 8.0], "bottleneck": [2.0, 2.0, 4.0]}, busy)
    assert timing.busy_ratio == 4.0
    assert timing.busy_medians == {"direct": 4.0, "bottleneck": 1.0}
    assert timing.ratios == [3.0, 5.0, 2.0]
    assert timing.medians == {"direct": 8.0, "bottleneck": 2.0}


def test_the_section_and_its_figure(designs, tmp_path):
    seconds = {"direct": [0.6, 1.0, 0.8], "bottleneck": [0.2, 0.2, 0.4]}
    timing = Timing(4, seconds, seconds)
    section = convolutions_section.section(designs, convolutions.variants(), timing, [])
    verdicts = {claim.claim: claim.verdict for claim in section.claims}
    assert verdicts == {
        "5×5, 32 filters: 55\u202f328 parameters.": "wrong",
        "1×1, 16 filters, then 5×5, 32 filters: 15\u202f920 parameters.": "right",
        "The outputs are 26 and 30 pixels wide, with same padding.": "wrong",
    }
    assert "3×3, 32 filters" in section.claims[0].measured
    assert "26 with 3×3, 32 filters, no padding" in section.claims[2].measured
    for table in section.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert section.tables[0].rows[2][6] == pytest.approx(3.0)
    convolutions_section.draw(tmp_path / "a.png", designs, timing)
    with Image.open(tmp_path / "a.png") as image:
        assert len(np.unique(np.asarray(image.convert("L")))) > 20
