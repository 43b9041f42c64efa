"""`--find-lr`: a learning-rate range test of each chosen network instead of the study."""

from typing import Any

from kerasdl import files
from kerasdl.studies.building import build
from kerasdl.studies.networks import Study
from kerasdl.training.lr_finder import Curve, Suggestion, range_test, suggest


def find_lr(study: Study) -> None:
    """Tests every network of a study from the initial weights of its first seed.

    Writes `find_lr/<model>.png` (the curve, the suggestions and the recipe's rate)
    and `find_lr/<model>.csv` into the study's folder, and says the suggestions.

    Args:
        study: The study; nothing else of it is trained or written.

    Raises:
        FloatingPointError: If a network's loss is NaN or infinite from the start.
    """
    from rich.table import Table

    table = Table(title="Learning rates", title_justify="left")
    table.add_column("model")
    for heading in ("steepest descent", "minimum / 10", "minimum", "recipe"):
        table.add_column(heading, justify="right")
    notes = []
    for name in study.plan.models:
        training = study.plan.training[name]
        study.console.print(f"{name}: learning-rate range test", highlight=False)
        seed, train, strategy = study.plan.seed, study.splits.train, study.strategy
        if name in study.plan.transfer:
            from kerasdl.studies.transfer.phases import start

            begun = start(study, name, seed)
            model, train, training = begun.trained, begun.train, begun.training
        else:
            model = build(
                study.plan, name, seed, dataset=study.dataset, train=train, strategy=strategy
            )
        curve = range_test(model, strategy, train, training, seed=seed)
        suggestion = suggest(curve)
        _write(study, name, curve, suggestion)
        table.add_row(name, *_cells(suggestion), f"{training.learning_rate:.2g}")
        if suggestion is None:
            notes.append(f"{name}: the loss did not fall; no rate of the test is good.")
        elif not suggestion.bounded:
            notes.append(f"{name}: the loss still fell at {curve.rates[-1]:.2g}, the test's end.")
    study.console.print(table)
    for note in notes:
        study.console.print(note, highlight=False, markup=False, soft_wrap=True)
    study.console.print(
        f"Curves: {study.folder / 'find_lr'}", highlight=False, markup=False, soft_wrap=True
    )


def _cells(suggestion: Suggestion | None) -> list[str]:
    if suggestion is None:
        return ["–"] * 3
    return [f"{rate:.2g}" for rate in (suggestion.steepest, suggestion.tenth, suggestion.minimum)]


def _write(study: Study, name: str, curve: Curve, suggestion: Suggestion | None) -> None:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    from kerasdl.reporting.figures import learning_rate

    place = study.folder / "find_lr"
    columns: dict[str, Any] = {
        "step": range(len(curve.rates)),
        "learning_rate": curve.rates,
        "loss": curve.losses,
        "smoothed_loss": curve.smoothed,
    }
    frame = pd.DataFrame(columns)
    files.write_text(place / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    named = {}
    if suggestion is not None:
        named = {"steepest descent": suggestion.steepest, "minimum / 10": suggestion.tenth}
    learning_rate.range_test(
        place / f"{name}.png",
        curve.rates,
        curve.losses,
        curve.smoothed,
        suggestions=named,
        current=study.plan.training[name].learning_rate,
        title=study.title(name),
        dataset=study.record.dataset,
    )
