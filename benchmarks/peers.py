"""kerasdl's engine against what a user would pick instead: PyTorch, eager and compiled.

    python benchmarks/peers.py [--cases mlp64,lenet5] [--arms engine,eager,compile,fit]
                               [--precision float32,bfloat16] [--rounds 5] [--quick]
                               [--as-kind-b] [--check]

Needs PyTorch: `pip install -e .[peers]`. Every arm trains the same architecture (the counts of
trained parameters must be equal) on the same uint8 images in the same order with the same
batches and optimizer, without augmentation, and reports an epoch's loss and accuracy. Each
training has a process of its own, the arms in turn, forwards and backwards. Timed is the whole
training of a built model, imports excluded, first step included: what an arm traces or compiles
is in it. The second pair of columns leaves the first step out, since these trainings are short.
Pixels are random: speed does not depend on them. Ratios are an arm's seconds by the engine's, so
that above 1 the engine is faster; a star marks PyTorch's better arm.

- `fit`: Keras's `Model.fit`, without XLA, in an order of its own. Slow, so only where `--arms`
  asks for it.
- `engine`: `Engine.fit`.
- `eager`: PyTorch as the docstring of `peers_torch.py` says.
- `eager-1`: the same with one thread: for networks so small two threads wait for each other longer
  than they compute, above all where something else runs.
- `compile`: `eager` with forward and backward pass under `torch.compile`, whose cache on the
  disk is empty at first.

All arms begin with the engine's first weights, so that their losses must be alike: nobody is fast
by doing less. `--check` shows it on images that can be learnt, a fifth of them in one round.

Of ten widths, the engine's arm is packed training, and PyTorch's are a loop over ten eager
trainings and `torch.func` with stacked modules (`peers_torch_widths.py`). Of features, which are
not trained, the first columns are a pass with tracing or compiling, the second another pass, and
the loss is their mean size. "Processor s" are all threads of a training together: on a busy
machine, where threads wait for each other by spinning, look at it first.

`--as-kind-b` limits oneDNN and MKL of all arms to what a processor without VNNI, BF16 and AMX
has. Whether TensorFlow uses oneDNN at all is kerasdl's rule (kerasdl/kernels.py), which for
perceptrons alone leaves it to TensorFlow, and so to the real processor: there
TF_ENABLE_ONEDNN_OPTS=0 makes it what such a processor has.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import arms
from peers_cases import CASES, Job, Outcome
from rich.console import Console
from rich.table import Table

from kerasdl.training.environment import cpu_name

# By the kind of a case: the arms and how they are called in the table, the engine's first.
ARMS = {
    "training": {
        "engine": "engine",
        "fit": "Keras fit",
        "eager": "PyTorch eager",
        "eager-1": "PyTorch eager, 1 thread",
        "compile": "torch.compile",
    },
    "widths": {
        "engine": "packed",
        "loop": "PyTorch loop",
        "loop-1": "PyTorch loop, 1 thread",
        "func": "torch.func, vmap",
        "func-1": "torch.func, 1 thread",
        "func-compile": "torch.func, compiled",
    },
    "features": {
        "engine": "feature pass",
        "eager": "PyTorch eager",
        "compile": "torch.compile",
    },
}
KERAS_ARMS = ("engine", "fit")
KIND_B = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512"}


def child(text):
    """Does one job in this process and prints its outcome."""
    job = Job(**json.loads(text))
    if job.arm in KERAS_ARMS:
        from peers_keras import run
    else:
        from peers_torch import run
    print(json.dumps(run(job)._asdict()))


def outcome(job, environment):
    """Does a job in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, __file__, "--child", json.dumps(job._asdict())],
            env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"{job} failed:\n{done.stderr[-3000:]}")
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def measure(jobs, rounds, environment):
    """Runs jobs in turn; returns each arm's outcomes, one a round."""
    found = {arm: [] for arm in jobs}
    with tempfile.TemporaryDirectory() as folder:
        # The engine, which is the first, writes its first weights there; all others take them.
        weights = str(Path(folder, "weights.npz"))

        def run(arm):
            found[arm].append(outcome(jobs[arm]._replace(weights=weights), environment))
            return found[arm][-1].seconds

        arms.interleave({arm: lambda arm=arm: run(arm) for arm in jobs}, rounds)
    return found


def agree_on_parameters(title, found):
    """Ends the benchmark if two arms do not train the same number of parameters."""
    counts = {arm: outcomes[0].parameters for arm, outcomes in found.items()}
    if len(set(counts.values())) > 1:
        sys.exit(f"{title}: the arms train other numbers of parameters. Received: {counts}")


def add_rows(table, title, names, found):
    """Adds one row an arm."""

    def column(arm, field):
        return [getattr(one, field) for one in found[arm]]

    torch_arms = [arm for arm in found if arm not in KERAS_ARMS]
    better = min(
        torch_arms, key=lambda arm: statistics.median(column(arm, "seconds")), default=None
    )
    for number, arm in enumerate(found):
        cells = [title if number == 0 else "", names[arm] + (" *" if arm == better else "")]
        for field in ("seconds", "rest"):
            cells.append(f"{statistics.median(column(arm, field)):.2f}")
            compared = arm != "engine" and "engine" in found
            cells.append(arms.ratio(column(arm, field), column("engine", field)) * compared)
        losses = " ".join(f"{loss:.4g}" for loss in found[arm][0].losses)
        table.add_row(*cells, f"{statistics.median(column(arm, 'processor')):.1f}", losses)
    table.add_section()


def processor(limited):
    """Returns "A" for a processor with bfloat16 in hardware, else "B"."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read().split()
    kind = "A" if "amx_bf16" in flags or "avx512_bf16" in flags else "B"
    return "A limited to B" if limited and kind == "A" else kind


def parts(text):
    return [part for part in text.split(",") if part]


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=parts, default=list(CASES), help=", ".join(CASES))
    known = list(dict.fromkeys(arm for names in ARMS.values() for arm in names))
    default = [arm for arm in known if arm != "fit"]
    parser.add_argument("--arms", type=parts, default=default, help=", ".join(known))
    parser.add_argument("--precision", type=parts, default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, a fifth of the images")
    parser.add_argument("--as-kind-b", action="store_true", help="without AMX, BF16 and VNNI")
    parser.add_argument("--check", action="store_true", help="one round that can be learnt")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name, allowed in (("cases", CASES), ("arms", known), ("precision", PRECISIONS)):
        received = getattr(options, name)
        if not received or set(received) - set(allowed):
            parser.error(f"--{name} takes {', '.join(allowed)}. Received: {received}")
    return options


PRECISIONS = ("float32", "bfloat16")


def plan(options, kind):
    """Yields a title, the names of the arms and the jobs of each comparison."""
    for key in options.cases:
        case = CASES[key]
        names = ARMS[case.kind]
        # The engine first, whatever the order on the command line.
        chosen = [arm for arm in names if arm in options.arms]
        cores = len(os.sched_getaffinity(0))
        threads = {arm: 1 if arm.endswith("-1") else cores for arm in chosen}
        images, epochs = case.images, case.epochs
        if options.quick or options.check:
            images = max(images // 5, min(images, 2 * case.batch_size))
        for precision in options.precision:
            if precision == "bfloat16" and not (case.bfloat16 and kind == "A"):
                continue
            jobs = {
                arm: Job(key, arm, precision, images, epochs, options.check, "", threads[arm])
                for arm in chosen
            }
            yield f"{case.title}, {precision}, {images} × {epochs}", names, jobs


def main():
    options = read_options()
    if options.child:
        child(options.child)
        return
    if not shutil.which(os.environ.get("CXX", "g++")):
        print("The arms of torch.compile are left out: they need a C++ compiler (g++)")
        options.arms = [arm for arm in options.arms if "compile" not in arm]
    kind = processor(options.as_kind_b)
    environment = KIND_B if options.as_kind_b else {}
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("tensorflow", "keras", "torch")
    )
    cores = len(os.sched_getaffinity(0))
    rounds = 1 if options.quick or options.check else options.rounds
    print(f"{cpu_name()} (kind {kind}), {cores} cores, {versions}", flush=True)
    console = Console(width=160)
    for title, names, jobs in plan(options, kind):
        found = measure(jobs, rounds, environment)
        agree_on_parameters(title, found)
        # A table a case: a long run shows what it has.
        table = Table(title=f"{rounds} rounds, medians", title_justify="left")
        for name in ("case, images × epochs", "arm"):
            table.add_column(name)
        times = ("seconds", "/ engine", "without first step", "/ engine", "processor s")
        for name in (*times, "loss of each epoch"):
            table.add_column(name, justify="right")
        add_rows(table, title, names, found)
        console.print(table)


if __name__ == "__main__":
    main()
