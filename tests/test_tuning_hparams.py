"""What TensorBoard's own HParams backend reads of a search's logs."""

import math
import os
import sys
from pathlib import Path

import pytest
from tuning_fakes import execution, outcome, trial

from kerasdl.tuning.hparams import EVENTS, write_hparams


def read(folder):
    """Returns (experiment, session groups by trial) as TensorBoard's tab HParams gets them."""
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider
    from tensorboard.backend.event_processing import plugin_event_multiplexer as multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    events = multiplexer.EventMultiplexer().AddRunsFromDirectory(str(folder))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request = context.RequestContext()
    experiment = backend.experiment_from_metadata(
        request, "", True, backend.hparams_metadata(request, ""), []
    )
    asked = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        aggregation_type=api_pb2.AGGREGATION_AVG,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        col_params=[
            api_pb2.ColParams(metric=one.name, hparam="") for one in experiment.metric_infos
        ],
    )
    handler = list_session_groups.Handler(request, backend, "", asked)
    return experiment, {group.name: group for group in handler.run().session_groups}


def metrics(group):
    return {one.name.tag: one.value for one in group.metric_values}


@pytest.fixture
def outcomes():
    return [
        trial(0, {"units": 60, "rate": 1, "activation": "relu", "norm": True}, [50, 60, 40]),
        trial(1, {"units": 120, "rate": 0.5, "activation": "tanh", "norm": False}, [30, 20, 40]),
        outcome(2, {"units": 600, "rate": 2.0, "activation": "tanh"}, [], message="too large"),
    ]


def test_tensorboard_reads_values_and_mean_metrics_back(tmp_path, outcomes):
    from tensorboard.plugins.hparams import api_pb2

    write_hparams(tmp_path / "logs", outcomes, objective="val_loss")
    experiment, groups = read(tmp_path / "logs")

    assert experiment.metric_infos[0].name.tag == "val_loss"
    assert {one.name.tag for one in experiment.metric_infos} == {
        "val_loss",
        "val_accuracy",
        "loss",
        "accuracy",
    }
    domains = {
        one.name: [_value(v) for v in one.domain_discrete.values] for one in experiment.hparam_infos
    }
    assert domains == {
        "units": [60, 120, 600],
        "rate": [0.5, 1, 2],
        "activation": ["relu", "tanh"],
        "norm": [False, True],
    }
    first = groups["0000"]
    assert {key: _value(value) for key, value in first.hparams.items()} == outcomes[0].values
    assert len(first.sessions) == 3
    assert all(one.status == api_pb2.STATUS_SUCCESS for one in first.sessions)
    assert metrics(first)["val_accuracy"] == pytest.approx(1 - 50 / 2000, abs=1e-6)
    assert metrics(groups["0001"])["val_accuracy"] == pytest.approx(1 - 30 / 2000, abs=1e-6)
    failed = groups["0002"]
    assert [one.status for one in failed.sessions] == [api_pb2.STATUS_FAILURE]
    assert not metrics(failed)
    assert "norm" not in failed.hparams


def _value(proto):
    return getattr(proto, proto.WhichOneof("kind"))


def test_a_metric_is_the_kept_epochs_and_the_whole_curve_is_there_too(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    run = execution(7, 100)
    run.history["val_loss"][2] = None
    write_hparams(tmp_path, [outcome(3, {"units": 1}, [run])], objective="val_accuracy")
    found = {}
    for event in EventFileLoader(str(tmp_path / "0003-seed7" / EVENTS)).Load():
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    assert [step for step, _ in found["epoch_val_loss"]] == [0, 1, 3, 4, 5]
    assert [value for _, value in found["epoch_accuracy"]] == pytest.approx(run.history["accuracy"])
    assert found["val_accuracy"] == [(run.epoch, pytest.approx(0.95))]


def test_what_went_on_begins_where_it_had_come(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    values = {"units": 1, "tuner/initial_epoch": 4, "tuner/epochs": 10}
    write_hparams(tmp_path, [outcome(3, values, [execution(7, 100)])], objective="val_accuracy")
    steps = {}
    for event in EventFileLoader(str(tmp_path / "0003-seed7" / EVENTS)).Load():
        for value in event.summary.value:
            steps.setdefault(value.tag, []).append(event.step)
    assert steps["epoch_val_loss"] == [4, 5, 6, 7, 8, 9]
    assert steps["val_accuracy"] == [9]


def test_a_second_call_replaces_what_the_first_one_wrote(tmp_path, outcomes):
    write_hparams(tmp_path, outcomes, objective="val_accuracy")
    (tmp_path / "0001-seed0" / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("events*")}
    write_hparams(tmp_path, outcomes, objective="val_accuracy")
    assert {path: path.read_bytes() for path in tmp_path.rglob("events*")} == before
    write_hparams(tmp_path, outcomes[:1], objective="val_accuracy")
    _, groups = read(tmp_path)
    assert list(groups) == ["0000"]
    assert (tmp_path / "0001-seed0" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "0001-seed1").exists()


def test_a_failed_trial_shows_its_curves_but_no_metrics(tmp_path):
    from tensorboard.plugins.hparams import api_pb2

    bad = outcome(0, {"units": 1}, [execution(0, 10)], message="seed 1 failed")
    write_hparams(tmp_path, [bad, trial(1, {"units": 2}, [20])], objective="val_accuracy")
    _, groups = read(tmp_path)
    assert groups["0000"].sessions[0].status == api_pb2.STATUS_FAILURE
    assert not metrics(groups["0000"])
    assert metrics(groups["0001"])


def test_values_of_other_kinds_and_unfinished_numbers_do_not_stop_the_log(tmp_path):
    run = execution(0, 10)
    run.scores["val_loss"] = math.nan
    outcomes = [
        outcome(0, {"layers": [1, 2], "units": None}, [run]),
        outcome(1, {"layers": "one", "units": 3}, [run]),
    ]
    write_hparams(tmp_path, outcomes, objective="val_accuracy")
    _, groups = read(tmp_path)
    assert _value(groups["0000"].hparams["layers"]) == "[1, 2]"
    assert "val_accuracy" in metrics(groups["0000"])


def test_no_trials_and_no_tensorflow(tmp_path, run_python):
    write_hparams(tmp_path, [], objective="val_accuracy")
    program = (
        "import sys\nfrom pathlib import Path\nfrom kerasdl.tuning.hparams import write_hparams\n"
        "from tuning_fakes import trial\n"
        "write_hparams(Path(sys.argv[1]), [trial(0, {'units': 1}, [3])], objective='val_loss')\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    here = str(Path(__file__).parent)
    done = run_python("-c", program, tmp_path, PYTHONPATH=os.pathsep.join([here, *sys.path]))
    assert done.returncode == 0, done.stderr
