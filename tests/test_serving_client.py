"""docs/clients.md: the client at the command line, and the examples as they stand there."""

import contextlib
import http.server
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
from patience import PATIENCE

pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from PIL import Image
from serving_fakes import Server
from serving_page_fakes import models_folder

from kerasdl.serving.client import description
from kerasdl.serving.client.__main__ import main

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "clients.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
CODE = [code for _, code in BLOCKS]
LANGUAGES = [language for language, _ in BLOCKS]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(models_folder(tmp_path_factory))
    server.url = f"http://127.0.0.1:{server.port}"
    yield server
    assert server.stop() == 0


@pytest.fixture
def digit(tmp_path):
    """Draws a line in the tenth of the width, and saves it in the format of the suffix."""

    def make(tenth=3, name="digit.png", size=28):
        picture = Image.new("L", (size, size))
        left = (2 * tenth + 1) * size // 20
        picture.paste(255, (left, 0, left + max(1, size // 28), size))
        picture.save(tmp_path / name)
        return str(tmp_path / name)

    return make


@contextlib.contextmanager
def answering(*answers):
    """A server that gives these answers one after the other: (status, headers, body)."""
    left = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{fake.server_port}"
        fake.shutdown()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.webp", "a.tiff"])
def test_it_answers_for_every_format(server, digit, capsys, name):
    image = digit(6, name, size=56)
    assert main([server.url, image, "--model", "mnist", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["image"], answer["class"], answer["label"]) == (image, 6, "6")
    assert len(answer["probabilities"]) == 10


def test_the_answer_for_people(server, digit, capsys):
    image = digit(3)
    assert main([server.url, image, image, "--model", "mnist", "--version", "1", "--top", "2"]) == 0
    assert capsys.readouterr().out == 2 * f"{image}: 3 100.0 %, class 0 0.0 %\n"
    # Its version 2 has a card with the classes' names.
    assert main([server.url, image, "--model", "mnist", "--top", "2"]) == 0
    assert capsys.readouterr().out == f"{image}: 3 100.0 %, 0 0.0 %\n"


def test_pixels_where_the_model_does_not_decode(server, tmp_path, capsys):
    image = str(tmp_path / "green.png")
    Image.new("RGB", (90, 30), (20, 180, 30)).save(image)
    assert main([server.url, image, "--model", "colours", "--top", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"{image}: green 99.")


def test_floating_point_pixels_and_scores(server, tmp_path, capsys):
    image = str(tmp_path / "white.png")
    Image.new("L", (4, 6), 255).save(image)
    told = []
    for largest in ("1", "255"):
        arguments = [server.url, image, "--model", "floats", "--json", "--range", largest]
        assert main(arguments) == 0
        told.append(json.loads(capsys.readouterr().out)["probabilities"])
    # The softmax of -1, 1, 0.5 and of -255, 255, 127.5.
    assert told[0] == pytest.approx([0.0777, 0.5741, 0.3482], abs=1e-4)
    assert told[1] == pytest.approx([0, 1, 0])


def test_grpc_gives_the_same(server, digit, capsys):
    image = digit(8)
    arguments = [server.url, image, "--model", "mnist", "--json"]
    told = []
    for more in ([], ["--grpc", server.grpc]):
        assert main([*arguments, *more]) == 0
        told.append(json.loads(capsys.readouterr().out))
        del told[-1]["milliseconds"]
    chances = [one.pop("probabilities") for one in told]
    assert told[0] == told[1]
    assert chances[0] == pytest.approx(chances[1])  # float32, one of them as decimals
    assert main([*arguments, "--grpc", server.grpc, "--version", "9"]) == 2
    assert "Servable not found" in capsys.readouterr().err


def bomb(path):
    """A PNG of a few bytes that announces 60 000 x 60 000 pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"\0" * 64))


def test_pictures_that_are_none_do_not_keep_others_from_an_answer(server, digit, tmp_path, capsys):
    image = digit(2)
    (tmp_path / "text.png").write_text("no picture")
    cut = tmp_path / "cut.webp"
    Image.new("RGB", (64, 64), "red").save(cut)
    cut.write_bytes(cut.read_bytes()[:40])
    bomb(tmp_path / "bomb.png")
    (tmp_path / "large.bmp").write_bytes(b"BM" + bytes(13 * 2**20))
    (tmp_path / "half.png").write_bytes((tmp_path / "digit.png").read_bytes()[:50])
    bad = ["none.png", "text.png", "cut.webp", "bomb.png", "large.bmp", "half.png", "."]
    arguments = [str(tmp_path / name) for name in bad]
    assert main([server.url, *arguments, image, "--model", "mnist", "--top", "1"]) == 2
    out, err = capsys.readouterr()
    assert out == f"{image}: 2 100.0 %\n"
    expected = [
        "none.png, no such file",
        "text.png, another",
        "cut.webp cannot be read as a picture",
        "bomb.png: expected at most 16777216 pixels. Received: 60000 x 60000",
        "large.bmp: expected at most 12582912 bytes",
        "refused the request (400)",
        "no regular file",
    ]
    assert len(err.splitlines()) == len(expected)
    for line, part in zip(err.splitlines(), expected, strict=True):
        assert line.startswith("python -m kerasdl.serving.client: error: ")
        assert part in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one model on the server, or --model NAME. Received: colours, floats"),
        (["--model", "nobody/../x"], "(404): Servable not found"),
        (["--model", "half"], "half has no signature for images"),
        (["--model", "mnist", "--version", "3"], "(404): Servable not found"),
        (["--model", "mnist", "--key-file", "/nowhere/key"], "/nowhere/key"),
    ],
)
def test_mistakes_of_a_person(server, digit, capsys, arguments, message):
    assert main([server.url, digit(), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("http://127.0.0.1:1", 1, "does not answer: Connection refused"),
        ("ftp://somewhere", 2, "expected the server's URL"),
        ("http://127.0.0.1:port", 2, "expected the server's URL"),
        ("saved_models", 2, "expected the server's URL"),
    ],
)
def test_no_server(digit, capsys, url, code, message):
    assert main([url, digit()]) == code
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert message in err


LISTING = json.dumps({"models": [{"name": "m", "default_version": "1"}]}).encode()
METADATA = json.dumps(
    {
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {"inputs": {"image_bytes": {"dtype": "DT_STRING"}}}
                }
            }
        }
    }
).encode()
ANSWER = json.dumps(
    {"predictions": [{"probabilities": [0.25, 0.75], "labels": "a\x1b[31m\nb", "classes": 1}]}
).encode()
BUSY = (503, {"Retry-After": "0"}, b'{"error": "busy"}')


def good(body):
    return 200, {}, body


def test_a_busy_server_is_asked_again_and_its_words_do_not_reach_the_terminal_raw(digit, capsys):
    image = digit()
    with answering(good(LISTING), BUSY, good(METADATA), BUSY, BUSY, good(ANSWER)) as url:
        assert main([url, image]) == 0
    assert capsys.readouterr().out == f"{image}: a�[31m�b 75.0 %, class 0 25.0 %\n"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([good(LISTING), BUSY, BUSY, BUSY, BUSY], "(503): busy"),
        ([good(b"[" * 100_000)], "is not JSON"),
        ([good(b"<html>")], "is not JSON"),
        ([good(b"[1]")], "does not answer as TensorFlow Serving does"),
        ([good(LISTING), good(b"{}")], "does not answer as TensorFlow Serving does"),
        ([good(LISTING), good(METADATA), (500, {}, b"oh")], "(500): without a reason"),
        ([good(LISTING), good(METADATA), good(b'{"predictions": []}')], "has no predictions"),
        (
            [good(LISTING), good(METADATA), good(b'{"predictions": [{"a": [NaN, 1]}]}')],
            "no numbers",
        ),
    ],
)
def test_a_server_that_fails(digit, capsys, answers, message):
    with answering(*answers) as url:
        assert main([url, digit()]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert message in err


def test_the_key_goes_along(digit, tmp_path, capsys):
    (tmp_path / "key").write_text("a-key-of-sixteen\n")
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{fake.server_port}"
        assert main([url, digit(), "--key-file", str(tmp_path / "key")]) == 2
        fake.shutdown()
    assert asked == ["Bearer a-key-of-sixteen"]
    assert "(401)" in capsys.readouterr().err


def test_rows_of_scores_and_of_outputs():
    read = description.read_answer
    assert read([0.5, 0.5]) == (0, None, [0.5, 0.5])
    assert read({"classes": 1, "probabilities": [0.5, 0.5], "labels": "b"}).best == 1
    assert read({"classes": 7, "probabilities": [0.9, 0.1]}).best == 0
    assert read([1000.0, 0.0]).chances == [1.0, 0.0]


def test_names_of_classes_are_read_where_they_are_listed():
    read = description.class_names
    versions = [{"version": "2", "class_names": ["a", "b"]}, {"version": "1", "class_names": []}]
    listing = {"models": [{"name": "m", "default_version": "2", "versions": versions}]}
    assert read(listing, "m", None) == read(listing, "m", 2) == {0: "a", 1: "b"}
    assert read(listing, "m", 1) == read(listing, "m", 3) == read(listing, "n", None) == {}
    for other in (None, [], {"models": ["m"]}, {"models": [{"name": "m"}]}, {"models": 1}):
        assert read(other, "m", None) == {}


def test_a_server_that_lists_nothing_is_asked_all_the_same(digit, capsys):
    image = digit()
    with answering(good(METADATA), (400, {}, b'{"error": "Malformed"}'), good(ANSWER)) as url:
        assert main([url, image, "--model", "m"]) == 0
    assert capsys.readouterr().out.startswith(f"{image}: ")


def test_help_and_mistakes_import_nothing_heavy(run_python):
    for arguments in (["--help"], ["http://localhost"], ["http://localhost", "a", "--top", "0"]):
        done = run_python("-X", "importtime", "-m", "kerasdl.serving.client", *arguments)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
        assert not imported & {"tensorflow", "keras", "numpy", "PIL"}
        assert done.returncode == (0 if "--help" in arguments else 2)


def test_the_document_has_them_all():
    assert LANGUAGES == ["sh", "python", "python", "python", "js"]
    assert "grpc" in CODE[3]


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=LANGUAGES)
def test_example(number, server, tmp_path):
    language, code = BLOCKS[number]
    program = {"sh": "sh", "python": sys.executable, "js": "node"}[language]
    needed = {"sh": "curl", "js": "node"}.get(language, program)
    if shutil.which(needed) is None:
        pytest.skip(f"{needed} is not installed")
    picture = Image.new("L", (28, 28))
    picture.paste(255, (9, 4, 11, 24))  # in the fourth tenth of the width
    picture.save(tmp_path / "digit.png")
    address, grpc = f"127.0.0.1:{server.port}", f"127.0.0.1:{server.grpc.rpartition(':')[2]}"
    assert "127.0.0.1:8501" in code or "127.0.0.1:8500" in code
    code = code.replace("127.0.0.1:8501", address).replace("127.0.0.1:8500", grpc)
    file = tmp_path / {"sh": "a.sh", "python": "a.py", "js": "a.mjs"}[language]
    file.write_text(code)
    done = subprocess.run(
        [program, file], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    label, *chance = done.stdout.split()
    assert label == "3"
    assert [float(one) for one in chance] == ([] if language == "sh" else [1.0])
