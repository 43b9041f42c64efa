"""Peak memory of the SVHN app at the set's full size, phase by phase.

    python benchmarks/memory.py [--models lenet5,smallnet] [--folder DIR]

Renders 73 257 + 26 032 synthetic images, writes them as the two .mat files that SVHN
is published as, and runs the app on them for one epoch; beside it stands a process that
only imports Keras and TensorFlow. A phase's peak is the kernel's high-water mark (VmHWM
in /proc/self/status), reset between phases: resident, shared libraries included. Needs
Linux. `--folder` keeps the images for another time: rendering takes a minute.
"""

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.table import Table

SIZES = {"train": 73_257, "test": 26_032}
MIB = 1024


class Phases:
    """Which phase of the process reached which resident size, in KiB."""

    def __init__(self):
        self.peaks, self._stack = {}, ["start"]

    def _note(self):
        lines = Path("/proc/self/status").read_text().splitlines()
        now = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        old = self.peaks.get(self._stack[-1], (0, 0))
        self.peaks[self._stack[-1]] = (max(old[0], int(now["VmHWM"])), int(now["VmRSS"]))
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew

    @contextlib.contextmanager
    def phase(self, name):
        """Counts what happens inside the block as the phase `name`."""
        self._note()
        self._stack.append(name)
        try:
            yield
        finally:
            self._note()
            self._stack.pop()

    def wrap(self, owner, attribute, name, then=lambda: None):
        """Makes each call of a function a phase; `then` is called after it."""
        function = getattr(owner, attribute)

        @functools.wraps(function)
        def measured(*arguments, **keywords):
            with self.phase(name):
                result = function(*arguments, **keywords)
            then()
            return result

        mock.patch.object(owner, attribute, measured).start()


def child(arguments):
    """Runs the app in this process and prints its phases as the last line."""
    phases = Phases()
    from kerasdl.apps import svhn
    from kerasdl.datasets import load, splits
    from kerasdl.training import environment

    def tensorflow_is_there():
        from kerasdl.reporting import report
        from kerasdl.training.engine import Engine

        phases.wrap(Engine, "fit", "train")
        phases.wrap(Engine, "predict", "evaluate")
        phases.wrap(report, "write_report", "report")

    phases.wrap(load, "load", "load the images")
    phases.wrap(splits, "split", "divide them")
    phases.wrap(environment, "start_keras", "import Keras", then=tensorflow_is_there)
    with phases.phase("all else"):
        code = svhn.main(arguments)
    print(json.dumps(phases.peaks))
    return code


def write_images(folder):
    """Renders the set and writes it as SVHN's files."""
    import numpy as np
    from scipy.io import savemat

    from kerasdl.datasets import synthetic

    for part, size in SIZES.items():
        path = folder / "svhn" / f"{part}_32x32.mat"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        number = synthetic.TRAIN_PART if part == "train" else synthetic.TEST_PART
        examples = synthetic.render(size, seed=0, part=number, image_shape=(32, 32, 3))
        labels = np.where(examples.labels == 0, 10, examples.labels).astype(np.uint8)
        content = {"X": examples.images.transpose(1, 2, 3, 0), "y": labels[:, None]}
        savemat(path, content, do_compression=True)


def import_alone():
    """Returns the peak of a process that imports Keras and does nothing, in KiB."""
    code = "import keras, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def measure(folder, models):
    """Runs the app in a child process; returns its phases."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, __file__, "--child", "--data", folder, "--epochs", "1"]
        command += ["--models", models, "--out", f"{out}/run"]
        environment = {**os.environ, "KERASDL_HOME": f"{out}/home"}
        done = subprocess.run(
            [str(part) for part in command], env=environment, stdout=subprocess.PIPE, text=True
        )
    if done.returncode:
        sys.exit(f"the app failed:\n{done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="lenet5,smallnet")
    parser.add_argument("--folder", type=Path, help="where the images are, or are to be kept")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_images(folder)
        phases = measure(folder, options.models)
    table = Table(title=f"Resident memory of svhn --models {options.models}", title_justify="left")
    table.add_column("phase")
    table.add_column("peak, MiB", justify="right")
    table.add_column("after it, MiB", justify="right")
    for phase, (peak, after) in phases.items():
        table.add_row(phase, f"{peak / MIB:.0f}", f"{after / MIB:.0f}")
    table.add_section()
    table.add_row("the whole run", f"{max(peak for peak, _ in phases.values()) / MIB:.0f}", "")
    table.add_row("import of Keras alone", f"{import_alone() / MIB:.0f}", "")
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
