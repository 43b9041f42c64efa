"""The examples of docs/clients.md do what the document says, as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from PIL import Image
from serving_fakes import Server
from serving_page_fakes import models_folder

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "clients.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
CODE = [code for _, code in BLOCKS]
LANGUAGES = [language for language, _ in BLOCKS]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(models_folder(tmp_path_factory))
    yield server
    assert server.stop() == 0


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
        [program, file], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    label, *chance = done.stdout.split()
    assert label == "3"
    assert [float(one) for one in chance] == ([] if language == "sh" else [1.0])
