"""Weights on disk: what is saved comes back, and a hostile file is one clear error."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.storage import load, load_with_epochs, save
from kerasdl.scratch.training import fit


@pytest.fixture
def network():
    return Network(4, (3, 5), 2, activation="tanh", seed=1)


@pytest.fixture
def stored(network, tmp_path):
    """A good file and its arrays."""
    path = tmp_path / "network.npz"
    save(path, network)
    with np.load(path, allow_pickle=False) as file:
        return path, dict(file)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [(), (3, 5)], ids=str)
def test_a_network_comes_back(tmp_path, dtype, hidden):
    network = Network(4, hidden, 2, activation="leaky_relu", dtype=dtype)
    save(tmp_path / "one.npz", network)
    found = load(tmp_path / "one.npz")
    assert (found.sizes, found.activation, found.dtype) == ((4, *hidden, 2), "leaky_relu", dtype)
    np.testing.assert_array_equal(found.parameters, network.parameters)
    inputs = np.random.default_rng(0).standard_normal((7, 4))
    np.testing.assert_array_equal(found.logits(inputs), network.logits(inputs))


def test_weights_of_chosen_epochs_come_back_to_be_scored(network, tmp_path):
    generator = np.random.default_rng(0)
    inputs, labels = generator.standard_normal((20, 4)), generator.integers(0, 2, 20)
    data = (inputs, labels)
    history = fit(network, *data, epochs=4, optimizer=SGD(0.5), validation=data, keep=(2, 4))
    for epoch, parameters in history.kept.items():
        path = tmp_path / f"{epoch}.npz"
        save(path, network, parameters=parameters, epochs=epoch)
        found, epochs = load_with_epochs(path)
        assert epochs == epoch
        loss, accuracy = found.evaluate(*data)
        assert loss == history.val_loss[epoch - 1]
        assert accuracy == history.val_accuracy[epoch - 1]


def test_the_file_is_numpys(network, stored):
    _, arrays = stored
    assert list(arrays) == [
        "description",
        *[f"{kind}_{number}" for number in (1, 2, 3) for kind in ("weights", "biases")],
    ]
    np.testing.assert_array_equal(arrays["weights_2"], network.layers[1].weights)
    described = json.loads(arrays["description"].tobytes())
    assert described["sizes"] == [4, 3, 5, 2]


def test_a_failed_write_leaves_the_old_file(stored, network, monkeypatch):
    path, _ = stored
    before = path.read_bytes()
    network.parameters[:] = 0

    def full(file, *_, **__):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        save(path, network)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("wrong", [np.zeros(3, np.float32), np.zeros(43)], ids=["size", "dtype"])
def test_foreign_parameters_are_not_saved(network, tmp_path, wrong):
    assert len(network.parameters) != 3
    with pytest.raises(ValueError, match="parameters must have shape"):
        save(tmp_path / "one.npz", network, parameters=wrong)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing.npz")


def describe(arrays, **changes):
    """The description with some values changed, or without those that are None."""
    described = {**json.loads(arrays["description"].tobytes()), **changes}
    kept = {name: value for name, value in described.items() if value is not None}
    return {"description": np.frombuffer(json.dumps(kept).encode(), np.uint8)}


HOSTILE = {
    "no description": lambda arrays: {"description": None},
    "no JSON": lambda arrays: {"description": np.frombuffer(b"{'a': 1", np.uint8)},
    "no UTF-8": lambda arrays: {"description": np.full(20, 0xFF, np.uint8)},
    "description of floats": lambda arrays: {"description": np.ones(5)},
    "another format": lambda arrays: describe(arrays, format="other"),
    "a newer version": lambda arrays: describe(arrays, version=2),
    "unknown field": lambda arrays: describe(arrays, code="import os"),
    "no sizes": lambda arrays: describe(arrays, sizes=None),
    "one size": lambda arrays: describe(arrays, sizes=[4]),
    "size 0": lambda arrays: describe(arrays, sizes=[4, 0, 5, 2]),
    "negative size": lambda arrays: describe(arrays, sizes=[4, -3, 5, 2]),
    "one class": lambda arrays: describe(arrays, sizes=[4, 3, 5, 1]),
    "float size": lambda arrays: describe(arrays, sizes=[4.5, 3, 5, 2]),
    "huge sizes": lambda arrays: describe(arrays, sizes=[10**6, 10**6, 2]),
    "sizes beyond 64 bits": lambda arrays: describe(arrays, sizes=[10**30, 3, 5, 2]),
    "endless layers": lambda arrays: describe(arrays, sizes=[1] * 20_000),
    "other sizes": lambda arrays: describe(arrays, sizes=[5, 3, 5, 2]),
    "another layer": lambda arrays: describe(arrays, sizes=[4, 3, 5, 2, 2]),
    "unknown activation": lambda arrays: describe(arrays, activation="relu7"),
    "dtype object": lambda arrays: describe(arrays, dtype="object"),
    "another dtype": lambda arrays: describe(arrays, dtype="float64"),
    "missing array": lambda arrays: {"biases_2": None},
    "transposed": lambda arrays: {"weights_2": arrays["weights_2"].T},
    "flattened": lambda arrays: {"weights_2": arrays["weights_2"].ravel()},
    "float64 among float32": lambda arrays: {"biases_1": arrays["biases_1"].astype(np.float64)},
    "other byte order": lambda arrays: {"biases_1": arrays["biases_1"].astype(">f4")},
    "integers": lambda arrays: {"biases_1": np.zeros(3, np.int32)},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_file_that_is_no_network_is_one_clear_error(stored, case):
    path, arrays = stored
    changed = {**arrays, **HOSTILE[case](arrays)}
    np.savez(path, **{name: array for name, array in changed.items() if array is not None})
    with pytest.raises(ValueError, match=r"network\.npz.*Received") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_pickles_are_not_executed(stored, tmp_path):
    path, arrays = stored
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return (trap.write_text, ("caught",))

    np.savez(path, **{**arrays, "biases_1": np.array([Trap()], dtype=object)}, allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        load(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"must be a \.npz file"):
        load(path)
    assert not trap.exists()


def test_a_bomb_is_refused_by_its_announced_size(stored):
    path, _ = stored
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(
                name, content + bytes(50_000_000) if name == "weights_1.npy" else content
            )
    with pytest.raises(ValueError, match="weights_1 must have at most"):
        load(path)


def test_no_damage_is_more_than_a_clear_error(stored):
    path, _ = stored
    good = path.read_bytes()
    generator = np.random.default_rng(0)
    for length in generator.choice(len(good), 50, replace=False):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError, match=r"network\.npz"):
            load(path)
    expected, messages = load_bytes(path, good), []
    for place in range(0, len(good), 3):
        damaged = bytearray(good)
        damaged[place] ^= int(generator.integers(1, 256))
        try:
            found = load_bytes(path, bytes(damaged))
        except ValueError as error:
            messages.append(str(error))
        else:  # a byte that says nothing about the numbers, such as a date
            np.testing.assert_array_equal(found.parameters, expected.parameters)
    assert len(messages) > len(good) / 6
    assert all("network.npz" in message and "\n" not in message for message in messages)


def load_bytes(path, content):
    path.write_bytes(content)
    return load(path)
