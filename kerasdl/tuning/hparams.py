"""TensorBoard's HParams of a search: `tensorboard --logdir RUN/hparams`.

One run for each trial and seed; the seeds of a trial are one group of sessions, whose
metrics TensorBoard averages. Written with the tensorboard package alone: neither its own
writer, which goes through TensorFlow where that is installed, nor TensorFlow's.
"""

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kerasdl import files
from kerasdl.tuning.outcomes import Execution, Outcome

EVENTS = "events.out.tfevents.0000000000.kerasdl"
"""The one event file of a folder: a later call puts a new one in its place."""

_TITLES = {
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss",
    "accuracy": "training accuracy",
    "loss": "training loss",
}


def write_hparams(folder: Path, outcomes: Sequence[Outcome], *, objective: str) -> None:
    """Writes the trials for TensorBoard's tabs HParams and Scalars.

    Each file appears complete or not at all; runs that an earlier call left and that are
    not among the trials any more are removed, other people's files are not.

    Args:
        folder: Of these logs alone, e.g. `<run folder>/hparams`.
        outcomes: The trials; a failed one has its values, the status FAILURE and no metrics.
        objective: The metric that comes first, e.g. "val_accuracy".
    """
    folder = Path(folder)
    written = set()
    for outcome in outcomes:
        # A trial without a model has no execution, but values that did not work.
        executions: list[Execution | None] = [*outcome.executions]
        for execution in executions or [None]:
            name = _safe(outcome.trial_id)
            if execution is not None:
                name += f"-seed{execution.seed}"
            _write(folder / name, _session(outcome, execution))
            written.add(folder / name)
    _write(folder, [(0, _experiment(outcomes, objective))])
    for file in folder.glob(f"*/{EVENTS}"):
        if file.parent not in written:
            file.unlink()
            with contextlib.suppress(OSError):  # what is not ours stays
                file.parent.rmdir()


def _experiment(outcomes: Sequence[Outcome], objective: str) -> Any:
    """Returns the summary of the whole: hyper-parameters with their values, metrics."""
    from tensorboard.plugins.hparams import summary_v2

    keys = list(dict.fromkeys(key for one in outcomes for key in one.values))
    hparams = []
    for key in keys:
        values = [_plain(one.values[key]) for one in outcomes if key in one.values]
        # TensorBoard wants values of one type.
        mixed = len({type(v) for v in values}) > 1
        if mixed and all(type(v) in (int, float) for v in values):
            values = [float(v) for v in values]
        elif mixed:
            values = [str(v) for v in values]
        hparams.append(summary_v2.HParam(key, summary_v2.Discrete(sorted(set(values)))))
    metrics = [
        summary_v2.Metric(name, display_name=_TITLES.get(name, name))
        for name in dict.fromkeys([objective, *_TITLES])
    ]
    return summary_v2.hparams_config_pb(hparams, metrics, time_created_secs=0.0)


def _session(outcome: Outcome, execution: Execution | None) -> Iterator[tuple[int, Any]]:
    """Yields step and summary of everything one training leaves."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

    values = {key: _plain(value) for key, value in outcome.values.items()}
    yield 0, summary_v2.hparams_pb(values, trial_id=outcome.trial_id, start_time_secs=0.0)
    first = outcome.initial_epoch
    failed = outcome.status == "FAILED" or execution is None or execution.error is not None
    if execution is not None:
        for key, history in execution.history.items():
            for epoch, value in enumerate(history):
                if value is not None and math.isfinite(value):
                    yield first + epoch, _scalar(f"epoch_{key}", value)
        if not failed:
            for name, value in execution.scores.items():
                if math.isfinite(value):
                    yield first + execution.epoch, _scalar(name, value)
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=outcome.seconds)
    summary = summary_v2.hparams_pb({}, start_time_secs=0.0)
    # summary_v2 has no function for the end: its message for the start is refilled.
    summary.value[0].tag = metadata.SESSION_END_INFO_TAG
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    summary.value[0].metadata.CopyFrom(metadata.create_summary_metadata(data))
    yield 0, summary


def _scalar(tag: str, value: float) -> Any:
    import numpy as np
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.scalar import metadata
    from tensorboard.util import tensor_util

    summary = summary_pb2.Summary()
    summary.value.add(
        tag=tag,
        tensor=tensor_util.make_tensor_proto(np.float32(value)),
        metadata=metadata.create_summary_metadata(display_name="", description=""),
    )
    # Without the class of the data TensorBoard's newer readers take it for anything.
    summary.value[0].metadata.data_class = summary_pb2.DATA_CLASS_SCALAR
    return summary


def _write(place: Path, summaries: Any) -> None:
    """Writes an event file; wall times are 0, so that the same trials give the same bytes."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    with files.atomic_open(place / EVENTS, "wb") as file:
        writer = RecordWriter(file)
        writer.write(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            writer.write(event_pb2.Event(step=step, summary=summary).SerializeToString())


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)
