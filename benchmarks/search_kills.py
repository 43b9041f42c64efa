"""Kills searches with SIGKILL: kerasdl's PackedTuner, and KerasTuner's GridSearch beside it.

    python benchmarks/search_kills.py [--kills 20] [--seed 0]

PackedTuner trains small perceptrons, as a grid, at random and by successive halving. It is
killed at random moments, half of them inside the writing of a file, and started again, and must
end with the trials, histories and files of a search that was left alone. KerasTuner's trials
take 50 ms and no training, and are killed twice at random moments: what is counted is its
bookkeeping. Trials so short have a kill hit a write far more often than real ones.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import keras_tuner
import search_killing
from rich.console import Console
from rich.table import Table


class Quick(keras_tuner.GridSearch):
    """KerasTuner's grid search of trials whose score is at hand."""

    def run_trial(self, trial, *arguments, **keywords):
        """Waits, and returns the score."""
        time.sleep(0.05)
        return {"val_accuracy": 1 / trial.hyperparameters.values["width"]}


def space(hp):
    """Twelve widths."""
    hp.Int("width", 2, 13)


def stock(folder, output):
    """One start of KerasTuner's search; ends with code 0, or 1 where it raised."""
    child = os.fork()
    if child:
        return child
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        tuner = Quick(space, objective="val_accuracy", directory=folder, project_name="search")
        tuner.search(verbose=0)
        os._exit(0)
    except BaseException:
        os._exit(1)


def count_stock(kills, seed, folder):
    """Kills KerasTuner's searches; returns how often each end was seen."""
    chance = random.Random(seed)
    ends = {"all 12 trials": 0, "trials are missing": 0, "cannot be resumed": 0}
    done = searches = 0
    with open(os.devnull, "w") as devnull:
        while done < kills:
            own = str(Path(folder) / f"stock{searches}")
            searches += 1
            moments = [chance.uniform(0.1, 0.9) for _ in range(2)]
            status = 0
            for moment in [*moments, None]:
                child = stock(own, devnull.fileno())
                if moment is not None:
                    time.sleep(moment)
                    os.kill(child, signal.SIGKILL)
                status = search_killing.wait(child)
                done += status == -signal.SIGKILL
                if status == 1:
                    break
            if status == 1:
                ends["cannot be resumed"] += 1
                continue
            trials = list((Path(own) / "search").glob("trial_*/trial.json"))
            ends["all 12 trials" if len(trials) == 12 else "trials are missing"] += 1
    return done, ends


def main():
    """Runs both arms and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="of each search")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console()
    table = Table(title="Searches killed and started again")
    for column in ("Search", "Kills", "Inside a write", "Searches", "What they came to"):
        table.add_column(column)
    with tempfile.TemporaryDirectory() as folder:
        # First, since it runs no TensorFlow: nor does this process, which forks.
        done, ends = count_stock(options.kills, options.seed, folder)
        came = ", ".join(f"{end}: {number}" for end, number in ends.items())
        table.add_row("KerasTuner's GridSearch", str(done), "-", str(sum(ends.values())), came)
        for name in search_killing.SEARCHES:
            where = Path(folder) / name
            done, inside, rounds = search_killing.survive(
                where, name, options.kills, options.seed, console.print
            )
            came = "trials, histories and files of an undisturbed one"
            table.add_row(f"PackedTuner, {name}", str(done), str(inside), str(rounds), came)
    console.print(table)


if __name__ == "__main__":
    main()
