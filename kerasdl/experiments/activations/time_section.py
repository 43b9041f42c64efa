"""What the run times say: ratios to one activation's, round by round."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kerasdl.experiments.activations import figures as activations_figures
from kerasdl.experiments.activations.timing import Times, interval
from kerasdl.experiments.depth.results import title
from kerasdl.reporting import text
from kerasdl.sections import Section, Table
from kerasdl.studies.experiment import Context

BASE = "relu"
"""Times are compared with this activation's, or with the first one's where it is not there."""

BUSY = 0.6
"""Below this share of all cores, other work slowed the trainings, or they could not use them."""


def run_time(context: Context, times: Times) -> Section:
    """Returns the section on run time; draws its figure.

    Args:
        context: The experiment's.
        times: As `activations_timing.measure` returns them.
    """
    plan = context.plan
    base = BASE if BASE in times else plan.activations[0]
    ratios = {clock: ratios_to(base, times, clock) for clock in ("wall", "processor")}
    rows: list[list[str | float | int | None]] = []
    lines = []
    for activation, clocks in times.items():
        row: list[str | float | int | None] = [title(activation)]
        for clock in ratios:
            middle = float(np.median(ratios[clock][activation]))
            low, high = interval(ratios[clock][activation])
            row.append(f"{1000 * float(np.median(clocks[clock])):.0f}")
            if activation == base:
                row += ["1", "the base"]
                continue
            verdict = "tied" if low <= 1 <= high else "slower" if low > 1 else "faster"
            row += [f"{middle:.2f} ({low:.2f} to {high:.2f})", verdict]
            lines.append(
                f"{title(activation)}, {clock} time: {middle:.2f} times {title(base)}'s "
                f"({low:.2f} to {high:.2f}), {verdict}."
            )
        rows.append(row)
    size = min(plan.timing_size, len(context.images[1].train))
    return Section(
        title="What does each activation cost?",
        text=[
            " ".join(lines),
            "Networks are trained one at a time by the same engine, a round for each activation in "
            f"turn, {plan.timing_rounds} rounds, each beginning with another one; tracing and the "
            "first epoch are left out. A ratio compares two activations in the same round, so "
            "that other work on the machine slows both. " + _machine(times),
        ],
        tables=[
            Table(
                name="time",
                title=f"Time of one training epoch of {text.count(size)} images",
                columns=[
                    "Activation",
                    "Wall, ms",
                    "Wall, ratio",
                    "By the wall",
                    "Processor, ms",
                    "Processor, ratio",
                    "By the processor",
                ],
                rows=rows,
                note=f"Medians over the rounds. Ratio: to {title(base)} in the same round, with "
                "the interval that order statistics give its median (at least 93 %). Tied: it "
                "contains 1. Processor: of all cores together.",
            )
        ],
        figures=[activations_figures.run_time(context, ratios, base)],
    )


def ratios_to(base: str, times: Times, clock: str) -> Mapping[str, Sequence[float]]:
    """Returns each activation's time over the base's in the same round.

    Args:
        base: An activation.
        times: As `activations_timing.measure` returns them.
        clock: "wall" or "processor".
    """
    return {
        activation: [
            one / other for one, other in zip(clocks[clock], times[base][clock], strict=True)
        ]
        for activation, clocks in times.items()
    }


def _machine(times: Times) -> str:
    """Says how much of the machine the trainings had."""
    cores = os.cpu_count() or 1
    shares = [
        one / (other * cores)
        for clocks in times.values()
        for one, other in zip(clocks["processor"], clocks["wall"], strict=True)
    ]
    share = float(np.median(shares))
    words = f"They had {100 * share:.0f} % of {cores} cores (median)"
    if share >= BUSY:
        return f"{words}."
    return (
        f"{words}: other work ran at the time, or the network cannot use them all. The wall time "
        "of a busy machine is not worth much; the processor time is the better guide."
    )
