"""Axes of hyper-parameters and of what a search optimises: which scale, how far."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

DEPTH = 20.0
"""The most percentage points below the best accuracy that are shown."""

REACH = 4.0
"""How many times deeper than three quarters of the values is shown: a collapsed trial must not
flatten the others."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """What a search optimises.

    Args:
        name: For people, e.g. "validation accuracy".
        minimised: Whether less is better; if not, it is a share (0..1), shown in percent.
    """

    name: str
    minimised: bool = False

    @property
    def label(self) -> str:
        """The title of its axis."""
        return self.name[:1].upper() + self.name[1:] + ("" if self.minimised else ", %")

    def shown(self, values: npt.ArrayLike) -> Floats:
        """Returns values as they are drawn: shares in percent."""
        return np.asarray(values, np.float64) * (1.0 if self.minimised else 100.0)

    def worse(self, values: Floats) -> float:
        """Returns the worst of shown values that a picture has room for; NaN is skipped."""
        if self.minimised:
            return float(np.nanmax(values))
        best = float(np.nanmax(values))
        depth = min(DEPTH, max(1.0, REACH * (best - float(np.nanquantile(values, 0.25)))))
        lowest = float(np.nanmin(values))
        # What lies a little deeper is better shown than cut off.
        return lowest if best - lowest <= 1.5 * depth else best - depth

    def number(self, value: float) -> str:
        """Returns a shown value as text, two decimals or four."""
        return f"{value:.4f}" if self.minimised else f"{value:.2f}"

    def set_axis(self, axes: "Axes", values: Floats, worst: float | None = None) -> None:
        """Sets limits, scale and title of the vertical axis.

        Args:
            axes: Where.
            values: What is drawn there, as shown; NaN is skipped.
            worst: The worst that there is room for, where not that of `values`.
        """
        from matplotlib.ticker import FormatStrFormatter

        axes.set_ylabel(self.label)
        best = float(np.nanmax(values))
        worst = self.worse(values) if worst is None else worst
        if self.minimised:
            low = float(np.nanmin(values))
            if low > 0 and best / low > 8:
                axes.set_yscale("log", base=2)
                axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
                axes.minorticks_off()
            return
        margin = max(0.05, 0.07 * (best - worst))
        axes.set_ylim(max(0.0, worst - margin), min(100 + margin, best + margin))


def logarithmic(values: Sequence[float] | Floats) -> bool:
    """Whether numbers spread over a factor of 30 or more; zeros have a place of their own."""
    known = [value for value in np.asarray(values, np.float64).tolist() if math.isfinite(value)]
    positive = [value for value in known if value > 0]
    if any(value < 0 for value in known) or len(set(positive)) < 2:
        return False
    return bool(max(positive) / min(positive) >= 29.9)


def zero_place(values: Sequence[float] | Floats) -> float:
    """Returns where 0 stands on a logarithmic axis: a step left of the smallest number."""
    positive = [float(value) for value in values if value > 0]
    span = math.log10(max(positive) / min(positive))
    return min(positive) / 10 ** max(0.5, 0.12 * span)


def short(value: float) -> str:
    """Returns a tick's text, e.g. "0.001", "3e-4", "480"."""
    if 0 < abs(value) < 1e-3:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.4g}".replace("e+0", "e")


def ticks(values: Sequence[float] | Floats) -> list[float]:
    """Returns ticks for numbers on an axis: the numbers themselves where they are few."""
    different = sorted({float(value) for value in values})
    if len(different) <= 7:
        return different
    if logarithmic(different):
        positive = [value for value in different if value > 0]
        ends = (math.floor(math.log10(positive[0])), math.ceil(math.log10(positive[-1])))
        step = max(1, math.ceil((ends[1] - ends[0]) / 6))
        decades = [10.0**e for e in range(ends[0], ends[1] + 1, step)]
        inside = [v for v in decades if positive[0] * 0.999 <= v <= positive[-1] * 1.001]
        return [*(value for value in different if value == 0), *inside]
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(different[0], different[-1])
    return [float(tick) for tick in found if different[0] <= tick <= different[-1]]
