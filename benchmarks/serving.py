"""Requests a second: our server against `model.predict` per request, and batches against none.

    python benchmarks/serving.py [--seconds 5] [--rounds 5]

One row of an MLP (784-128-10) goes to servers on this machine: one that calls `model.predict`
for each request behind the standard library's threaded HTTP server (with one client), ours with
one example a call, and ours. Clients are connections that are kept open, 1 and 64 of them; they
share the machine with the server. The arms take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import serving_traffic as traffic
from arms import interleave
from rich.console import Console
from rich.table import Table
from serving_fakes import Server

from kerasdl.training.environment import start_keras

start_keras()


PATH = "/v1/models/mlp:predict"

PREDICT = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import keras, numpy as np

model = keras.models.load_model(sys.argv[1])

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = np.array(body["instances"], np.float32)
        answer = json.dumps({"predictions": model.predict(rows, verbose=0).tolist()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.request_queue_size = 128
model.predict(np.zeros((1, 784), np.float32), verbose=0)
print(server.server_port, flush=True)
server.serve_forever()
"""

SAVE = """
import sys, keras
from keras import layers

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.Input((784,)), layers.Dense(128, "relu"), layers.Dense(10, "softmax")]
)
model.save(f"{sys.argv[1]}/mlp.keras")
model.export(f"{sys.argv[1]}/models/mlp/1", verbose=False)
"""


def body(_):
    return ROW


ROW = json.dumps(
    {"instances": np.random.default_rng(0).random((1, 784)).round(4).tolist()}
).encode()


def run_python(*arguments, **settings):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen([sys.executable, "-c", *arguments], env=environment, **settings)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each arm in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        assert run_python(SAVE, folder, stderr=subprocess.DEVNULL).wait() == 0
        predict = run_python(
            PREDICT, f"{folder}/mlp.keras", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        single = batched = None
        try:
            ports = {"model.predict": int(predict.stdout.readline())}
            single = Server(f"{folder}/models", "--batch-size", 1)
            batched = Server(f"{folder}/models")
            ports |= {"one a call": single.port, "batches": batched.port}
            measure(ports, 1, options)
            # Its threads hold each other up: 64 clients get an answer a second from it.
            del ports["model.predict"]
            measure(ports, 64, options)
        finally:
            predict.kill()
            predict.wait()
            predict.stdout.close()
            for server in (single, batched):
                if server is not None:
                    server.stop()


def measure(ports, clients, options):
    results = {name: [] for name in ports}

    def arm(name):
        def run():
            found = traffic.closed_loop(
                ports[name], PATH, body, clients=clients, seconds=options.seconds
            )
            assert set(found.statuses) == {200}, found.statuses
            results[name].append(found)
            return 1 / found.rate

        return run

    seconds = interleave({name: arm(name) for name in ports}, options.rounds)
    table = Table(title=f"One MLP row a request, {clients} clients", title_justify="left")
    headings = ("server", "requests/s", "median, ms", "p99, ms", *(f"× {name}" for name in ports))
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for name, found in results.items():
        ratios = []
        for other in ports:
            pairs = sorted(a / b for a, b in zip(seconds[other], seconds[name], strict=True))
            ratios.append(f"{statistics.median(pairs):.2f} ({pairs[0]:.2f}-{pairs[-1]:.2f})")
        table.add_row(
            name,
            f"{statistics.median(one.rate for one in found):.0f}",
            f"{1000 * statistics.median(one.percentile(0.5) for one in found):.2f}",
            f"{1000 * statistics.median(one.percentile(0.99) for one in found):.2f}",
            *ratios,
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
