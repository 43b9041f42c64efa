"""A comparison trained in several processes, or on Ray, is the one that is trained here."""

import multiprocessing

import numpy as np
import pytest
from patience import wait_until
from test_studies_stacking import images, make_plan, make_study, weights  # noqa: F401

from kerasdl.models import own
from kerasdl.studies.places import choose
from kerasdl.studies.places.processes import Processes
from kerasdl.studies.places.task import Task

MODELS = ["--models", "baseline,l1,lenet5", "--seeds", "2"]


def make_task(study):
    return Task(
        study.plan, study.dataset, study.splits, study.folder, {}, (), 0.0, None, None
    )  # fmt: skip


class Disturbed:
    """A place at which something happens after the first group."""

    def __init__(self, place, what):
        self.place, self.what = place, what

    def train(self, groups):
        for number, found in enumerate(self.place.train(groups)):
            yield found
            if number == 0:
                self.what(self.place)

    def close(self):
        self.place.close()


def kill(place):
    for child in place._children:
        child.kill()


def interrupt(place):
    raise KeyboardInterrupt


def assert_same(found, expected, folder, other):
    assert [(run.model, run.seed) for run in found.runs] == [
        (run.model, run.seed) for run in expected.runs
    ]
    for one, two in zip(found.runs, expected.runs, strict=True):
        assert one.stacked == two.stacked
        np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-4)
        assert one.metrics.test_loss == pytest.approx(two.metrics.test_loss, rel=1e-4)
    first, second = weights(folder), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        for mine, theirs in zip(first[name], second[name], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5, err_msg=name)


def test_processes_that_are_killed_or_interrupted_and_go_on(images, tmp_path):  # noqa: F811
    expected = make_study(images, tmp_path / "here", *MODELS).run()
    study = make_study(images, tmp_path / "there", *MODELS)
    study.place = Disturbed(Processes(make_task(study), 2), interrupt)
    assert study.run().status == "interrupted"
    assert 0 < len(study.record.runs) < 6
    wait_until(lambda: not multiprocessing.active_children())
    # Both processes are lost once: their groups are trained again by new ones.
    study = make_study(images, tmp_path / "there", *MODELS)
    study.place = Disturbed(Processes(make_task(study), 2), kill)
    found = study.run()
    assert found.status == "complete"
    wait_until(lambda: not multiprocessing.active_children())
    assert_same(found, expected, tmp_path / "there", tmp_path / "here")
    assert not (tmp_path / "there" / "checkpoints").exists()
    for run in found.runs:
        scores = study.predictions.get(run.model, run.seed, run.settings)
        right = scores.argmax(axis=1) == images[1].test.labels
        assert right.mean() == pytest.approx(run.metrics.test_accuracy)


@pytest.mark.slow
def test_ray(images, tmp_path):  # noqa: F811
    pytest.importorskip("ray", reason='pip install "kerasdl[ray]"')
    expected = make_study(images, tmp_path / "here", *MODELS).run()
    study = make_study(images, tmp_path / "there", *MODELS)
    study.place = choose.make({"ray": "auto"}, make_task(study))
    assert_same(study.run(), expected, tmp_path / "there", tmp_path / "here")


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({"jobs": 2, "ray": "auto"}, [], "--jobs is of this machine, --ray of a cluster"),
        ({"jobs": 2, "minutes": 3.0}, [], "Received: --minutes, too"),
        ({"ray": "auto", "find_lr": True}, [], "--ray trains in other processes. .*--find-lr"),
        ({"jobs": 2}, ["--strategy", "mirrored"], "--strategy mirrored each model all devices"),
    ],
)
def test_what_does_not_go_together_is_said(options, arguments, message):
    with pytest.raises(ValueError, match=message):
        choose.check(make_plan(*arguments), options)


def test_without_ray_its_option_says_what_to_install(monkeypatch):
    plan = make_plan()
    monkeypatch.setattr(choose.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "kerasdl\[ray\]"'):
        choose.check(plan, {"ray": "auto"})


def test_a_function_that_other_processes_do_not_find_is_refused(tmp_path):
    import msgspec

    def build(input_shape, num_classes):
        raise NotImplementedError

    plan = make_plan("--models", "baseline,l1")
    here = msgspec.structs.replace(plan, networks={**plan.networks, "l1": own.give(build)})
    with pytest.raises(ValueError, match="l1 is a function of this process alone"):
        choose.check(here, {"jobs": 2})
    file = tmp_path / "mine.py"
    file.write_text("def build(input_shape, num_classes):\n    raise NotImplementedError\n")
    there = own.find(f"{file}:build").name
    choose.check(
        msgspec.structs.replace(plan, networks={**plan.networks, "l1": there}), {"jobs": 2}
    )
    choose.check(here, {})


def test_one_job_is_this_process(images, tmp_path):  # noqa: F811
    study = make_study(images, tmp_path / "run", *MODELS)
    assert choose.make({"jobs": 1}, make_task(study)) is None
