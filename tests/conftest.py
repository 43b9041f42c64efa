"""What all tests share: no log noise, no network, nothing written outside tmp_path."""

import gc
import os
import sys

# Nothing of what the imports make is garbage; the fixture `swept` begins to collect.
gc.disable()
# Before the first import of TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Processes that share the tests divide the cores, and the children that they start inherit it:
# threads that wait for each other's cores take processor time, too.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SHARE = max(1, CORES // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, str(SHARE))
# Tests choose their data themselves; those on real data take REAL_DATA below. Under another
# name it reaches the processes that share the tests (pytest-xdist), which start after this.
if "KERASDL_DATA" in os.environ:
    os.environ["KERASDL_TEST_DATA"] = os.environ.pop("KERASDL_DATA")
REAL_DATA = os.environ.get("KERASDL_TEST_DATA")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from patience import PATIENCE  # noqa: E402

LONG = ("test_apps", "test_tuning", "test_training", "test_experiments", "test_models")


def pytest_collection_modifyitems(items):
    """Begins with the files that take longest, so that no process is left alone with one."""
    items.sort(key=lambda item: not item.path.name.startswith(LONG))


@pytest.fixture(autouse=True, scope="module")
def swept():
    """Lets the garbage collector pass over what imports and earlier files left for good.

    Keras collects with each `clear_session`: looking at all of TensorFlow's objects each time was
    a third of the tests' processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory, monkeypatch):
    """An empty store for every test, never the user's."""
    monkeypatch.setenv("KERASDL_HOME", str(tmp_path_factory.mktemp("kerasdl-home")))


@pytest.fixture
def real_data():
    """The folder of real data sets, or a skip that names the variable."""
    if not REAL_DATA:
        pytest.skip("KERASDL_DATA is not set: no real data at hand")
    return REAL_DATA


@pytest.fixture(scope="session")
def examples():
    """Makes `n` learnable examples: the class is where the bright band is."""
    from kerasdl.datasets.dataset import Examples

    def make(n=64, shape=(12, 12, 3), num_classes=3, seed=0):
        generator = np.random.default_rng(seed)
        labels = (np.arange(n) % num_classes).astype(np.int32)
        images = generator.integers(0, 100, (n, *shape), dtype=np.uint8)
        band = shape[0] // num_classes
        for i, label in enumerate(labels):
            images[i, label * band : (label + 1) * band] += 120
        return Examples(images, labels)

    return make


@pytest.fixture(scope="module")
def few_synthetic():
    """The synthetic set in 400 and 50 images: 14 000 take seconds to render and to answer."""
    from kerasdl.datasets import load

    original, few = load.load, {"synthetic_train": 400, "synthetic_test": 50}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load", lambda *a, **k: original(*a, **{**few, **k}))
        yield


@pytest.fixture
def without_figures(monkeypatch):
    """Reports without pictures, for tests that look at none: a third of a small run is drawing."""
    from kerasdl.reporting import report
    from kerasdl.studies import explaining

    monkeypatch.setattr(report, "illustrate", lambda *arguments: [])
    monkeypatch.setattr(explaining, "draw", lambda *arguments: None)


@pytest.fixture
def without_module(tmp_path):
    """Makes a folder for PYTHONPATH that hides an installed module from a child process."""

    def hide(name):
        folder = tmp_path / "hidden"
        folder.mkdir(exist_ok=True)
        text = f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n"
        (folder / f"{name}.py").write_text(text)
        return str(folder)

    return hide


@pytest.fixture(scope="session")
def run_python():
    """Runs `python ARGS` in a child process and returns it with its output as text."""
    import subprocess

    def run(*arguments, cwd=None, timeout=PATIENCE, **environment):
        variables = {**os.environ, **environment}
        for name in [name for name, value in variables.items() if value is None]:
            del variables[name]
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
