"""Two and three processes on this machine train like one; one that dies ends the others."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import workers_program
from patience import PATIENCE, wait_until
from PIL import Image

from kerasdl import record
from kerasdl.apps import svhn
from kerasdl.training.cluster import Cluster
from kerasdl.training.workers import joined

PROGRAM = Path(workers_program.__file__)


def addresses(number):
    """Ports that nobody has at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)


@contextlib.contextmanager
def started(commands):
    """Child processes, of which none outlives the block."""
    children = []
    try:
        for arguments, folder in commands:
            children.append(
                subprocess.Popen(
                    [sys.executable, *map(str, arguments)],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": str(PROGRAM.parent.parent)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The checkpoints of one process that was interrupted."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("begun")
    one = tf.distribute.get_strategy()
    workers_program.run_cases(one, folder, writes=True, interrupt=True)
    return folder


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def trained(request, begun, tmp_path_factory):
    """The cases by 2 or by 3 workers: the weights by rank, and what each printed."""
    folder, names = tmp_path_factory.mktemp("workers"), addresses(request.param)
    shutil.copytree(begun, folder / "checkpoints")
    ranks = range(request.param)
    with started([([PROGRAM, names, rank, folder], folder) for rank in ranks]) as children:
        outputs = [child.communicate(timeout=PATIENCE) for child in children]
        codes = [child.returncode for child in children]
    assert not any(codes), [errors[-2000:] for _, errors in outputs]
    weights = [dict(np.load(folder / f"{rank}.npz")) for rank in ranks]
    return weights, [json.loads(text) for text, _ in outputs]


@pytest.fixture(scope="module")
def alone():
    import tensorflow as tf

    return workers_program.run_cases(tf.distribute.get_strategy(), None, writes=False)


@pytest.mark.parametrize("case", workers_program.CASES)
def test_workers_give_the_weights_and_the_history_of_one_process(trained, alone, case):
    weights, printed = trained
    expected, history, _ = alone[case]
    for i, array in enumerate(expected):
        np.testing.assert_allclose(weights[0][f"{case} {i}"], array, rtol=1e-4, atol=2e-5)
        for others in weights[1:]:  # each has the same, to the last bit
            np.testing.assert_array_equal(others[f"{case} {i}"], weights[0][f"{case} {i}"])
    for one in printed:
        assert one["strategy"] == f"multiworker x {len(weights)}"
        assert one["cases"] == printed[0]["cases"]
    found, first = printed[0]["cases"][case]
    assert first == ([1, 2] if case == "resumed" else [0, 0])
    assert found.keys() == history.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in history.items():
        assert found[name] == pytest.approx(values, rel=1e-4), name


def test_early_stopping_stopped_all_in_the_same_epoch(trained, alone):
    epochs = len(alone["all at once"][1]["loss"])
    assert epochs < workers_program.CASES["all at once"][1].epochs
    assert len(trained[1][-1]["cases"]["all at once"][0]["loss"]) == epochs


@pytest.fixture
def images(tmp_path):
    generator = np.random.default_rng(0)
    for part, count in (("train", 32), ("test", 8)):
        for label in range(3):
            folder = tmp_path / "images" / part / f"class {label}"
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 90, (32, 32, 3), dtype=np.uint8)
                pixels[:, 10 * label : 10 * label + 10] += 150
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "images"


@pytest.mark.usefixtures("without_figures")
def test_a_worker_dies_the_other_stops_and_one_process_goes_on(tmp_path, images, capsys):
    recipe = ["--dataset", images, "--models", "lenet5", "--epochs", 60, "--batch-size", 16]
    recipe += ["--optimizer", "sgd", "--learning-rate", 0.02, "--precision", "float32"]
    recipe += ["--strategy", "multiworker", "--checkpoint-seconds", 0]
    names, out = addresses(2), tmp_path / "out"
    commands = []
    for rank in (0, 1):
        folder = tmp_path / f"worker {rank}"
        folder.mkdir()
        # What worker 1 is told of --out does not matter: it writes nothing.
        to = out if rank == 0 else folder / "nothing"
        where = ["--out", to, "--workers", names, "--rank", rank]
        commands.append((["-m", "kerasdl.apps.svhn", *recipe, *where], folder))
    saved = out / "checkpoints" / "lenet5-seed0"
    with started(commands) as (chief, other):
        wait_until(lambda: list(saved.glob("*.ckpt")), chief)
        other.kill()
        # TensorFlow alone would wait without end for the worker that is gone.
        text, errors = chief.communicate(timeout=PATIENCE)
        silence = other.communicate()
    assert chief.returncode == 1, errors
    gone = f"error: worker 1 ({names.split(',')[1]}) is gone: this worker stops too"
    assert gone in errors
    assert errors.count("\n") == 1
    assert "Finished runs and the last checkpoint are kept" in errors
    assert "Traceback" not in text
    assert silence == ("", "")
    assert list((tmp_path / "worker 1").iterdir()) == []

    def run(*arguments):
        return svhn.main([str(argument) for argument in (*recipe, *arguments)])

    assert run("--out", out, "--workers", names.split(",")[0], "--rank", 0) == 0
    assert "goes on after epoch" in capsys.readouterr().out
    # --strategy is given again: the last one counts.
    assert run("--out", tmp_path / "whole", "--strategy", "none") == 0
    resumed, whole = (
        record.read(tmp_path / name / "results.json").runs[0] for name in ("out", "whole")
    )
    assert resumed.epochs == 60
    assert resumed.history["loss"] == pytest.approx(whole.history["loss"], rel=1e-2)
    assert resumed.metrics.test_loss == pytest.approx(whole.metrics.test_loss, rel=1e-2)


def test_a_folder_that_is_not_shared_is_named(tmp_path):
    from kerasdl.training import strategy
    from kerasdl.training.checkpoint import Checkpoint, CheckpointStore
    from kerasdl.training.engine import Engine

    class Strategy:
        pass

    stores = [CheckpointStore(tmp_path / str(rank), {"seed": 0}) for rank in (0, 1)]
    stores[0].save(Checkpoint(3, 20, [np.zeros(2, np.float32)], {}))
    names = tuple(addresses(2).split(","))

    def latest(rank):
        with joined(Cluster(names, rank), {}, 20) as workers:
            engine = Engine(None, distribution := Strategy())
            strategy._WORKERS[distribution] = workers
            return engine._latest(stores[rank])

    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(latest, rank) for rank in (0, 1)]:
            with pytest.raises(ValueError, match=r"^worker 1 .* all workers share") as caught:
                future.result()
            assert "no checkpoint there, [3, 20] here" in str(caught.value)
