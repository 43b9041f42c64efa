"""Which kernels TensorFlow has: the rule, the user's variable, the record, a continued run."""

import json
import platform

import msgspec
import pytest
from datasets_fakes import write_bands

from kerasdl import kernels, record
from kerasdl.apps import cifar10, svhn
from kerasdl.studies import folder as folders

X86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is chosen on x86 processors"
)
# What a child says of itself: the variable, the kernels that run, whether threads spin.
PROGRAM = """
import os, sys
from kerasdl.training.environment import describe, start_keras
start_keras(convolutions="convolutions" in sys.argv, recorded=os.environ.get("RECORDED"))
from tensorflow.python.eager import context
found = context.context().config.experimental.disable_thread_spinning
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), describe("none", "auto").kernels, found)
"""


def run(run_python, *arguments, **environment):
    environment = {kernels.VARIABLE: None, "KERAS_BACKEND": None, **environment}
    done = run_python("-c", PROGRAM, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@X86
def test_convolutions_have_onednn_and_its_threads_sleep(run_python):
    assert run(run_python, "convolutions") == ["1", "oneDNN", "True"]


def test_perceptrons_have_what_tensorflow_takes_by_itself(run_python):
    variable, found, sleeping = run(run_python)
    assert (variable, sleeping) == ("None", "True")
    assert found in (kernels.ONEDNN, kernels.EIGEN)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({kernels.VARIABLE: "0"}, "Eigen"),
        ({kernels.VARIABLE: "0", "RECORDED": "oneDNN"}, "Eigen"),
        ({"RECORDED": "Eigen"}, "Eigen"),
    ],
)
@X86
def test_the_user_s_variable_goes_before_the_record_and_that_before_the_rule(
    run_python, environment, expected
):
    assert run(run_python, "convolutions", **environment)[1] == expected


@X86
def test_the_rule_asks_for_nothing_once_tensorflow_is_there(monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.setitem(kernels.sys.modules, "tensorflow", object())
    kernels.choose(convolutions=True)
    assert kernels.VARIABLE not in kernels.os.environ


def test_a_run_s_folder_says_with_which_kernels_it_was_begun(tmp_path):
    assert folders.recorded_kernels(tmp_path / "new") is None
    names = [field.name for field in msgspec.structs.fields(record.Environment)]
    plain = {**dict.fromkeys(names, ""), "cores": 1, "kernels": "Eigen"}
    folders.keep_environment(tmp_path, record.Environment(**plain))
    assert folders.recorded_kernels(tmp_path) == "Eigen"
    # A finished record goes before; a damaged one says nothing.
    (tmp_path / "results.json").write_text(json.dumps({"environment": {"kernels": "oneDNN"}}))
    assert folders.recorded_kernels(tmp_path) == "oneDNN"
    (tmp_path / "results.json").write_text("{")
    assert folders.recorded_kernels(tmp_path) == "Eigen"


def test_only_the_perceptrons_have_no_convolutions():
    from kerasdl.models import registry

    assert {name for name in registry.names() if not registry.get(name).convolutions} == {
        "mlp",
        "mlp1",
    }
    for name in ("mlp", "cnn", "smallnet"):
        model = registry.build(name, (28, 28, 1), 3)
        found = any("Conv" in type(layer).__name__ for layer in model._flatten_layers())
        assert found == registry.get(name).convolutions


def test_each_command_says_whether_it_has_convolutions():
    from kerasdl.studies.options import make_recipe
    from kerasdl.tuning import mnist_width, search, transfer_head

    assert make_recipe(svhn.APP, {"preset": "default"}).convolutions
    chosen = {"preset": "default", "models": ["mlp"]}
    assert not make_recipe(svhn.APP, chosen).convolutions
    assert not mnist_width.EXPERIMENT.convolutions
    assert transfer_head.EXPERIMENT.convolutions
    assert search.Recipe(network="lenet5").convolutions
    assert not search.Recipe(network="mlp").convolutions
    by_name = {study.name: study.convolutions for study in cifar10.APP.experiments}
    assert by_name["cuts"]
    assert not by_name["depth"]


@pytest.mark.parametrize(
    ("model", "convolutions"),
    [("mlp", False), ("lenet5", True)],
)
def test_a_run_starts_with_the_kernels_of_its_recipe_and_its_folder(
    model, convolutions, tmp_path, monkeypatch
):
    from kerasdl.training import environment

    images, out = tmp_path / "images", tmp_path / "run"
    write_bands(images, {"train": 6, "test": 3}, 12)
    out.mkdir()
    (out / "results.json").write_text(json.dumps({"environment": {"kernels": "Eigen"}}))
    started = []

    def start(**how):
        started.append(how)
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "start_keras", start)
    assert svhn.main(["--dataset", str(images), "--out", str(out), "--models", model]) == 130
    assert started == [{"convolutions": convolutions, "recorded": "Eigen"}]


def test_an_experiment_of_perceptrons_starts_without_convolutions(tmp_path, monkeypatch):
    from kerasdl.training import environment

    started = []

    def start(**how):
        started.append(how)
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "start_keras", start)
    images = tmp_path / "images"
    write_bands(images, {"train": 6, "test": 3}, 12)
    shared = ["--dataset", str(images), "--out", str(tmp_path / "run")]
    assert cifar10.main(["--study", "depth", *shared]) == 130
    assert started == [{"convolutions": False, "recorded": None}]
