"""What cures a perceptron that is too deep: one change at a time."""

from pathlib import Path

from kerasdl.experiments.depth.results import Baseline, Found, Group, baseline_of, title
from kerasdl.reporting.figures import dots
from kerasdl.sections import Figure, Section, Table
from kerasdl.studies.experiment import Context


def cured(context: Context, found: Found) -> Section:
    """Returns the section on cures; draws its figure.

    Args:
        context: The experiment's.
        found: Its results.
    """
    plan = context.plan
    depth = max(plan.depths)
    baseline = baseline_of(context.images[1].train.labels)
    first = plan.initializers[0]
    # The other rules for the first weights are cures, too, and are trained already.
    changes = [(i, None) for i in plan.initializers] + [(first, cure) for cure in plan.cures]
    rows: list[list[str | float | int | None]] = []
    lines = []
    accuracies: dict[tuple[str, str], list[float]] = {}
    gradients: dict[tuple[str, str], list[float]] = {}
    for activation in plan.patients:
        groups = {
            name(initializer, cure, first): group
            for initializer, cure in changes
            if (group := found.get(initializer, activation, depth, cure)) is not None
        }
        for change, group in groups.items():
            norms = group.layers("gradient_norm")
            rows.append(
                [
                    f"{title(activation)}, {change}",
                    f"{group.history('loss')[:, -1].mean():.3f}",
                    group.percent(),
                    f"{group.signal()[-1]:.1e}",
                    f"{norms[0, 0]:.1e}",
                    f"{norms[0, -1]:.1e}",
                    f"{group.layers('update_ratio')[0, 0]:.1e}",
                ]
            )
            place = change, title(activation)
            accuracies[place] = [100 * value for value in group.scores("test_accuracy")]
            gradients[place] = group.seeds("gradient_norm")[:, 0, 0].tolist()
        lines.append(_in_words(activation, groups, depth, baseline))
    table = Table(
        name="cures",
        title=f"Networks of depth {depth} with one change each",
        columns=[
            "Activation, change",
            "Training loss",
            "Test accuracy, %",
            "Signal",
            "First layer's gradient, first epoch",
            "Last epoch",
            "Its update, first epoch",
        ],
        rows=rows,
        note=f"The patient has first weights by {title(first)}. Weights x 4: Glorot and Bengio's "
        "correction for the sigmoid's slope of 1/4. Skip connections add a hidden layer's input to "
        "its output, from the second on. Signal: standard deviation over images of the last hidden "
        "layer's outputs before training. Update: norm of a step's change over the weights' norm.",
    )
    return Section(
        title="What cures it",
        text=lines,
        tables=[table],
        figures=[_figure(context, depth, accuracies, gradients)],
    )


def name(initializer: str, cure: str | None, first: str) -> str:
    """Returns the name for people of a change."""
    if cure is not None:
        return title(cure)
    return "as it is" if initializer == first else f"{title(initializer)}'s first weights"


def _in_words(activation: str, groups: dict[str, Group], depth: int, baseline: Baseline) -> str:
    learns = [change for change, group in groups.items() if not group.is_stuck(baseline)]
    stuck = [change for change, group in groups.items() if group.is_stuck(baseline)]

    def score(change: str) -> float:
        values = groups[change].scores("test_accuracy")
        return sum(values) / len(values)

    words = f"{title(activation)} at depth {depth}: "
    if stuck:
        words += f"learns nothing {_listed(stuck)}; "
    if not learns:
        return f"{words}nothing tried cures it."
    best = max(learns, key=score)
    listed = ", ".join(f"{change} {100 * score(change):.1f} %" for change in learns)
    return f"{words}learns with: {listed}. Best: {best}."


def _listed(changes: list[str]) -> str:
    return "with: " + ", ".join(changes)


def _figure(
    context: Context,
    depth: int,
    accuracies: dict[tuple[str, str], list[float]],
    gradients: dict[tuple[str, str], list[float]],
) -> Figure:
    assert context.info is not None
    file = "figures/depth-cures.png"
    rows = list(dict.fromkeys(change for change, _ in accuracies))
    kinds = list(dict.fromkeys(kind for _, kind in accuracies))
    chance = 100 / context.images[0].num_classes
    dots.draw(
        Path(context.folder) / file,
        f"Networks of depth {depth} with one change each",
        rows,
        kinds,
        [
            dots.Panel("Test accuracy, %", accuracies, level=chance),
            dots.Panel("First layer's gradient (norm), first epoch", gradients, logarithmic=True),
        ],
        context.info,
    )
    return Figure(
        file=file,
        alt=f"Test accuracy and the first layer's gradient of networks of depth {depth}, a row for "
        "each change, a marker for each activation. "
        + " ".join(
            f"{kind}, {change}: {sum(values) / len(values):.1f} %."
            for (change, kind), values in accuracies.items()
        ),
        caption="Dots are medians over the seeds, lines from the lowest to the highest seed; the "
        "dashed line is chance. Adam divides each gradient by its usual size, so that a small "
        "gradient alone need not stop a layer, down to Adam's epsilon.",
    )
