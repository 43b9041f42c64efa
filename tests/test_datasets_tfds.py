import dataclasses
import http.server
import socket
import sys
import threading
import time
import types

import datasets_fakes as fakes
import numpy as np
import pytest
from patience import PATIENCE

from kerasdl.datasets import catalog, store, tfds
from kerasdl.datasets.load import load


@pytest.fixture(autouse=True)
def no_source(monkeypatch, tmp_path):
    """Nothing at hand, no proxy in between."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    """A web server on this machine; returns its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404 if "missing" in self.path else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_host_that_answers_is_reachable(server):
    assert tfds.is_reachable(f"{server}/file")
    assert not tfds.is_reachable(f"{server}/missing")


def test_a_host_that_refuses_is_not_reachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        assert not tfds.is_reachable(f"http://127.0.0.1:{taken.getsockname()[1]}/")


@pytest.mark.parametrize("hang", ["name", "answer"])
def test_a_hanging_network_is_given_up_in_time(monkeypatch, hang):
    released = threading.Event()

    def hang_until_released(*_, **__):
        released.wait(PATIENCE)
        raise OSError("released")

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts, and never answers
        if hang == "name":
            monkeypatch.setattr(socket, "getaddrinfo", hang_until_released)
        start = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not tfds.is_reachable(address, seconds=0.3)
        assert time.monotonic() - start < 30  # seconds: a hundred times what was given
        released.set()


def test_the_decision_is_made_within_15_seconds():
    assert tfds.PROBE_SECONDS <= 10


def fake_module(monkeypatch, load_function):
    module = types.ModuleType("tensorflow_datasets")
    module.load = load_function
    module.as_numpy = lambda parts: parts
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)


def fake_part(name, *, split, batch_size, data_dir, shuffle_files):
    images, labels = fakes.digits(40, (32, 32, 3), len(split))
    for start in (0, 30):
        at = slice(start, start + 30)
        yield {"image": images[at], "label": labels[at].astype(np.int64)}


def test_what_it_downloads_is_kept_in_the_store(monkeypatch):
    calls = []

    def load_function(name, **arguments):
        calls.append((name, arguments["split"], arguments["data_dir"]))
        return fake_part(name, **arguments)

    fake_module(monkeypatch, load_function)
    monkeypatch.setattr(tfds, "is_reachable", lambda url: True)
    told = []
    data = load("svhn", notify=told.append)
    assert data.source == "tfds"
    assert data.partial == "40 of 73257"
    folder = str(tfds.data_dir())
    assert calls == [("svhn_cropped", "train", folder), ("svhn_cropped", "test", folder)]
    np.testing.assert_array_equal(data.test.images, fakes.digits(40, (32, 32, 3), 4)[0])
    assert any("Downloading SVHN" in message for message in told)
    again = load("svhn")
    assert again.source == "store"
    assert again.sha256 == data.sha256
    assert len(calls) == 2


def test_what_it_prepared_before_needs_no_network(monkeypatch):
    (tfds.data_dir() / "svhn_cropped" / "3.1.0").mkdir(parents=True)
    (tfds.data_dir() / "svhn_cropped" / "3.1.0" / "dataset_info.json").write_text("{}")
    fake_module(monkeypatch, fake_part)
    monkeypatch.setattr(tfds, "is_reachable", lambda url: pytest.fail("asked the network"))
    assert load("svhn").source == "tfds"


def test_without_network_synthetic_images_take_its_place_and_say_so(monkeypatch):
    monkeypatch.setattr(tfds, "is_reachable", lambda url: False)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)  # importing it would fail
    for name, entry in catalog.ENTRIES.items():
        told = []
        data = load(name, synthetic_train=30, synthetic_test=20, notify=told.append)
        assert (data.name, data.source) == (name, "synthetic")
        assert data.image_shape == entry.image_shape
        assert f"in place of {entry.title}" in data.title
        assert "SYNTHETIC" in data.label
        assert "SYNTHETIC" in told[-1]
    assert not store.store_folder().exists()


def test_a_failed_download_is_told_not_hidden(monkeypatch):
    def fail(name, **arguments):
        raise ConnectionResetError("the line went dead at 40 %")

    fake_module(monkeypatch, fail)
    monkeypatch.setattr(tfds, "is_reachable", lambda url: True)
    told = []
    data = load("svhn", synthetic_train=30, synthetic_test=20, notify=told.append)
    assert data.synthetic
    assert any("ConnectionResetError: the line went dead at 40 %" in message for message in told)


def test_a_damaged_store_is_not_replaced_by_synthetic_images(monkeypatch):
    monkeypatch.setattr(tfds, "is_reachable", lambda url: False)
    store.store_folder().mkdir(parents=True)
    store.path_of("svhn").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"svhn\.npz must be a data set prepared by kerasdl"):
        load("svhn")


def test_a_damaged_store_is_downloaded_again(monkeypatch):
    fake_module(monkeypatch, fake_part)
    monkeypatch.setattr(tfds, "is_reachable", lambda url: True)
    store.store_folder().mkdir(parents=True)
    store.path_of("svhn").write_bytes(b"torn")
    told = []
    assert load("svhn", notify=told.append).source == "tfds"
    assert "svhn.npz must be" in told[0]
    assert load("svhn").source == "store"


def test_sets_it_does_not_have_are_not_asked_for(monkeypatch):
    entry = dataclasses.replace(catalog.GURMUKHI)
    monkeypatch.setattr(tfds, "is_reachable", lambda url: pytest.fail("asked the network"))
    assert tfds.fetch(entry, print) is None
