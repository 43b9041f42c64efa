"""A repeated run beside its record, on the console."""

from collections.abc import Sequence
from pathlib import Path

from kerasdl.evaluation.reproduction import Model, Reproduction, Verdict
from kerasdl.record import Spread
from kerasdl.reporting import text

TITLES = {
    "test_accuracy": "test accuracy, %",
    "test_loss": "test loss",
    "ece": "calibration error, %",
    "validation_accuracy": "validation accuracy, %",
    "train_accuracy": "train accuracy, %",
    "train_seconds": "training, s",
    "accuracy": "accuracy in training, %",
    "loss": "loss in training",
    "val_accuracy": "validation accuracy, %",
    "val_loss": "validation loss",
}


def sentence(kind: str, verdict: Verdict, models: Sequence[Model]) -> str:
    """Returns the verdict in one or two sentences.

    Args:
        kind: "whole", "part" or "quick".
        verdict: What `reproduction.decide` says.
        models: The models that were run again.
    """
    judged = [(one, figure) for one in models for figure in one.figures if figure.level is not None]
    runs = sum(len(one.seeds) for one in models)
    what = {"whole": "Reproduced", "part": "Reproduced as far as it was run"}.get(kind, "")
    if verdict == "reproduced":
        found = f"{len(judged)} of {len(judged)} figures lie where the record lets one expect them"
        if sum(len(one.bit_identical) for one in models) == runs:
            found = "every figure of every epoch is bit-identical to the record's"
        if kind != "quick":
            return f"{what}: {found}."
        return f"A first look agrees: {found}. Without --quick the record itself is run again."
    if verdict == "not confirmed":
        return "NOT confirmed: the record has one seed, so that its spread is not known."
    outside = [
        f"{TITLES[figure.name].partition(',')[0]} of {one.title}"
        for one, figure in judged
        if figure.inside is False
    ]
    lead = "A first look DISAGREES" if kind == "quick" else "NOT reproduced"
    return f"{lead}: outside the prediction interval of the record: {', '.join(outside)}."


def show(found: Reproduction, path: Path) -> None:
    """Prints the comparison: a table, what else differs, and the verdict as the last line.

    Args:
        found: The comparison.
        path: Where it was written.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from kerasdl.terminal import Console

    console = Console()
    title = Text(f"{found.record} and now: {found.dataset}")  # names may hold rich's markup
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("figure", min_width=max(map(len, TITLES.values())))
    for heading in ("record", "now", "expected"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in found.models:
        table.add_row(Text(", ".join(_heading(one)), style="bold"))
        for figure in one.figures:
            table.add_row(
                TITLES[figure.name],
                _spread(figure.name, figure.record),
                _spread(figure.name, figure.now),
                _interval(figure.name, figure.interval),
                _word(figure.inside, figure.level),
            )
        table.add_section()
    console.print(table)

    def say(words: str) -> None:
        console.print(words, highlight=False, markup=False, soft_wrap=True)

    if found.left_out:
        say(f"Left out: {', '.join(found.left_out)}")
    for words, values in (
        ("Not as in the record", found.changed),
        ("New in recipes since the record", found.recipe_changed),
    ):
        if values:
            say(f"{words}: {'; '.join(values)}")
    if not found.changed:
        say("Machine and versions are the record's.")
    say(f"Written: {path}")
    say(found.sentence)


def _heading(one: Model) -> list[str]:
    words = [one.title, f"{text.count(len(one.seeds))} seed{'s' if len(one.seeds) > 1 else ''}"]
    if one.epochs < one.of_epochs:
        words.append(f"epoch {one.epochs} of {one.of_epochs}")
    if one.bit_identical:
        words.append(f"{len(one.bit_identical)} bit-identical")
    return words


def _spread(name: str, value: Spread) -> str:
    if _is_share(name):
        return text.percent_spread(value)
    return text.number_spread(value, 1 if name.endswith("seconds") else 3)


def _interval(name: str, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return text.NOTHING
    if _is_share(name):
        return f"{text.percent(max(0.0, interval[0]))} to {text.percent(min(1.0, interval[1]))}"
    return f"{max(0.0, interval[0]):.3f} to {interval[1]:.3f}"


def _is_share(name: str) -> bool:
    return name.endswith("accuracy") or name == "ece"


def _word(inside: bool | None, level: float | None) -> str:
    if level is None:
        return "shown"  # not judged
    return {True: "inside", False: "[bold red]OUTSIDE[/]", None: "not known"}[inside]
