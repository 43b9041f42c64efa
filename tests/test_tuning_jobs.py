"""Several processes share a search through KerasTuner's chief: the same trials, and all end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from datasets_fakes import write_bands
from patience import PATIENCE, hear_ctrl_c, wait_until
from test_tuning_oracles import ask, end, oracle, search

from kerasdl.tuning import jobs, member, mnist_width, study


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody waits for.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.fixture
def stub(tmp_path):
    """Makes a command of members that only play their parts; each notes that it has started."""

    def make(**parts):
        parts = {name: "pass", **parts} if (name := "worker") not in parts else parts
        script = tmp_path / "stub.py"
        lines = [
            "import os, pathlib, signal, sys, time",
            f"folder = pathlib.Path({str(tmp_path)!r})",
            "name = os.environ['KERASTUNER_TUNER_ID']",
            "starts = len(list(folder.glob(f'{name}-*.pid')))",
            "half = folder / f'.{name}'",
            "half.write_text(str(os.getpid()))",
            "half.rename(folder / f'{name}-{starts}.pid')",
            f"parts = {parts!r}",
            "exec(parts.get(name) or parts[name.rstrip('0123456789')])",
        ]
        script.write_text("\n".join(lines))
        return [sys.executable, str(script)]

    return make


def pids(folder):
    return {path.stem: int(path.read_text()) for path in folder.glob("*.pid")}


UNTIL_DONE = "while not (folder / 'done').exists(): time.sleep(0.02)"
FOREVER = "while True: time.sleep(1)"


def test_a_worker_that_came_too_late_is_not_waited_for(stub, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "LATE_SECONDS", 0.2)
    late = "while len(list(folder.glob('*.pid'))) < 3: time.sleep(0.02)"
    assert jobs.run(stub(chief=late, worker0="pass", worker1=FOREVER), 2, cores=2) == 0
    assert not any(map(is_alive, pids(tmp_path).values()))


def test_members_get_their_parts_and_threads(stub, tmp_path):
    note = "(folder / f'{name}.txt').write_text('\\n'.join(os.environ[n] for n in (%s)))"
    names = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "TF_NUM_INTRAOP_THREADS")
    worker = note % ", ".join(map(repr, names))
    chief = f"{worker}\nwhile len(list(folder.glob('*.txt'))) < 3: time.sleep(0.02)"
    assert jobs.run(stub(chief=chief, worker=worker), 2, cores=6) == 0
    texts = {path.stem: path.read_text().split() for path in tmp_path.glob("*.txt")}
    assert set(texts) == {"chief", "worker0", "worker1"}
    assert len({tuple(text) for text in texts.values()}) == 1
    assert texts["chief"][0] == "127.0.0.1"
    assert texts["chief"][2] == "3"


def test_a_worker_that_dies_is_started_again_under_its_name(stub, tmp_path):
    worker = "os.kill(os.getpid(), signal.SIGKILL) if starts < 2 else (folder / 'done').touch()"
    assert jobs.run(stub(chief=UNTIL_DONE, worker0=worker), 1, cores=1) == 0
    assert set(pids(tmp_path)) == {"chief-0", "worker0-0", "worker0-1", "worker0-2"}


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"chief": FOREVER, "worker": "sys.exit(1)"}, ChildProcessError, "ended with code 1"),
        ({"chief": "sys.exit(3)", "worker": FOREVER}, ChildProcessError, "chief .* code 3"),
        ({"chief": "sys.exit(2)", "worker": FOREVER}, ValueError, "could not begin, see above"),
        ({"chief": FOREVER, "worker": "sys.exit(2)"}, ValueError, "could not take part"),
    ],
)
def test_what_cannot_go_on_ends_all(parts, error, message, stub, tmp_path):
    with pytest.raises(error, match=message):
        jobs.run(stub(**parts), 2, cores=2)
    assert not any(map(is_alive, pids(tmp_path).values()))
    if error is ValueError:
        assert len(pids(tmp_path)) <= 3  # a user's mistake is not tried again


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_members_end_with_who_started_them_however_it_ends(number, stub, tmp_path):
    forever = f"from kerasdl.tuning.jobs import end_with_parent; end_with_parent()\n{FOREVER}"
    # The note is written before the members listen: they say when they do.
    listening = forever.replace(FOREVER, f"(folder / f'{{name}}.up').touch()\n{FOREVER}")
    command = stub(chief=listening, worker=listening)
    code = f"from kerasdl.tuning import jobs; jobs.run({command!r}, 2, cores=2)"
    command = [sys.executable, "-c", code]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=hear_ctrl_c)
    try:
        wait_until(lambda: len(list(tmp_path.glob("*.up"))) == 3)
        parent.send_signal(number)
        assert parent.wait(PATIENCE) != 0
        wait_until(lambda: not any(map(is_alive, pids(tmp_path).values())))
    finally:
        parent.kill()
        parent.wait()
        for pid in pids(tmp_path).values():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def chief(tmp_path, monkeypatch):
    """Serves an oracle to clients in this process, over the network as to others."""
    from keras_tuner.src.distribute.oracle_client import OracleClient

    started = []

    def make(name):
        made = oracle(tmp_path / "shared", name)
        with jobs._port() as port:
            monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
            monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
            thread = threading.Thread(target=jobs.serve, args=[made], daemon=True)
            thread.start()
        started.append(thread)
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker0")
        client = OracleClient(made)
        client.group_size = made.group_size  # as a PackedTuner knows it
        client.get_space()  # the server is up
        return made, client, thread

    yield make
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize("name", ["grid", "random", "hyperband"])
def test_over_the_network_the_trials_are_the_same(name, chief, tmp_path):
    alone = oracle(tmp_path / "alone", name)
    groups = search(alone)
    made, client, thread = chief(name)
    hands, going, found = (
        {f"worker{n}": [] for n in range(3)},
        {"worker0", "worker1", "worker2"},
        [],
    )
    while going:
        for worker in sorted(going):
            if hands[worker]:
                end(client, hands[worker].pop(0))
                if worker == "worker2" and hands[worker]:
                    # It dies and is started again: it has what it had.
                    left = [trial.trial_id for trial in hands[worker]]
                    hands[worker] = ask(client, worker)[0]
                    assert [trial.trial_id for trial in hands[worker]] == left
                continue
            hands[worker], status = ask(client, worker)
            if hands[worker]:
                found.append([(t.trial_id, t.hyperparameters.values) for t in hands[worker]])
            elif status == "STOPPED":
                going.discard(worker)
    # It does not linger.
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert sorted(found) == groups
    scores = {trial.trial_id: trial.score for trial in made.trials.values()}
    assert scores == {trial.trial_id: trial.score for trial in alone.trials.values()}


def test_an_address_that_is_taken_is_said(tmp_path, monkeypatch):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(taken.getsockname()[1]))
        with pytest.raises(OSError, match="a free address for the chief"):
            jobs.serve(oracle(tmp_path, "grid"))


def test_a_member_knows_the_searches_without_keras(run_python):
    program = (
        "import sys\nfrom kerasdl.tuning import member\n"
        "known = {'mnist_width', 'own_model', 'regularization', 'search', 'transfer_head'}\n"
        "assert set(member.SUBJECTS) == known\n"
        "assert not {'keras', 'keras_tuner', 'tensorflow'} & set(sys.modules)\n"
    )
    done = run_python("-c", program)
    assert done.returncode == 0, done.stderr


def test_a_member_says_what_it_lacks(tmp_path, monkeypatch, capsys):
    for name in member.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert member.main([str(tmp_path)]) == 2
    assert "environment variables KERASTUNER_TUNER_ID" in capsys.readouterr().err
    for name in member.VARIABLES:
        monkeypatch.setenv(name, "8000")
    assert member.main([str(tmp_path)]) == 2
    assert "recipe.toml" in capsys.readouterr().err
    (tmp_path / "recipe.toml").write_text('app = "svhn"\n')
    assert member.main([str(tmp_path)]) == 2
    assert "must be of a search: mnist_width" in capsys.readouterr().err


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory):
    """Three classes of small gray images."""
    root = tmp_path_factory.mktemp("digits of three classes")
    write_bands(root, {"train": 30, "test": 10}, 12)
    return root


def trials_of(folder):
    paths = sorted((folder / "keras_tuner").glob("trial_*/trial.json"))
    trials = [json.loads(path.read_text()) for path in paths]
    return [(one["trial_id"], one["status"], one["hyperparameters"]["values"]) for one in trials]


def histories_of(folder):
    found = {}
    for path in (folder / "keras_tuner" / "groups").glob("*.json"):
        for one in json.loads(path.read_text())["outcomes"]:
            runs = [run["history"] for run in one["executions"]]
            assert found.setdefault(one["trial_id"], runs) is runs, "a trial was finished twice"
    return found


def test_two_jobs_one_of_which_is_killed_give_the_trials_of_one(
    folder_of_images, tmp_path, monkeypatch
):
    arguments = ["--dataset", str(folder_of_images), "--validation-fraction", "0.3"]
    # So many seeds that a group has two trials, and each process gets one.
    arguments += ["--smallest", "2", "--largest", "5", "--step", "1", "--seeds", "16"]
    arguments += ["--epochs", "1", "--batch-size", "32", "--out"]
    start, killed = jobs._start, []

    def start_and_kill(command, name, common):
        child = start(command, name, common)
        if name == "worker0" and not killed:

            def kill():
                # All trials are handed out: it has some.
                found = tmp_path / "two" / "keras_tuner"
                wait_until(lambda: len(list(found.glob("trial_*"))) == 4)
                child.kill()
                killed.append(child.pid)

            threading.Thread(target=kill, daemon=True).start()
        return child

    monkeypatch.setattr(study, "retrain", lambda *arguments: None)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_start", start_and_kill)
        assert mnist_width.main([*arguments, str(tmp_path / "two"), "--jobs", "2"]) == 0
    assert killed
    assert mnist_width.main([*arguments, str(tmp_path / "one")]) == 0
    assert trials_of(tmp_path / "two") == trials_of(tmp_path / "one")
    assert [status for _, status, _ in trials_of(tmp_path / "two")] == ["COMPLETED"] * 4
    assert len(list((tmp_path / "two" / "keras_tuner" / "groups").iterdir())) == 2
    one, two = histories_of(tmp_path / "one"), histories_of(tmp_path / "two")
    assert sorted(one) == sorted(two)
    for trial, runs in one.items():
        for run, other in zip(runs, two[trial], strict=True):
            for name, values in run.items():
                np.testing.assert_allclose(other[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_kills_change_no_trial(run_python, tmp_path, kills):
    """More of them, and more kinds of searches, in benchmarks/search_kills.py."""
    script = Path(__file__).with_name("search_killing.py")
    done = run_python(script, tmp_path, "grid", kills, 0, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) kills \((\d+) inside a write\), (\d+) searches", done.stdout)
    assert int(found[1]) >= kills
