"""Searches in child processes that are killed with SIGKILL, over and over, until one comes through.

Used by test_tuning_jobs.py and, with more kills, by benchmarks/search_kills.py. As in killing.py
the children are forks of one process that has imported TensorFlow but not used it.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import tuner_fakes as fakes

SITES = ("write", "fsync", "replace", "replaced")
"""Where inside the writing of a file a child may end."""

SEARCHES = {
    "grid": {"algorithm": "grid"},
    "random": {"algorithm": "random", "max_trials": 5, "build": fakes.two},
    "hyperband": {"algorithm": "hyperband", "max_epochs": 3, "build": fakes.two},
}


def search(folder, name, result):
    """One search: groups of two trials with two seeds each; writes its table."""

    def callbacks(title, batch_size):
        note(folder, f"begun {title}")
        return []

    options = {"seeds": 2, "group_size": 2, "callbacks": callbacks, **SEARCHES[name]}
    outcomes = fakes.run(fakes.tuner(folder, **options))
    # Both through JSON, so that they compare.
    Path(result).write_text(json.dumps([fakes.table(outcomes), files_of(folder)]))


def note(folder, line):
    """Adds a line to what the children of a folder have done."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / "notes.txt", "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def files_of(folder):
    """What KerasTuner's files say of each trial, and the files that there are."""
    root = Path(folder) / "search"
    trials = [json.loads(path.read_text()) for path in sorted(root.glob("trial_*/trial.json"))]
    view = [[one[key] for key in ("trial_id", "status", "score", "message")] for one in trials]
    return view, sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def groups_of(folder):
    """Returns the first trial of each group that is finished."""
    found = (Path(folder) / "search" / "groups").glob("[!.]*.json")
    return sorted(path.name.partition("-")[0] for path in found)


def kill_inside_write(number, site):
    """Makes this process end itself inside the writing of its `number`-th file (from 0)."""
    from kerasdl import files

    mkstemp, fsync, replace = files.tempfile.mkstemp, os.fsync, os.replace
    writes = 0

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def counted_mkstemp(**options):
        handle, path = mkstemp(**options)
        if writes == number and site == "write":
            os.write(handle, b'{"asked": [')
            die()
        return handle, path

    def counted_fsync(handle):
        if writes == number and site == "fsync":
            die()
        fsync(handle)

    def counted_replace(source, target):
        nonlocal writes
        if writes == number and site == "replace":
            die()
        replace(source, target)
        if writes == number:
            die()
        writes += 1

    files.tempfile.mkstemp = counted_mkstemp
    files.os.fsync, files.os.replace = counted_fsync, counted_replace


def start(folder, name, result, log, inside=None):
    """Forks a child that searches; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if inside:
            kill_inside_write(*inside)
        search(folder, name, result)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child):
    """Returns the exit status of a child: 0, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def survive(folder, name, kills, seed, say=print):
    """Searches once undisturbed, then until `kills` children were killed and one came through.

    Returns:
        The number of kills, of those inside a write, and of the searches that came through.
        More than one may be needed for so many kills: each of them is compared.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    log, reference = folder / "log.txt", folder / "reference.json"
    began = time.monotonic()
    child = start(folder / "undisturbed", name, reference, log)
    assert wait(child) == 0, log.read_text()
    duration = time.monotonic() - began
    expected = json.loads(reference.read_text())
    say(f"{name}, undisturbed: {duration:.1f} s, {len(expected[0])} trials")
    chance = random.Random(seed)
    done = inside_write = rounds = 0
    while True:
        own, result = folder / f"killed{rounds}", folder / f"result{rounds}.json"
        inside = None
        if done < kills and chance.random() < 0.5:
            inside = (chance.randrange(60), chance.choice(SITES))
        stored = groups_of(own)
        child = start(own, name, result, log, inside)
        if done < kills and inside is None:
            time.sleep(chance.uniform(0.1, 1.0) * duration)
            os.kill(child, signal.SIGKILL)
        status = wait(child)
        after = groups_of(own)
        assert set(after) >= set(stored), "a finished group was lost"
        if status == -signal.SIGKILL:
            done += 1
            inside_write += inside is not None
            note(own, f"killed {' '.join(after)}")
            continue
        assert status == 0, log.read_text()
        assert json.loads(result.read_text()) == expected
        check_notes((own / "notes.txt").read_text().splitlines(), len(after))
        rounds += 1
        if done >= kills:
            say(f"{done} kills ({inside_write} inside a write), {rounds} searches, all the same")
            return done, inside_write, rounds


def check_notes(notes, groups):
    """Asserts that no group was begun again after it was finished, and that all were begun."""
    finished, begun = set(), set()
    for line in notes:
        what, *names = line.split()
        if what == "killed":
            finished = set(names)
        else:
            assert names[1] not in finished, notes  # "begun trial 0002 and 3 more"
            begun.add(names[1])
    # A group of trials that go on from different epochs is more than one training.
    assert len(begun) >= groups, notes


if __name__ == "__main__":
    import keras_tuner  # noqa: F401 - before the forks

    survive(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
