"""ImageNet's weights: where they are looked for, and fetching them whole or not at all."""

import dataclasses
import hashlib
import os
import socket
from pathlib import Path
from unittest.mock import Mock

import keras
import pytest

from kerasdl.models import downloads, weights
from kerasdl.models.bases import get
from kerasdl.models.transfer import transfer

BASE = "mobilenet_0.25"
FILE = "mobilenet_2_5_224_tf_no_top.h5"
GET_FILE = keras.utils.get_file


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path_factory):
    def get_file(*_, **__):
        raise Exception("URL fetch failure on https://... : no network\nmore")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
    monkeypatch.delenv("KERASDL_DATA", raising=False)


@pytest.mark.parametrize("ending", [".h5", ".weights.h5", ".keras"])
def test_imagenet_is_looked_for_in_folders_of_data_then_in_keras_own(ending, tmp_path, monkeypatch):
    name = FILE.removesuffix(".h5") + ending
    places = {"asked": tmp_path / "asked", "data": tmp_path / "data", "keras": tmp_path / "keras"}
    monkeypatch.setenv("KERASDL_DATA", str(places["data"]))
    monkeypatch.setenv("KERAS_HOME", str(places["keras"]))
    for place, inside in (("keras", "models"), ("data", "weights"), ("asked", "weights")):
        folder = places[place] / inside
        folder.mkdir(parents=True)
        (folder / name).touch()
        assert weights.resolve("imagenet", BASE, [places["asked"]]) == folder / name


def test_without_network_and_file_the_message_names_file_and_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASDL_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as raised:
        weights.resolve("imagenet", "resnet50")
    (line,) = str(raised.value).splitlines()
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in line
    assert str(tmp_path / "weights") in line
    assert "ResNet-50" in line
    assert "no network" in line
    monkeypatch.delenv("KERASDL_DATA")
    with pytest.raises(FileNotFoundError, match="weights/ in the one that KERASDL_DATA names"):
        weights.resolve("imagenet", "resnet50")


def test_never_random_by_surprise():
    with pytest.raises(FileNotFoundError, match=FILE):
        transfer((32, 32, 3), 10, base=BASE)


@pytest.fixture
def published(monkeypatch):
    """Keras's download, which finds some bytes at every address; what it was asked for."""
    asked = {}

    def get_file(name, origin, *, cache_dir, cache_subdir, file_hash):
        asked.update(name=name, origin=origin, file_hash=file_hash)
        path = Path(cache_dir, cache_subdir, name)
        path.write_bytes(b"weights")
        return str(path)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    return asked


def models_folder():
    return Path(os.environ["KERAS_HOME"]) / "models"


def test_keras_downloads_by_its_own_name_address_and_checksum(published):
    base = get("convnext_tiny")
    with pytest.raises(FileNotFoundError, match="was not asked for"):
        weights.resolve("imagenet", base.name, download=False)
    assert not published
    path = weights.resolve("imagenet", base.name)
    assert path == models_folder() / base.weights_file
    assert path.read_bytes() == b"weights"
    assert [entry.name for entry in models_folder().iterdir()] == [base.weights_file]
    assert published == {
        "name": "convnext_tiny_notop.h5",
        "origin": base.url,
        "file_hash": base.checksum,
    }


@pytest.mark.parametrize("base", ["vgg16", "convnext_tiny"])
def test_half_a_file_in_keras_folder_is_fetched_anew(base, published):
    path = models_folder() / get(base).weights_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"wei")
    assert weights.resolve("imagenet", base) == path
    assert path.read_bytes() == b"weights"


def test_half_a_file_without_network_is_to_be_deleted():
    path = models_folder() / get("vgg16").weights_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"wei")
    for download, reason in ((True, "no network"), (False, "it was not asked for")):
        with pytest.raises(FileNotFoundError) as raised:
            weights.resolve("imagenet", "vgg16", download=download)
        expected = f"{reason}. {path} is not that file, by its checksum: delete it. Put the file "
        assert expected in str(raised.value)
    assert path.read_bytes() == b"wei"
    other = path.with_name(f"{path.stem}.weights.h5")
    other.touch()
    assert weights.resolve("imagenet", "vgg16") == other


@pytest.mark.parametrize("digest", [hashlib.md5, hashlib.sha256])
def test_a_whole_file_in_keras_folder_is_taken(digest, monkeypatch):
    base = dataclasses.replace(get("vgg16"), checksum=digest(b"weights").hexdigest())
    monkeypatch.setattr(weights.bases, "get", lambda name: base)
    path = models_folder() / base.weights_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    assert weights.resolve("imagenet", "vgg16") == path


def test_a_download_that_is_killed_leaves_nothing_under_the_files_name(monkeypatch):
    def get_file(name, origin, *, cache_dir, cache_subdir, file_hash):
        Path(cache_dir, cache_subdir, name).write_bytes(b"wei")
        found.extend(models_folder().iterdir())  # what a kill in this moment leaves
        raise KeyboardInterrupt

    found = []
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    before = socket.getdefaulttimeout()
    with pytest.raises(KeyboardInterrupt):
        weights.resolve("imagenet", BASE)
    assert [path.name.startswith(".fetching-") for path in found] == [True]
    assert not list(models_folder().iterdir())
    assert socket.getdefaulttimeout() == before


def test_keras_download_is_checked_and_comes_whole(monkeypatch, tmp_path):
    source, folder = tmp_path / "source.h5", tmp_path / "models"
    source.write_bytes(b"weights")
    monkeypatch.setattr(keras.utils, "get_file", GET_FILE)
    asked = ("base.h5", source.as_uri())
    with pytest.raises(ValueError, match="Incomplete or corrupted file"):
        downloads.fetched(*asked, hashlib.md5(b"wei").hexdigest(), folder)
    assert not list(folder.iterdir())
    for checksum in (
        "",
        hashlib.md5(b"weights").hexdigest(),
        hashlib.sha256(b"weights").hexdigest(),
    ):
        (folder / "base.h5").write_bytes(b"wei")
        path = downloads.fetched(*asked, checksum, folder)
        assert path.read_bytes() == b"weights"
        assert list(folder.iterdir()) == [path]


def test_the_message_of_a_missing_network_is_of_use_in_both_places(monkeypatch):
    # As Keras says it, which asks the number of an error that has none.
    base = get(BASE)
    monkeypatch.setattr(
        keras.utils,
        "get_file",
        Mock(side_effect=Exception(f"URL fetch failure on {base.url}: None -- [Errno -2] No name")),
    )
    with pytest.raises(FileNotFoundError) as raised:
        weights.resolve("imagenet", BASE)
    message = str(raised.value)
    assert f"{base.url} was not fetched: [Errno -2] No name. Put the file" in message
    assert "--arms scratch at the command line" in message
    assert 'weights="random" and freeze="none" in Python.' in message
