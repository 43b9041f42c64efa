"""What an earlier start left in a run folder: its finished runs are kept, if they belong here."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from kerasdl import recipe, record
from kerasdl.evaluation.predictions import Predictions
from kerasdl.studies.plan import Recipe


def take_over(
    folder: Path, now: record.Record, predictions: Predictions, say: Callable[[str], None]
) -> record.Record:
    """Returns the record to go on with: `now`, with the finished runs of the folder, if any.

    Args:
        folder: The run folder.
        now: The record of this start, without runs.
        predictions: Gets the stored predictions of the finished runs.
        say: Gets one line about what was kept.

    Raises:
        ValueError: If the folder has a record of another recipe or other data, or runs
            are missing and would come from another machine or version.
    """
    path = folder / "results.json"
    if not path.exists():
        return now
    old = record.read(path)
    # A setting that this version added had its default then.
    before = recipe.to_dict(recipe.from_dict(old.recipe, Recipe, where=str(path)))
    differences = recipe.differences(before, now.recipe)
    if old.dataset.sha256 != now.dataset.sha256:
        differences.append("the images (dataset.sha256)")
    if differences:
        raise ValueError(
            f"{folder} holds the run of another recipe; choose another --out. "
            f"Differences: {'; '.join(differences)}"
        )
    if not old.runs:
        return now
    stored = Predictions.load(folder / "predictions.npz")
    for run in old.runs:
        # Only these: killed between two writes, the file may hold one run more.
        scores = stored.get(run.model, run.seed, run.settings)
        if scores is None:
            raise ValueError(
                f"{folder}: predictions.npz lacks the run {run.model}, seed {run.seed}, "
                "of results.json; remove the folder or choose another --out"
            )
        predictions.add(run.model, run.seed, scores, settings=run.settings)
    count = len(old.runs)
    say(f"{folder}: kept {count} finished {'run' if count == 1 else 'runs'}")
    if old.status != "complete":
        _check_machine(folder, old.environment, now.environment)
    # What trained the runs is what the record tells of, not who looks at it later.
    return msgspec.structs.replace(
        now,
        runs=old.runs,
        created=old.created,
        command=old.command,
        environment=old.environment,
        status=old.status,
        predicted_seconds=old.predicted_seconds,
        seconds=old.seconds,
    )


def _check_machine(folder: Path, old: record.Environment, new: record.Environment) -> None:
    """Raises ValueError if the missing runs would come from another machine or version."""
    before, now = (msgspec.structs.asdict(environment) for environment in (old, new))
    now.pop("strategy")  # another number of workers goes on with the same training
    changed = [f"{key}: {before[key]} -> {now[key]}" for key in now if before[key] != now[key]]
    if changed:
        raise ValueError(
            f"{folder} was begun elsewhere; one record is of one machine and its "
            f"versions. Differences: {'; '.join(changed)}. Choose another --out"
        )
