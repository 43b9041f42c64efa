"""Progress on the console, precision and environment."""

import io

import keras
import pytest
from rich.console import Console

from kerasdl.training import precision
from kerasdl.training.progress import RichProgress


def run(console, **changes):
    progress = RichProgress(console, "lenet5, seed 0", num_examples=100, batch_size=30)
    progress.set_params({"epochs": 2})
    progress.on_train_begin()
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        for batch in range(4):
            progress.on_train_batch_end(batch, {"loss": 1.5, "accuracy": 0.25})
    progress.on_train_end()


def test_a_log_file_gets_lines_with_rate_and_scores(monkeypatch):
    monkeypatch.setattr("kerasdl.terminal.LINE_SECONDS", 0.0)
    file = io.StringIO()
    run(Console(file=file, width=200))
    lines = file.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[-1].startswith("lenet5, seed 0: epoch 2/2")
    assert "images/s  loss 1.500  accuracy 25.0 %" in lines[-1]


def test_a_log_file_is_not_flooded():
    file = io.StringIO()
    run(Console(file=file, width=200))
    assert file.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes_away():
    file = io.StringIO()
    run(Console(file=file, width=200, force_terminal=True))
    assert "epoch 2/2" in file.getvalue()


def test_auto_is_16_bits_only_where_the_hardware_multiplies_them(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda depthwise: not depthwise)
    assert precision.resolve("auto") == "mixed_bfloat16"
    assert precision.resolve("auto", depthwise=True) == "float32"
    assert precision.resolve("float32") == "float32"
    monkeypatch.setattr(precision, "_has_bfloat16", lambda depthwise: False)
    assert precision.resolve("auto") == "float32"
    assert precision.resolve("mixed_float16") == "mixed_float16"


def test_a_policy_holds_inside_its_block_only():
    before = keras.config.dtype_policy().name
    with pytest.raises(RuntimeError), precision.policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == before


def test_the_environment_names_what_ran(run_python):
    from kerasdl.training import environment

    found = environment.describe("none", "auto")
    assert found.backend == "tensorflow"
    assert found.device
    assert found.cores >= 1


START = "from kerasdl.training.environment import start_keras as s; s(); print('up')"


def test_another_backend_is_refused_by_name(run_python):
    done = run_python("-c", START, KERAS_BACKEND="numpy")
    assert "Received: the backend 'numpy'" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize(("backend", "other"), [("tensorflow", "jax"), ("jax", "tensorflow")])
def test_a_backend_that_is_not_installed_is_named(run_python, without_module, backend, other):
    done = run_python("-c", START, KERAS_BACKEND=backend, PYTHONPATH=without_module(backend))
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ValueError: ")
    assert f"pip install {backend}" in last
    assert f"KERAS_BACKEND={other}" in last


def test_warnings_of_the_start_are_passed_on_and_all_of_a_failure(run_python):
    code = (
        "import os\n"
        "from kerasdl.quiet import quiet_start\n"
        "with quiet_start():\n"
        "    os.write(2, b'I0000 chatter\\nW0000 careful\\n')\n"
        "with quiet_start():\n"
        "    os.write(2, b'I0000 why it failed\\n')\n"
        "    raise SystemExit(3)\n"
    )
    done = run_python("-c", code)
    assert done.stderr == "W0000 careful\nI0000 why it failed\n"
    assert done.returncode == 3


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_starting_keras_is_quiet(run_python, backend):
    pytest.importorskip(backend)
    done = run_python("-c", START, TF_CPP_MIN_LOG_LEVEL=None, KERAS_BACKEND=backend)
    assert done.returncode == 0
    assert done.stdout == "up\n"
    assert done.stderr == ""
