"""Does the server go on through swaps, damaged versions, stops, and clients that leave?

    python benchmarks/serving_faults.py [--swaps 50] [--damaged 200] [--stops 10] [--seed 0]

Each part runs under the load of eight clients that never pause; counted is what failed. Of the
damaged versions each has one fault in its graph or its weights: a bit flipped, an end cut off,
a block of zeros, or a file gone.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import httpx
import serving_traffic as traffic
from rich.console import Console
from serving_fakes import Server, write_models
from serving_load import resident

PATH = "/v1/models/half:predict"
BODY = b'{"inputs": [2.0, 4.0]}'
RIGHT = {"outputs": [3.0, 4.0]}
FILES = (
    "saved_model.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
)


class Load:
    """Eight clients in a thread, until the end of a block."""

    def __init__(self, server):
        self.result = None
        self._server, self._going = server, True

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._going = False
        self._thread.join()

    def _run(self):
        def check(_, answer):
            return json.loads(answer) == RIGHT

        self.result = traffic.Result()

        async def one():
            connection = traffic.Connection(self._server.port)
            while self._going and await traffic.ask(
                connection, PATH, 0, lambda _: BODY, check, self.result
            ):
                pass
            connection.close()

        async def run():
            began = time.perf_counter()
            await asyncio.gather(*(one() for _ in range(8)))
            self.result.took = time.perf_counter() - began

        asyncio.run(run())


def add_card(version):
    """What an export's card says of its files, without the rest."""
    sums = {name: hashlib.sha256((version / name).read_bytes()).hexdigest() for name in FILES}
    card = {"kind": "kerasdl-model-card", "sha256": sums}
    (version / "card.json").write_text(json.dumps(card))


def publish(source, model, version, damage=None):
    part = model / f".part-{version}"
    shutil.copytree(source, part)
    if damage is not None:
        damage(part)
    os.rename(part, model / str(version))


def state(server, version):
    answer = server.http.get("/v1/models/half").json()
    for one in answer.get("model_version_status", []):
        if one["version"] == str(version):
            return one["state"]
    return ""


def swaps(source, served, count, console):
    server = Server(served, "--poll-seconds", 0.2, "--keep-versions", 1)
    try:
        before = resident(server)
        with Load(server) as load:
            for version in range(2, count + 2):
                publish(source, served / "half", version)
                server.until(lambda v=version: state(server, v) == "AVAILABLE")
                if version % 10 == 0:
                    console.print(f"  {version - 1} swaps, {resident(server) - before:+.0f} MB")
            server.until(lambda: len(server.http.get("/v1/models/half").json()) == 1)
        console.print(f"{count} swaps: {load.result}; memory {resident(server) - before:+.0f} MB")
    finally:
        server.stop()


def make_damage(chance):
    """Returns a function that damages a version's folder in one random way."""
    name = chance.choice(FILES)
    kind = chance.choice(["flip", "flip", "cut", "zeros", "gone"])
    place = chance.random()

    def damage(part):
        path = part / name
        content = bytearray(path.read_bytes())
        at = int(place * len(content))
        if kind == "gone":
            path.unlink()
            return
        if kind == "flip":
            content[at] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del content[at:]
        else:
            size = min(64, len(content) - at)
            if not any(content[at : at + size]):
                content[at] ^= 1  # zeros already: flip a bit instead
            else:
                content[at : at + size] = bytes(size)
        path.write_bytes(content)

    return damage, f"{kind} {name} at {place:.3f}"


def damaged(source, served, count, seed, console):
    chance = random.Random(seed)
    server = Server(served, "--poll-seconds", 0.2)
    bad = []
    try:
        first = max(int(path.name) for path in (served / "half").iterdir() if path.name.isdigit())
        with Load(server) as load:
            for version in range(first + 1, first + 1 + count):
                damage, what = make_damage(chance)
                publish(source, served / "half", version, damage)
                server.until(lambda v=version: state(server, v) in ("END", "AVAILABLE"))
                if state(server, version) != "END":
                    bad.append(what)
                shutil.rmtree(served / "half" / str(version))
        console.print(f"{count} damaged versions, {len(bad)} served {bad}: {load.result}")
    finally:
        server.stop()


def stops(served, count, console):
    lost = answered = 0
    statuses = set()
    for _ in range(count):
        server = Server(served, "--drain-seconds", 0.3)
        try:
            with Load(server) as load:
                time.sleep(0.5)
                server.signal(signal.SIGTERM)
                code = server.process.wait(60)
        finally:
            server.stop()
        if code != 0:
            raise RuntimeError(f"exit code {code}: {server.text()}")
        lost += load.result.statuses["lost"]
        answered += load.result.statuses[200]
        statuses |= set(load.result.statuses)
    names = sorted(map(str, statuses))
    console.print(f"{count} stops by SIGTERM: {answered} answered, {lost} lost; seen: {names}")


def leavers(served, console):
    """Clients that leave while their request waits, and rows that the model refuses."""
    server = Server(served)
    rows = "/v1/models/rows:predict"
    stop = time.monotonic() + 5

    def leave():
        body = json.dumps({"signature_name": "slow", "instances": [{"x": [1], "turns": [3000]}]})
        while time.monotonic() < stop:
            try:
                httpx.post(f"http://127.0.0.1:{server.port}{rows}", content=body, timeout=0.02)
            except httpx.TimeoutException:
                continue

    def poison():
        with httpx.Client() as client:
            while time.monotonic() < stop:
                answer = client.post(
                    f"http://127.0.0.1:{server.port}{rows}", json={"instances": [[-1.0]]}
                )
                assert answer.status_code == 400, answer.text

    threads = [threading.Thread(target=target) for target in (leave, leave, poison, poison)]
    try:
        for thread in threads:
            thread.start()
        found = traffic.closed_loop(
            server.port,
            rows,
            lambda number: json.dumps({"instances": [[float(number)]]}).encode(),
            clients=16,
            seconds=5,
            check=lambda number, answer: json.loads(answer) == {"predictions": [[2.0 * number]]},
        )
        for thread in threads:
            thread.join()
    finally:
        server.stop()
    console.print(f"Beside clients that leave and poisonous rows: {found}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--damaged", type=int, default=200)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        write_models(f"{folder}/models")
        source, served = Path(folder) / "models" / "half" / "1", Path(folder) / "served"
        for name in ("half", "rows"):
            shutil.copytree(Path(folder) / "models" / name, served / name)
        add_card(source)
        leavers(served, console)
        stops(served, options.stops, console)
        swaps(source, served, options.swaps, console)
        damaged(source, served, options.damaged, options.seed, console)


if __name__ == "__main__":
    main()
