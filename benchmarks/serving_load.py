"""The server under more load than it can carry, answers that must not be mixed up, and memory.

    python benchmarks/serving_load.py [--seconds 60] [--requests 100000] [--minutes 10]

1. Capacity, measured with 64 clients that wait for their answers, then twice as many requests
   a second at random times: what is accepted should be answered within twice the time (p99),
   and the rest with 503 at once.
2. Requests with a number each, from 64 clients: every answer must be that of its number.
3. Minutes of mixed traffic, a tenth of it refused: the server's memory at the end against that
   after the first tenth.
"""

import argparse
import base64
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
import serving_traffic as traffic
from rich.console import Console
from rich.table import Table
from serving_fakes import Server, write_models
from serving_fuzz import png

CLIENTS = 64


def save_costly(folder):
    """A network that costs more than HTTP does: the clients share the machine with it."""
    import os
    import subprocess

    program = (
        "import sys, keras\n"
        "from keras import layers\n"
        "model = keras.Sequential([keras.Input((784,)), layers.Reshape((28, 28, 1)),"
        " layers.Conv2D(64, 3, activation='relu'), layers.Conv2D(64, 3, activation='relu'),"
        " layers.Conv2D(64, 3, activation='relu'), layers.GlobalAveragePooling2D(),"
        " layers.Dense(10, 'softmax')])\n"
        "model.export(sys.argv[1], verbose=False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, f"{folder}/costly/1"],
        check=True,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def overload(folder, seconds, console):
    row = np.random.default_rng(0).random((1, 784)).round(3).tolist()
    body = json.dumps({"instances": row}).encode()
    server = Server(folder)
    try:
        path = "/v1/models/costly:predict"
        traffic.closed_loop(server.port, path, lambda _: body, clients=CLIENTS, seconds=2)
        base = traffic.closed_loop(
            server.port, path, lambda _: body, clients=CLIENTS, seconds=max(5, seconds / 4)
        )
        over = traffic.open_loop(
            server.port, path, lambda _: body, rate=2 * base.rate, seconds=seconds
        )
    finally:
        server.stop()
    table = Table(title="Twice the capacity", title_justify="left")
    for heading in ("arm", "sent/s", "200/s", "503/s", "other", "median, ms", "p99, ms"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for name, found in (("capacity, 64 clients", base), ("twice that, at random times", over)):
        total = sum(n for status, n in found.statuses.items() if status != "wrong")
        other = total - found.statuses[200] - found.statuses[503]
        table.add_row(
            name,
            f"{total / found.took:.0f}",
            f"{found.rate:.0f}",
            f"{found.statuses[503] / found.took:.0f}",
            str(other),
            f"{1000 * found.percentile(0.5):.1f}",
            f"{1000 * found.percentile(0.99):.1f}",
        )
    console.print(table)
    ratio = over.percentile(0.99) / base.percentile(0.99)
    console.print(f"p99 of what was accepted: × {ratio:.2f}; {dict(over.statuses)}")


def tagged(server, requests, console):
    def body(number):
        rows = [[float(number)]] * (1 + number % 3)
        return json.dumps({"instances": rows}).encode()

    def check(number, answer):
        expected = [[2.0 * number]] * (1 + number % 3)
        return json.loads(answer) == {"predictions": expected}

    found = traffic.closed_loop(
        server.port,
        "/v1/models/rows:predict",
        body,
        clients=CLIENTS,
        requests=requests,
        check=check,
    )
    console.print(f"Tagged requests: {found}; wrong: {found.statuses['wrong']}")


def memory(server, minutes, console):
    image = base64.b64encode(png(4, 4)).decode()
    bodies = [
        ("rows", {"instances": [[1.0]] * 3}),
        ("images", {"signature_name": "serving_bytes", "instances": [{"b64": image}]}),
        ("images", {"instances": np.zeros((8, 4, 4, 1), int).tolist()}),
        ("half", {"inputs": [1.0] * 5000}),
        ("rows", {"instances": [[-1.0]]}),
    ]
    stop = time.monotonic() + 60 * minutes

    def ask(part):
        model, plain = bodies[part]
        content = json.dumps(plain).encode()
        while time.monotonic() < stop:
            left = max(0.1, min(10.0, stop - time.monotonic()))
            # `signal` works in the main thread only; uvloop.run in a thread does without.
            traffic.closed_loop(
                server.port,
                f"/v1/models/{model}:predict",
                lambda _: content,
                clients=4,
                seconds=left,
            )

    threads = [threading.Thread(target=ask, args=(part,)) for part in range(len(bodies))]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() < stop:
        time.sleep(max(0.1, 60 * minutes / 100))
        samples.append(resident(server))
    for thread in threads:
        thread.join()
    tenth = max(1, len(samples) // 10)
    early, late = statistics.median(samples[tenth : 2 * tenth]), statistics.median(samples[-tenth:])
    console.print(
        f"Memory over {minutes:g} minutes: {early:.1f} MB after the first tenth, {late:.1f} MB in "
        f"the last ({late - early:+.1f}); least {min(samples):.1f}, most {max(samples):.1f}"
    )


def resident(server):
    text = Path(f"/proc/{server.process.pid}/statm").read_text()
    return int(text.split()[1]) * 4096 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of twice the capacity")
    parser.add_argument("--requests", type=int, default=100_000, help="with a number each")
    parser.add_argument("--minutes", type=float, default=10.0, help="of mixed traffic")
    options = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        write_models(f"{folder}/models")
        save_costly(f"{folder}/models")
        overload(f"{folder}/models", options.seconds, console)
        server = Server(f"{folder}/models")
        try:
            tagged(server, options.requests, console)
            memory(server, options.minutes, console)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
