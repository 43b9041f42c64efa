"""What the report says of the two convolution designs (row 17 of docs/reports.md)."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasdl.reporting import text
from kerasdl.reporting.figures import style
from kerasdl.sections import Claim, Figure, Section, Table
from kerasdl.theory.convolutions import DESIGNS, Design, Timing, Variant

REPORTED = {"direct": 55_328, "bottleneck": 15_920}
"""Parameters that report E prints."""
REPORTED_SIDES = (26, 30)
"""Heights and widths of the output that report E prints, both."""


def section(
    designs: tuple[Design, Design],
    variants: Sequence[Variant],
    timing: Timing,
    figures: Sequence[Figure],
) -> Section:
    """Returns the section with its claims, tables and figure.

    Args:
        designs: What both cost.
        variants: Convolutions that explain the report's figures.
        timing: How long both take.
        figures: What was drawn.
    """
    direct, bottleneck = designs
    fewer = direct.costs.multiply_accumulates / bottleneck.costs.multiply_accumulates
    ratios = timing.ratios
    ratio = statistics.median(ratios)
    return Section(
        title="Two convolutions",
        text=[
            "A 1×1 convolution to 16 channels before the 5×5 one leaves the output shape as it is, "
            f"divides the multiply-accumulates by {fewer:.1f} and the parameters by "
            f"{direct.costs.parameters / bottleneck.costs.parameters:.1f}, and multiplies the "
            f"activations by {bottleneck.costs.activations / direct.costs.activations:.1f}. A "
            f"batch of {timing.batch_size} took {_milliseconds(timing, 'direct')} ms without it "
            f"and {_milliseconds(timing, 'bottleneck')} ms with it, {ratio:.1f} times less (median "
            f"of {len(ratios)} rounds in turn, {min(ratios):.1f} to {max(ratios):.1f}): "
            f"{_gain(ratio, fewer)}.{_busy(timing)}",
            "Where the report's other figures come from can be found by trying: "
            f"{_explained(variants)}.",
        ],
        claims=[
            _claim_parameters(direct, variants),
            _claim_parameters(bottleneck, variants),
            _claim_shape(designs, variants),
        ],
        tables=[_table_designs(designs, timing), _table_layers(designs), _table_variants(variants)],
        figures=list(figures),
    )


def _gain(ratio: float, arithmetic: float) -> str:
    if abs(ratio / arithmetic - 1) < 0.05:
        return "what the arithmetic promises"
    return f"{'less' if ratio < arithmetic else 'more'} than the arithmetic promises"


def _busy(timing: Timing) -> str:
    ratio = timing.busy_ratio
    return "" if ratio is None else f" Of processor time it took {ratio:.1f} times less."


def _claim_parameters(design: Design, variants: Sequence[Variant]) -> Claim:
    claimed = REPORTED[design.name]
    like = [one.title for one in variants if one.parameters == claimed]
    hint = f" {text.count(claimed)} is the count of {like[0]}." if like else ""
    right = design.costs.parameters == claimed
    return Claim(
        report="E, row 17",
        claim=f"{design.title}: {text.count(claimed)} parameters.",
        measured=f"{text.count(design.costs.parameters)} in Keras's layers."
        + ("" if right else hint),
        verdict="right" if right else "wrong",
    )


def _claim_shape(designs: tuple[Design, Design], variants: Sequence[Variant]) -> Claim:
    sides = sorted({side for design in designs for side in design.output_shape[:2]})
    shapes = text.listing([_shape(design.output_shape) for design in designs])
    claimed = text.listing([str(side) for side in REPORTED_SIDES])
    found = {one.output_shape[0]: one.title for one in variants}
    hints = [f"{side} with {found[side]}" for side in REPORTED_SIDES if side in found]
    return Claim(
        report="E, row 17",
        claim=f"The outputs are {claimed} pixels wide, with same padding.",
        measured=f"{shapes}. It would be {text.listing(hints)}.",
        verdict="right" if sides == sorted(REPORTED_SIDES) else "wrong",
    )


def _explained(variants: Sequence[Variant]) -> str:
    return "; ".join(
        f"{one.title}: {text.count(one.parameters)} parameters, {_shape(one.output_shape)}"
        for one in variants
    )


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _milliseconds(timing: Timing, name: str) -> str:
    return f"{timing.medians[name] * 1e3:.1f}"


def _table_designs(designs: tuple[Design, Design], timing: Timing) -> Table:
    rows: list[list[str | float | int | None]] = [
        [
            design.title,
            _shape(design.output_shape),
            design.costs.parameters,
            REPORTED[design.name],
            design.costs.multiply_accumulates,
            design.costs.activations,
            timing.medians[design.name] * 1e3,
            timing.busy_medians[design.name] * 1e3,
        ]
        for design in designs
    ]
    direct, bottleneck = (design.costs for design in designs)
    rows.append([
        "ratio",
        None,
        direct.parameters / bottleneck.parameters,
        REPORTED["direct"] / REPORTED["bottleneck"],
        direct.multiply_accumulates / bottleneck.multiply_accumulates,
        direct.activations / bottleneck.activations,
        statistics.median(timing.ratios),
        timing.busy_ratio,
    ])  # fmt: skip
    return Table(
        name="convolutions",
        title=f"Both designs on {_shape((28, 28, 192))}, same padding",
        columns=[
            "Design",
            "Output",
            "Parameters",
            "Parameters in the report",
            "MACs",
            "Activations",
            f"Time of {timing.batch_size} images, ms",
            "Processor time, ms",
        ],
        rows=rows,
        note=f"Time: median of {len(timing.ratios)} rounds, both in turn, after a warm-up; its "
        "ratio is the median of the rounds' ratios. Processor time: of all cores together, which "
        "other programs disturb less. MACs: multiply-accumulates for one image.",
        digits=1,
    )


def _table_layers(designs: tuple[Design, Design]) -> Table:
    return Table(
        name="convolution_layers",
        title="The same by layer",
        columns=["Design", "Layer", "Output", "Parameters", "MACs", "Activations"],
        rows=[
            [
                design.title,
                layer.name,
                _shape(layer.output_shape),
                layer.parameters,
                layer.multiply_accumulates,
                layer.activations,
            ]
            for design in designs
            for layer in design.layers
        ],
        note="For any network or saved Keras model such a table is printed by: "
        "python -m kerasdl.models --layers NAME",
    )


def _table_variants(variants: Sequence[Variant]) -> Table:
    return Table(
        name="convolution_variants",
        title="Convolutions that give the report's figures",
        columns=["Layers", "Parameters", "Output"],
        rows=[[one.title, one.parameters, _shape(one.output_shape)] for one in variants],
    )


def draw(path: Path, designs: tuple[Design, Design], timing: Timing) -> None:
    """Draws parameters, multiply-accumulates and time of both designs side by side.

    Args:
        path: The PNG to write.
        designs: What both cost.
        timing: How long both take.
    """
    label = "input 28×28×192, same padding, output 28×28×32"
    title = "What a 1×1 convolution before a 5×5 one saves"
    panels = (
        ("Parameters, thousands", [d.costs.parameters / 1e3 for d in designs]),
        ("Multiply-accumulates, millions", [d.costs.multiply_accumulates / 1e6 for d in designs]),
        (
            f"Time of {timing.batch_size} images, ms",
            [timing.medians[name] * 1e3 for name in DESIGNS],
        ),
    )
    names = ["5×5", "1×1, then 5×5"]
    with style.drawing(path, (9.0, 3.2), title, label) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (name, values) in zip(grid, panels, strict=True):
            colors = [style.color(0), style.color(1)]
            axes.bar(names, values, color=colors, width=0.6)
            for i, value in enumerate(values):
                axes.text(i, value, f"{value:.1f}", ha="center", va="bottom", fontsize=8)
            axes.set_title(name, fontsize=9)
            axes.set_ylim(0, 1.12 * max(values))
        times = [np.array(timing.seconds[name]) * 1e3 for name in DESIGNS]
        for i, found in enumerate(times):
            grid[-1].plot(
                np.full(len(found), i + 0.36), found, ls="", marker="_", color="#333333", ms=7
            )
        grid[-1].set_ylim(0, 1.12 * max(float(found.max()) for found in times))
        # The report's count of the first design, beside ours.
        grid[0].axhline(REPORTED["direct"] / 1e3, color=style.MUTED, lw=0.9, ls=(0, (3, 2)))
        grid[0].text(
            1.3,
            REPORTED["direct"] / 1e3,
            "the report's 55.3",
            ha="right",
            va="bottom",
            fontsize=8,
            color=style.MUTED,
        )
