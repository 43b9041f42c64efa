import numpy as np
import pytest

from kerasdl import cli
from kerasdl.studies import cache_command
from kerasdl.training.features.cache import FeatureCache, default_folder
from kerasdl.training.sizes import format_size

DIGEST = "0123456789abcdef" * 4
KEY = {
    "network": {"base": "vgg16", "weights_sha256": DIGEST, "size": 32, "features": ""},
    "images": {"count": 20, "sha256": DIGEST[::-1]},
    "view": {"seed": 3, "number": 1, "shift": 2, "rotation": 0.0, "flip": True},
    "software": {},
}


def fill(count):
    rows = np.ones((20, 100), np.float32)
    for number in range(count):
        cache = FeatureCache()
        cache.get({**KEY, "number": number}, "float32", rows.shape, lambda first: [rows])


def test_words():
    assert cache_command.words(KEY) == (
        "base vgg16, weights_sha256 01234567, size 32, 20 images fedcba98, "
        "view 2 of seed 3 (shift 2, flip)"
    )
    assert cache_command.words({"network": 1}) == "{'network': 1}"
    assert len(cache_command.words({"x": "y" * 200})) == 80


def test_the_list_names_features_sizes_and_the_limit(capsys):
    fill(2)
    (default_folder() / "bad.features").write_text("nothing")
    assert cli.main(["cache"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("base vgg16") == 2
    assert "20 × 100" in printed
    assert "float32" in printed
    assert "bad.features: it is no file of features" in " ".join(printed.split())
    assert f"3 files, {format_size(FeatureCache().size)} of at most 8 GB" in printed


def test_limit_and_clear_remove_files(capsys):
    fill(3)
    assert cli.main(["cache", "--limit", "10kB"]) == 0
    assert "Removed 2 files" in capsys.readouterr().out
    assert len(FeatureCache().entries()) == 1
    assert cli.main(["cache", "--clear"]) == 0
    assert FeatureCache().entries() == []
    assert cli.main(["cache"]) == 0
    assert "No features" in capsys.readouterr().out


def test_a_users_mistake_is_one_line_and_code_2(capsys, monkeypatch):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["cache", "--limit", "much"])
    assert stopped.value.code == 2
    monkeypatch.setenv("KERASDL_CACHE_LIMIT", "much")
    assert cli.main(["cache"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_no_keras_is_imported(run_python):
    for arguments in (["--help"], []):
        done = run_python("-X", "importtime", "-m", "kerasdl", "cache", *arguments)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert done.returncode == 0
        assert not imported & {"keras", "tensorflow", "jax"}
