"""The end of a server, its start with bad options, and clients that leave."""

import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import grpc
import httpx
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE
from serving_fakes import Server, models_folder, serving

from kerasdl.serving import __main__ as command
from kerasdl.serving import static
from kerasdl.serving.options import Options

SLOW = {"signature_name": "slow", "instances": [{"x": [2.0], "turns": [4000]}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one model in it, the one that can be slow."""
    base = tmp_path_factory.mktemp("served")
    shutil.copytree(models_folder(tmp_path_factory) / "rows", base / "rows")
    return base


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key, as options."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to test with")
    where = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", where / "key.pem", "-out", where / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return ("--tls-certificate", where / "certificate.pem", "--tls-key", where / "key.pem")


class Clients:
    """Threads that ask until the port is closed, and what became of their requests."""

    def __init__(self, server, number):
        self.url = f"http://127.0.0.1:{server.port}/v1/models/rows:predict"
        self.answers, self.lost = [], []
        self.threads = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in self.threads:
            thread.start()

    def _ask(self):
        with httpx.Client(timeout=PATIENCE) as client:
            while True:
                try:
                    answer = client.post(self.url, json=SLOW)
                except httpx.ConnectError:
                    return  # the port is closed: nothing was sent
                except httpx.HTTPError as error:
                    self.lost.append(repr(error))
                    return
                self.answers.append((answer.status_code, answer.json()))

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)


def test_sigterm_in_full_flight_drops_nothing(folder):
    server = Server(folder, "--drain-seconds", 3)
    try:
        clients = Clients(server, 8)
        server.until(lambda: len(clients.answers) > 20)
        server.signal(signal.SIGTERM)
        # It still answers, but says that nothing should be sent any more.
        url = f"http://127.0.0.1:{server.port}/readyz"
        ready = server.until(lambda: (answer := httpx.get(url)).status_code == 503 and answer)
        assert ready.json()["status"] == "stopping"
        assert ready.headers["connection"] == "close"
        clients.join()
        assert server.process.wait(PATIENCE) == 0
    finally:
        server.stop()
    assert clients.lost == []
    assert {status for status, _ in clients.answers} == {200}
    assert all(answer == {"predictions": [[4.0]]} for _, answer in clients.answers)


def test_a_second_server_cannot_have_the_port_and_tls_works(folder, certificate, capsys):
    import ssl

    with serving(folder, *certificate, "--queue", 2) as server:
        assert command.main([str(folder), "--rest-port", str(server.port)]) == 2
        assert f"--rest-port {server.port} cannot be opened" in capsys.readouterr().err
        context = ssl.create_default_context(cafile=str(certificate[1]))
        url = f"https://127.0.0.1:{server.port}/v1/models/rows:predict"
        answer = httpx.post(url, json={"instances": [[1.0]]}, verify=context)
        assert answer.json() == {"predictions": [[2.0]]}
        credentials = grpc.ssl_channel_credentials(certificate[1].read_bytes())
        with grpc.secure_channel(server.grpc, credentials) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PATIENCE
            )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        refuse_a_third(server, url, context)
        # A client that leaves is noticed: what it asked for is given up.
        server.until(lambda: leave(server, context) or cancelled(server) >= 1)
        assert server.predict("rows", {"instances": [[3.0]]})[0] == 200
    assert server.process.returncode == 0


def refuse_a_third(server, url, context):
    """With room for two requests, a third is told at once to come again."""
    slow = {"signature_name": "slow", "instances": [{"x": [2.0], "turns": [20000]}]}
    answers = []

    def ask():
        answers.append(httpx.post(url, json=slow, verify=context, timeout=PATIENCE).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.until(
        lambda: "kerasdl_requests_now 2" in server.http.get("/monitoring/prometheus/metrics").text
    )
    refused = server.http.post("/v1/models/rows:predict", json={"instances": [[1.0]]})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert list(refused.json()) == ["error"]
    for thread in threads:
        thread.join()
    assert answers == [200, 200]


def leave(server, context):
    body = json.dumps(SLOW).encode()
    head = (
        f"POST /v1/models/rows:predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(head.encode() + body)
        time.sleep(0.01)


def cancelled(server):
    text = server.http.get("/monitoring/prometheus/metrics").text
    name = ':tensorflow:serving:request_count{model_name="rows",status="CANCELLED"} '
    return max((int(line[len(name) :]) for line in text.splitlines() if name in line), default=0)


BAD = {
    "no folder": (["/nowhere"], "expected a folder with models"),
    "a file": ([__file__], "a file"),
    "half of TLS": ([".", "--tls-key", "key.pem"], "go together"),
    "no key file": ([".", "--api-key-file", "/nowhere"], "No such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_one_line_and_exit_code_2(case, capsys):
    arguments, message = BAD[case]
    assert command.main([*arguments, "--rest-port", "0", "--grpc-port", "0"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_short_key_is_refused(tmp_path, capsys):
    (tmp_path / "key").write_text("short\n")
    assert command.main([".", "--api-key-file", str(tmp_path / "key")]) == 2
    assert "at least 16" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--port", "--batch-size=0", "--rest-port=x", "--timeout=0"])
def test_unknown_options_and_values_out_of_range(option, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main([".", option])
    assert caught.value.code == 2


def test_the_pages_files_are_read_once_with_their_types(tmp_path):
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "notes.py").write_text("1")
    files = static.read_files(tmp_path)
    assert set(files) == {"/", "/index.html", "/app.js"}
    assert files["/app.js"].media_type == "text/javascript; charset=utf-8"
    assert dict(static.HEADERS)[b"content-security-policy"].startswith(b"default-src 'none'")


def test_the_options_table_is_the_code():
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `--([a-z-]+)` \| ([^|]+) \|", text, re.M))
    assert {name: default.strip() for name, default in rows.items()} == {
        field.name.replace("_", "-"): shown(field.default)
        for field in msgspec.structs.fields(Options)
    }


def shown(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value in ("", ()) else str(value)
