"""From trainings to the outcome of a trial."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasdl.tuning.outcomes import Execution, Outcome, pack_answers
from kerasdl.tuning.training_jobs import Trained


def outcome_of(
    trial_id: str,
    values: Mapping[str, Any],
    seeds: Iterable[int],
    trained: Sequence[Trained],
    *,
    parameters: int,
    error: str | None,
) -> Outcome:
    """Returns what became of a trial; it failed when one of its trainings did.

    Args:
        trial_id: KerasTuner's.
        values: Its hyper-parameters.
        seeds: That of each training.
        trained: What each training left; none where there was no model to train.
        parameters: Of the model.
        error: Why there was no model.
    """
    executions = [_execution(seed, one) for seed, one in zip(seeds, trained, strict=False)]
    failed = [f"seed {one.seed}: {one.error}" for one in executions if one.error]
    message = error or "; ".join(failed) or None
    return Outcome(
        trial_id=trial_id,
        values=dict(values),
        status="COMPLETED" if message is None else "FAILED",
        message=message,
        parameters=parameters,
        seconds=sum(one.seconds for one in trained),
        packed=max((one.packed for one in trained), default=1),
        executions=executions,
    )


def _execution(seed: int, trained: Trained) -> Execution:
    history: dict[str, list[float | None]] = {
        name: [value if math.isfinite(value) else None for value in values]
        for name, values in trained.history.items()
    }
    scores = {
        name: values[trained.epoch]
        for name, values in trained.history.items()
        if len(values) > trained.epoch
    }
    error = trained.error
    if error is None and not all(map(math.isfinite, scores.values())):
        error = f"a score became nan or infinite: {scores}"
    scores = {} if error else scores
    right = pack_answers(trained.right)
    return Execution(seed, history, trained.epoch, scores, right, error)
