"""Two replicas behind Ray Serve answer as the server itself does."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from patience import PATIENCE

pytest.importorskip("ray", reason="the extra `ray` is not installed; `test` does not bring it")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from serving_fakes import models_folder


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "kerasdl.serving.ray", models_folder(tmp_path_factory)),
            *("--rest-port", str(port), "--batch-size", "2"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
    )
    told = []
    for line in process.stdout:
        told.append(line)
        if "Ctrl-C" in line:
            break
    assert f"2 replicas, REST and a page at http://127.0.0.1:{port}\n" in "".join(told)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=PATIENCE)[0]
    assert (process.returncode, rest) == (0, "")


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(url, data, timeout=PATIENCE) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_replicas_speak_the_same_dialect(url):
    models = f"{url}/v1/models"
    status, text = ask(f"{models}/rows:predict", {"instances": [[1.5], [2.0], [4.0]]})
    assert (status, json.loads(text)) == (200, {"predictions": [[3.0], [4.0], [8.0]]})
    status, text = ask(f"{models}/rows:predict", {"instances": [[-1.0]]})
    assert status == 400
    assert "a negative row" in text
    assert ask(f"{models}/no%2Fne")[0] == 404
    assert ask(f"{models}/rows:predict", {"instances": [[[1]]]})[0] == 400
    assert '"serving_default"' in ask(f"{models}/rows/metadata")[1]
    assert ask(f"{url}/readyz") == (200, '{"status":"ready","models_not_served":[]}')
    assert "<canvas" in ask(f"{url}/")[1]


def test_both_replicas_answer(url):
    count = re.compile(r'^:tensorflow:serving:request_count\{model_name="echo".*\} (\d+)$', re.M)
    # An odd number: the two replicas cannot have the same share of it.
    for _ in range(15):
        ask(f"{url}/v1/models/echo:predict", {"signature_name": "one", "inputs": 1})
    shares = set()
    end = time.monotonic() + PATIENCE
    while len(shares) < 2 and time.monotonic() < end:
        # Each replica counts for itself.
        found = count.search(ask(f"{url}/monitoring/prometheus/metrics")[1])
        shares.add(int(found[1]) if found else 0)
    assert sum(shares) == 15
    assert 0 not in shares
