"""What the comparison of three programs found: tables, curves, and verdicts on the reports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasdl.evaluation.significance import spread
from kerasdl.experiments.scratch import why
from kerasdl.reporting.figures import style
from kerasdl.sections import Claim, Figure, Section, Table
from kerasdl.studies.data import is_published
from kerasdl.studies.experiment import Context

TITLES = {"numpy": "by hand (NumPy)", "keras": "Keras", "sklearn": "scikit-learn"}

REPORTED = {
    ("numpy", "relu", 50): 0.8833,
    ("numpy", "relu", 100): 0.8865,
    ("numpy", "sigmoid", 50): 0.1085,
    ("numpy", "sigmoid", 100): 0.1012,
    ("numpy", "linear", 50): 0.8218,
    ("numpy", "linear", 100): 0.8172,
    ("numpy", "tanh", 50): 0.8810,
    ("numpy", "tanh", 100): 0.8822,
    ("sklearn", "tanh", 50): 0.8732,
    ("sklearn", "tanh", 100): 0.8743,
    ("sklearn", "sigmoid", 50): 0.878,
    ("sklearn", "sigmoid", 100): 0.874,
    ("sklearn", "relu", 100): 0.0,
    ("sklearn", "linear", 100): 0.0,
}
"""Test accuracies that report E prints, by program, activation and epochs; 0 is "diverged"."""

Results = Sequence[Mapping[str, Any]]


def sections(
    context: Context, results: Results, causes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Section]:
    """Returns the report's sections; draws their figures.

    Args:
        context: The experiment's.
        results: As `programs.train` returns them.
        causes: Rows of `causes`, by name.
    """
    plan = context.plan
    settings = (plan.units, plan.learning_rate, plan.batch_size)
    # The report's claims are of its images and of its network.
    real = settings == ((256, 128, 64), 0.1, 32) and is_published(
        context.info, plan.data, "fashion_mnist"
    )
    found = [_compared(context, results, real)]
    found.append(why.starts(context, causes["starts"], causes.get("report's sigmoid"), real))
    if "scikit-learn" in causes:
        found.append(why.scikit_learn(causes["scikit-learn"], real))
    return found


def _compared(context: Context, results: Results, real: bool) -> Section:
    plan = context.plan
    rows: list[list[str | float | None]] = []
    for activation in plan.activations:
        for program in plan.programs:
            runs = _runs(results, program, activation)
            if not runs:
                continue
            for place, epoch in enumerate(plan.epochs):
                reported = REPORTED.get((program, activation, epoch)) if real else None
                rows.append(
                    [
                        f"{activation}, {TITLES[program]}",
                        epoch,
                        _percent([run["train"][place] for run in runs]),
                        _percent([run["test"][place] for run in runs]),
                        len(runs),
                        None if reported is None else f"{100 * reported:.2f}",
                        _mean([run["seconds"] for run in runs])
                        if epoch == plan.epochs[-1]
                        else None,
                    ]
                )
    table = Table(
        name="programs",
        title="Accuracy after training, in percent",
        columns=["Network", "Epochs", "Train", "Test", "Seeds", "Reported (E)", "Seconds"],
        rows=rows,
        note="Mean ± standard deviation over the seeds. Seconds: the whole training of one "
        "network in this run; benchmarks/scratch.py compares the programs' speed.",
        digits=0,
    )
    return Section(
        title="Three programs, one network",
        text=[
            f"Hidden layers {', '.join(map(str, plan.units))}, plain SGD with rate "
            f"{plan.learning_rate:g}, batches of {plan.batch_size}, pixels 0 to 1, first weights "
            "by He's rule for ReLU and Glorot's for the others; scikit-learn always draws its own, "
            "by Glorot's. The NumPy network's weights were saved after the epochs below and "
            "scored from the files.",
            *_agreement(plan, results),
        ],
        claims=_verdicts(plan, results) if real else [],
        tables=[table],
        figures=[_curves(context, results)],
    )


def _agreement(plan: Any, results: Results) -> list[str]:
    """Says how far the programs' test accuracies lie apart."""
    lines = []
    for activation in plan.activations:
        means = {}
        for program in plan.programs:
            values = [run["test"][-1] for run in _runs(results, program, activation)]
            known = [value for value in values if value is not None]
            if known:
                means[program] = 100 * float(np.mean(known))
        if len(means) > 1:
            gap = max(means.values()) - min(means.values())
            listed = ", ".join(f"{TITLES[p]} {value:.2f}" for p, value in means.items())
            lines.append(f"{activation}: {listed} % on the test images ({gap:.2f} points apart).")
    return lines


def _verdicts(plan: Any, results: Results) -> list[Claim]:
    """Returns verdicts on the accuracies that report E prints for its own network."""
    claims = []
    for (program, activation, epoch), reported in REPORTED.items():
        # The sigmoid network has a section of its own: it hangs on the first weights.
        if program != "numpy" or activation == "sigmoid" or epoch != plan.epochs[-1]:
            continue
        values = [run["test"][-1] for run in _runs(results, program, activation)]
        known = [value for value in values if value is not None]
        if not known:
            continue
        ours, low, high = float(np.mean(known)), min(known), max(known)
        # Two accuracies of 10 000 images differ by a point through the images alone.
        near = low - 0.01 <= reported <= high + 0.01
        several = f"{100 * low:.2f} to {100 * high:.2f} over {len(known)} seeds"
        spread_words = several if len(known) > 1 else "one seed"
        claims.append(
            Claim(
                report="E, row 13",
                claim=f"{activation}, {epoch} epochs: {100 * reported:.2f} % of the test images.",
                measured=f"{100 * ours:.2f} % ({spread_words}), from first weights that the "
                "report does not have.",
                verdict="right" if near else "undecided",
            )
        )
    return claims


def _curves(context: Context, results: Results) -> Figure:
    plan = context.plan
    assert context.info is not None
    file = "figures/scratch-curves.png"
    count = len(plan.activations)
    size = (3.2 * count, 3.2)
    title = "Validation accuracy, %, by program"
    with style.drawing(Path(context.folder) / file, size, title, context.info) as figure:
        panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
        for axes, activation in zip(panels, plan.activations, strict=True):
            for index, program in enumerate(plan.programs):
                runs = _runs(results, program, activation)
                curves = [run["val_accuracy"] for run in runs if run["val_accuracy"]]
                if not curves:
                    continue
                length = min(map(len, curves))
                values = 100 * np.array([curve[:length] for curve in curves])
                epochs = np.arange(1, length + 1)
                line = {"color": style.color(index), "linestyle": style.dashes(index)}
                axes.plot(epochs, values.mean(axis=0), label=TITLES[program], **line)
                axes.fill_between(
                    epochs, values.min(axis=0), values.max(axis=0), color=line["color"], alpha=0.15
                )
            axes.set_title(activation)
            axes.set_xlabel("Epoch")
        panels[0].set_ylabel("Validation accuracy, %")
        panels[-1].legend(loc="lower right")
    return Figure(
        file=file,
        alt="Validation accuracy over the epochs, a panel for each activation and a line for each "
        "program. " + " ".join(_agreement(plan, results)),
        caption="Lines are means over the seeds, bands the lowest and highest seed. The programs "
        "draw different first weights and orders, so that only their levels can agree.",
    )


def _runs(results: Results, program: str, activation: str) -> list[Mapping[str, Any]]:
    return [r for r in results if (r["program"], r["activation"]) == (program, activation)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _percent(values: Sequence[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if len(known) < len(values):
        return f"diverged in {len(values) - len(known)} of {len(values)}"
    found = spread(known)
    return f"{found.mean:.2f}" + ("" if found.std is None else f" ± {found.std:.2f}")
