"""Throws requests at the server that nobody should send, and counts answers of 500 and above.

    python benchmarks/serving_fuzz.py [--requests 20000] [--seed 0]

Three arms: bodies, methods, paths and headers made by hypothesis out of broken and unbroken
pieces; what schemathesis makes of /openapi.json; and a corpus of bombs, for which the time of
the answer and the server's growth in memory are measured too.
"""

import argparse
import base64
import gzip
import json
import re
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import httpx
import hypothesis
import schemathesis
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from serving_fakes import Server, write_models

MODELS = ("half", "rows", "images", "echo")
SIGNATURES = ("serving_default", "serving_bytes", "strings", "one", "uint8", "int64", "slow", "x")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.fixed_dictionaries({"b64": st.one_of(st.text(max_size=9), st.just("iVBORw0KGgo="))}),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["x", "turns", "pixels", "s", "v", "b64"]), inner),
    ),
    max_leaves=12,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.one_of(st.lists(trees, max_size=4), trees),
        "inputs": trees,
        "examples": st.lists(st.dictionaries(st.sampled_from(["x", "y"]), trees), max_size=3),
        "context": trees,
        "signature_name": st.one_of(st.sampled_from(SIGNATURES), trees),
    },
)
methods = st.sampled_from(["predict", "predict", "predict", "classify", "regress", ""])
versions = st.sampled_from(["", "", "/versions/1", "/versions/9" * 3, "/labels/a", "/metadata"])


@st.composite
def requests(draw):
    """A request as (method, path, body, headers), mostly nearly right."""
    method = draw(st.sampled_from(["POST"] * 9 + ["GET", "PUT", "HEAD", "OPTIONS", "DELETE"]))
    model = draw(st.one_of(st.sampled_from(MODELS), st.text(min_size=1, max_size=4)))
    path = f"/v1/models/{model}{draw(versions)}"
    if method == "POST":
        path += f":{draw(methods)}"
    text = json.dumps(draw(bodies)).encode()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.binary(max_size=3)) + text[place + draw(st.integers(0, 3)) :]
    headers = {}
    if draw(st.integers(0, 9)) == 0:
        headers["content-encoding"] = draw(st.sampled_from(["gzip", "br", "", "gzip, gzip"]))
        text = gzip.compress(text)[: draw(st.sampled_from([None, 9, -1]))]
    return method, path, text, headers


def broken_requests(http, count, seed):
    statuses = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(requests())
    def send(request):
        method, path, text, headers = request
        try:
            answer = http.request(method, path, content=text, headers=headers)
        except (httpx.InvalidURL, httpx.LocalProtocolError):
            statuses["not sent"] += 1
            return
        note(statuses, answer, request)

    send()
    return statuses


def described_requests(address, count, seed):
    """What schemathesis makes of the server's own description, in equal parts."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    statuses = Counter()
    for operation in operations:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=max(1, count // len(operations)),
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy())
        def send(case):
            if "model" in (case.path_parameters or {}) and len(str(case.body)) % 3:
                case.path_parameters["model"] = MODELS[len(str(case.body)) % len(MODELS)]
            answer = case.call_and_validate(
                checks=[
                    schemathesis.checks.not_a_server_error,
                    schemathesis.specs.openapi.checks.status_code_conformance,
                    schemathesis.specs.openapi.checks.content_type_conformance,
                    schemathesis.specs.openapi.checks.response_schema_conformance,
                ]
            )
            statuses[answer.status_code] += 1

        send()
    return statuses


def note(statuses, answer, request):
    statuses[answer.status_code] += 1
    if answer.status_code >= 500:
        print(answer.status_code, answer.text[:300], request, flush=True)
    if answer.content and answer.headers["content-type"] == "application/json":
        json.loads(answer.content)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(height, width):
    """A whole PNG of one colour: a few hundred kB announce, and decode to, gigabytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def encoded(*images):
    strings = [{"b64": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"signature_name": "serving_bytes", "instances": strings}).encode()


def bombs():
    """Yields (name, model, body, headers)."""
    most = 15 * 2**20
    zipped = {"content-encoding": "gzip"}
    yield "PNG of 16000²", "images", encoded(png(16000, 16000)), {}
    yield "64 PNGs of 4000²", "images", encoded(*[png(4000, 4000)] * 64), {}
    yield "PNG, header only", "images", encoded(png(1, 1)[:16] + b"\x7f" * 99), {}
    yield "GIF of 999 frames", "images", encoded(gif(999)), {}
    yield "BMP", "images", encoded(b"BM" + bytes(16) + struct.pack("<ii", 2**31 - 1, -(2**31))), {}
    yield "gzip of 4 GB", "half", gzip_bomb(4 * 2**30), zipped
    yield "gzip of gzip", "half", gzip.compress(gzip_bomb(2**30)), zipped
    yield "1e6 gzip members", "half", gzip.compress(b"") * 700_000, zipped
    yield "lists 1e7 deep", "half", b'{"instances":' + b"[" * 10**7, {}
    yield "lists 500 deep", "half", b'{"instances":' + b"[" * 500 + b"]" * 500 + b"}", {}
    yield "15 MB of lists", "half", b'{"instances":[' + b"[]," * (most // 3) + b"1]}", {}
    yield "15 MB of objects", "half", b'{"instances":[' + b'{"":0},' * (most // 7) + b"1]}", {}
    yield "15 MB of numbers", "half", b'{"instances":[' + b"1," * (most // 2) + b"1]}", {}
    yield "15 MB of decimals", "half", b'{"instances":[' + b"0.123," * (most // 6) + b"1]}", {}
    yield "15 MB, last one wrong", "half", b'{"instances":[' + b"1.5," * (most // 4) + b'""]}', {}
    yield "a number of 1e7 digits", "half", b'{"inputs":' + b"9" * 10**7 + b"}", {}
    yield "the same beside NaN", "half", b'{"inputs":[NaN,' + b"9" * 10**7 + b"]}", {}
    yield (
        "4000 long numbers, NaN",
        "half",
        b'{"inputs":[NaN' + (b"," + b"9" * 3900) * 4000 + b"]}",
        {},
    )
    yield "1e6 keys", "half", json.dumps({str(i): 0 for i in range(10**6)}).encode(), {}


def gif(frames):
    head = b"GIF89a" + struct.pack("<HH", 4000, 4000) + b"\x00\x00\x00"
    return head + (b"\x2c" + bytes(9) + b"\x02\x02\x44\x01\x00") * frames + b"\x3b"


def gzip_bomb(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2**20)
    return b"".join(packer.compress(zeros) for _ in range(size // 2**20)) + packer.flush()


def explode(server, table):
    peak = Path(f"/proc/{server.process.pid}/status")

    def memory():
        return int(re.search(r"VmHWM:\s+(\d+)", peak.read_text())[1]) / 1024

    before = memory()
    for name, model, body, headers in bombs():
        began = time.perf_counter()
        answer = server.http.post(f"/v1/models/{model}:predict", content=body, headers=headers)
        seconds = time.perf_counter() - began
        if not server.http.get("/healthz").is_success:
            raise RuntimeError(f"the server did not survive: {name}")
        table.add_row(
            name,
            f"{len(body) / 1e6:.2f}",
            str(answer.status_code),
            f"{seconds:.2f}",
            f"{memory() - before:.0f}",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20000, help="of both first arms together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table(title="Bombs")
    for heading in ("bomb", "MB", "status", "seconds", "peak memory, MB more"):
        table.add_column(heading, justify="left" if heading == "bomb" else "right")
    with tempfile.TemporaryDirectory() as folder:
        write_models(f"{folder}/models")
        server = Server(f"{folder}/models", "--batch-size", "8")
        try:
            explode(server, table)
            Console(width=120).print(table)
            half = options.requests // 2
            arms = {
                "hypothesis": lambda: broken_requests(server.http, half, options.seed),
                "schemathesis": lambda: described_requests(
                    f"http://127.0.0.1:{server.port}", half, options.seed
                ),
            }
            for name, arm in arms.items():
                statuses = arm()
                bad = sum(
                    n for status, n in statuses.items() if status != "not sent" and status >= 500
                )
                print(f"{name}: {sum(statuses.values())} requests, {bad} answers of 500 or more:")
                print("  ", dict(statuses.most_common()), flush=True)
            assert server.http.get("/healthz").is_success
        finally:
            server.stop()


if __name__ == "__main__":
    main()
