"""Weights of a base: Keras's formats, a run's weights, and files that lie."""

import io
import json
import tracemalloc
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest

from kerasdl.models import hdf5, weights, weights_file
from kerasdl.models.base_model import base_model
from kerasdl.models.bases import get
from kerasdl.models.transfer import base_of, transfer

BASE = "mobilenet_0.25"
KERNEL = "layers/conv2d/vars/0"


@pytest.fixture(scope="module")
def model():
    """The base as somebody trained it."""
    keras.utils.set_random_seed(0)
    return base_model(get(BASE), (32, 32, 3))


@pytest.fixture(scope="module")
def others():
    """The base that the files are read into."""
    keras.utils.set_random_seed(1)
    return base_model(get(BASE), (32, 32, 3))


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """The same weights in each of Keras's formats."""
    folder = tmp_path_factory.mktemp("formats")
    model.save_weights(folder / "new.weights.h5")
    model.save(folder / "archive.keras")
    model.save(folder / "whole.h5")
    # As keras.applications publishes them: the weights alone, at the root.
    with h5py.File(folder / "whole.h5") as source, h5py.File(folder / "old.h5", "w") as target:
        group = source["model_weights"]
        for name, value in group.attrs.items():
            target.attrs[name] = value
        for name in group:
            group.copy(name, target)
    return folder


@pytest.fixture
def damaged(files, tmp_path):
    """Makes a file of weights and opens it for a change."""

    def make(source="new.weights.h5"):
        path = tmp_path / source
        path.write_bytes((files / source).read_bytes())
        return path, h5py.File(path, "r+")

    return make


def refused(others, path, complaint, base=BASE):
    """The file ends in one line that names it, and the model keeps its weights."""
    before = weights.identity(others)
    with pytest.raises(ValueError, match=complaint) as raised:
        weights.load(others, path, base)
    assert str(path) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert weights.identity(others) == before


@pytest.mark.parametrize("name", ["new.weights.h5", "archive.keras", "whole.h5", "old.h5"])
def test_each_format_gives_the_same_weights(name, files, model, monkeypatch):
    keras.utils.set_random_seed(2)
    fresh = base_model(get(BASE), (32, 32, 3))
    wanted = weights.identity(model)
    assert weights.identity(fresh) != wanted
    # Nothing of Keras's reading is used, and so nothing of what the file says is built.
    for reader in ("load_model", "deserialize_keras_object"):
        monkeypatch.setattr(keras.saving, reader, None)
    weights.load(fresh, files / name, BASE)
    assert weights.identity(fresh) == wanted
    for mine, theirs in zip(fresh.weights, model.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_identity_is_of_the_numbers_and_their_shapes():
    def identity(*arrays):
        inputs = keras.Input((arrays[0].shape[0],))
        layer = keras.layers.Dense(arrays[0].shape[1], use_bias=False)
        dense = keras.Model(inputs, layer(inputs))
        dense.set_weights(arrays)
        return weights.identity(dense)

    ones = np.ones((2, 3), np.float32)
    assert identity(ones) == identity(ones.copy())
    assert identity(ones) != identity(ones.T)
    assert identity(ones) != identity(ones * np.float32(1 + 2**-23))
    assert len(identity(ones)) == 64


def test_random_needs_no_file():
    assert weights.resolve("random", BASE) is None


@pytest.mark.parametrize("wrong", ["imagnet", "", "nowhere/base.h5"])
def test_a_setting_that_is_nothing(wrong):
    expected = rf'"imagenet", "random", a file.*Received: {wrong!r}'
    with pytest.raises(FileNotFoundError, match=expected):
        weights.resolve(wrong, BASE)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "base.pt").touch()
    with pytest.raises(ValueError, match=r"ends in \.h5.*base\.pt"):
        weights.resolve(str(tmp_path / "base.pt"), BASE)


def run_of(folder, **models):
    (folder / "models").mkdir(parents=True)
    for name, model in models.items():
        model.save(folder / "models" / f"{name.replace('_seed', '-seed')}.keras")
    return folder


@pytest.fixture(scope="module")
def scratch(others):
    """A whole model that a run trained, and the identity of its base up to its cut."""
    keras.utils.set_random_seed(3)
    settings = {"base": BASE, "weights": "random", "freeze": "none", "head": (4,)}
    return transfer((28, 28, 1), 3, features="conv_pw_4_relu", **settings)


def test_a_runs_base_goes_on_to_another_task(scratch, tmp_path):
    run = run_of(tmp_path / "run", scratch_seed10=scratch, scratch_seed9=scratch)
    (run / "models" / ".scratch-seed1.half.keras").write_bytes(b"half")
    path = weights.resolve(str(run), BASE)
    assert path == run / "models" / "scratch-seed9.keras"
    wanted = weights.identity(base_of(scratch))
    next_ = transfer(
        (32, 32, 3),
        10,
        base=BASE,
        weights=str(run),
        weights_sha256=wanted,
        features="conv_pw_4_relu",
    )
    assert weights.identity(base_of(next_)) == wanted
    # And on from there: a pre-trained base in a file is read like a random one.
    next_.save(tmp_path / "next.keras")
    last = transfer(
        (32, 32, 3), 2, base=BASE, weights=str(tmp_path / "next.keras"), features="conv_pw_2_relu"
    )
    np.testing.assert_array_equal(
        base_of(last).get_layer("conv_pw_2").kernel, base_of(scratch).get_layer("conv_pw_2").kernel
    )


def test_a_runs_base_that_ends_before_the_features(scratch, tmp_path):
    run = run_of(tmp_path / "run", scratch_seed0=scratch)
    with pytest.raises(ValueError, match=r"up to conv_pw_4_relu only.*those of conv_pw_5_relu"):
        transfer((32, 32, 3), 10, base=BASE, weights=str(run), features="conv_pw_5_relu")


def test_a_run_without_such_a_base(scratch, tmp_path):
    run = run_of(tmp_path / "run", scratch_seed0=scratch)
    with pytest.raises(ValueError, match=r"the base vgg16\. Received: .*It has: scratch-seed0\."):
        weights.resolve(str(run), "vgg16")
    refused_as = "mobilenet_0.5.*Received: one of 'mobilenet_0_25'"
    path = run / "models" / "scratch-seed0.keras"
    with pytest.raises(ValueError, match=refused_as):
        weights.load(base_model(get("mobilenet_0.5"), (32, 32, 3)), path, "mobilenet_0.5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="It has no models"):
        weights.resolve(str(tmp_path / "empty"), BASE)


def test_a_run_with_several_must_be_told_which(scratch, tmp_path):
    run = run_of(tmp_path / "run", a_seed0=scratch, b_seed0=scratch)
    with pytest.raises(ValueError, match=r"several models.*: a, b\. Give the file.*a-seed0\.keras"):
        weights.resolve(str(run), BASE)


def test_another_architecture_names_the_first_layer_that_differs(files, others):
    wider = base_model(get("mobilenet_0.5"), (32, 32, 3))
    before = weights.identity(wider)
    for name, where in (("new.weights.h5", "layers/conv2d/vars/0"), ("old.h5", "layer conv1")):
        expected = rf"First difference at conv1: expected \(3, 3, 3, 16\).*\(3, 3, 3, 8\).*{where}"
        with pytest.raises(ValueError, match=expected) as raised:
            weights.load(wider, files / name, "mobilenet_0.5")
        assert "mobilenet_5_0_224_tf_no_top.h5" in str(raised.value)
    assert weights.identity(wider) == before


@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5", "archive.keras"])
def test_a_file_with_the_top_is_another_architecture(name, others, tmp_path):
    inputs = keras.Input((32, 32, 3))
    body = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_tensor=inputs
    )
    x = keras.layers.Conv2D(7, 1, name="conv_preds")(body.output)
    model = keras.Model(inputs, x)
    path = tmp_path / name
    if name == "old.h5":
        model.save(path)
    else:
        model.save(path) if name.endswith(".keras") else model.save_weights(path)
    refused(others, path, "another architecture than mobilenet_0.25 without its top")


def test_a_shorter_file_is_another_architecture(damaged, others):
    path, file = damaged()
    with file:
        del file["layers/batch_normalization_26"]
    refused(others, path, r"First difference at conv_pw_13_bn: expected \(256,\).*none at")


def change(file, dataset, **settings):
    old = file[dataset][()]
    del file[dataset]
    return file.create_dataset(dataset, **{"data": old, **settings})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(value, damaged, others):
    path, file = damaged()
    with file:
        file[KERNEL][0, 0, 0, 0] = value
    refused(others, path, f"{KERNEL} has values that are not finite")


def test_values_in_another_file(damaged, others, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(3 * 3 * 3 * 8 * 4))
    path, file = damaged()
    with file:
        change(file, KERNEL, data=None, shape=(3, 3, 3, 8), dtype="f4",
               external=[(str(secret), 0, h5py.h5f.UNLIMITED)])  # fmt: skip
    refused(others, path, f"the values of {KERNEL} are in another file")


@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/layers/conv2d_1/vars/0"), h5py.ExternalLink("other.h5", "/x")]
)
@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5"])
def test_links_are_not_followed(link, name, damaged, others):
    path, file = damaged(name)
    with file:
        place = KERNEL if name.startswith("new") else "conv1/extra"
        if place in file:
            del file[place]
        file[place] = link
    refused(others, path, f"{place} is a link to elsewhere .*{type(link).__name__}")


def test_names_are_not_shown_as_a_terminal_would_obey_them(damaged, others):
    path, file = damaged()
    with file:
        file["layers/\x1b[31m\nx"] = h5py.SoftLink("/layers")
    refused(others, path, r"layers/\?\[31m\?x is a link")


def test_virtual_datasets_are_not_followed(damaged, others):
    path, file = damaged()
    with file:
        layout = h5py.VirtualLayout((3, 3, 3, 8), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (3, 3, 3, 8))
        del file[KERNEL]
        file.create_virtual_dataset(KERNEL, layout)
    refused(others, path, f"{KERNEL} is put together of other datasets")


def test_a_group_inside_itself_does_not_go_on_forever(damaged, others):
    path, file = damaged()
    with file:
        file["layers/conv2d/again"] = file["layers"]
    refused(others, path, "layers/conv2d/again/ leads back into the file")


@pytest.mark.parametrize("side", [2**20, 2**31])
def test_absurd_shapes_are_never_allocated(side, damaged, others):
    path, file = damaged()
    with file:
        change(file, KERNEL, data=None, shape=(side, side, side), dtype="f4", chunks=(1, 1, 8))
    refused(others, path, rf"conv1: expected \(3, 3, 3, 8\)\. Received: \({side}, ")


def test_a_small_array_in_huge_chunks(damaged, others):
    path, file = damaged()
    with file:
        change(file, KERNEL, chunks=(512, 512, 64, 8), maxshape=(None,) * 4, data=None,
               shape=(3, 3, 3, 8), dtype="f4", fillvalue=1)  # fmt: skip
    refused(others, path, r"of 864 bytes lies in chunks of 536,870,912")


def test_a_shape_without_values(damaged, others):
    path, file = damaged()
    with file:
        change(file, KERNEL, data=None, shape=(3, 3, 3, 8), dtype="f4")
    refused(others, path, f"{KERNEL} has a shape but no values")


def test_no_filter_unpacks_more_than_an_array_holds(damaged, others):
    path, file = damaged()
    with file:
        dataset = change(file, KERNEL, compression="gzip", chunks=(3, 3, 3, 8))
        # 16 MB of zeros where the shape has room for 864 bytes.
        dataset.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(16 << 20)))
    refused(others, path, f"{KERNEL} is compressed or filtered")
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, data=np.zeros((3, 3, 3, 8), "f4"), fletcher32=True)
    refused(others, path, f"{KERNEL} is compressed or filtered")


@pytest.mark.parametrize("name", ["new.weights.h5", "archive.keras", "whole.h5", "old.h5"])
def test_keras_own_files_have_no_filters(name, files):
    path = files / name
    if name.endswith(".keras"):
        path = io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))
    filters = {}

    def look(place, found):
        if isinstance(found, h5py.Dataset):
            filters[place] = found.id.get_create_plist().get_nfilters()

    with h5py.File(path) as file:
        file.visititems(look)
    assert len(filters) > 100
    assert set(filters.values()) == {0}


def test_values_of_another_type(damaged, others):
    path, file = damaged()
    with file:
        change(file, KERNEL, data=np.zeros((3, 3, 3, 8), "S4"))
    refused(others, path, f"{KERNEL} has type .*expected floats")


@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5", "archive.keras"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file(name, share, files, others, tmp_path):
    content = (files / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * share)])
    refused(others, path, r"no HDF5 file that can be read|no \.keras file, which is a zip")


def test_flipped_bytes_end_in_a_result_or_one_line(files, others, tmp_path):
    # Of the metadata at the start, where the structure of the file is.
    content = (files / "old.h5").read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "old.h5"
    complaints = []
    for _ in range(30):
        changed = bytearray(content)
        for place in generator.integers(0, 20_000, 8):
            changed[place] = generator.integers(0, 256)
        path.write_bytes(changed)
        try:
            weights.load(others, path, BASE)
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) > 10
    assert all(str(path) in complaint for complaint in complaints)
    assert all(len(complaint.splitlines()) == 1 for complaint in complaints)


@pytest.mark.parametrize(
    ("attribute", "value", "complaint"),
    [
        ("layer_names", np.array([b"conv1", b"../x"]), r"the layer \.\./x that it lists is not"),
        ("layer_names", np.array([1.0, 2.0]), "layer_names of / is no list of names"),
        ("layer_names", np.array([], "S1"), "First difference at conv1.*no more layers"),
    ],
)
def test_lists_of_names_that_lie(attribute, value, complaint, damaged, others):
    path, file = damaged("old.h5")
    with file:
        file.attrs[attribute] = value
    refused(others, path, complaint)


def test_a_list_of_names_that_is_too_long(others, tmp_path):
    with h5py.File(tmp_path / "old.h5", "w", libver="latest") as file:
        file.attrs["layer_names"] = np.zeros(200_000, "S8")
    refused(others, tmp_path / "old.h5", "layer_names of / is no list of names")


def archive(path, source, **members):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = members.get(name.replace(".", "_"), old.read(name))
            if content is not None:
                compressed = zipfile.ZIP_DEFLATED if len(content) > 10**7 else zipfile.ZIP_STORED
                new.writestr(name, content, compressed)
    return path


def test_archives_that_lie(files, others, tmp_path):
    source, path = files / "archive.keras", tmp_path / "base.keras"
    archive(path, source, config_json=b"{")
    refused(others, path, r"config\.json is no JSON")
    archive(path, source, config_json=b"[" * 100_000)
    refused(others, path, r"config\.json is no JSON")
    archive(path, source, config_json=b'{"config": {"layers": 3}}')
    refused(others, path, "Received: one of 'another model'")
    archive(path, source, model_weights_h5=None)
    refused(others, path, r"no model\.weights\.h5 inside")
    archive(path, source, model_weights_h5=bytes(2 * 10**7))
    refused(others, path, "claims 20,000,000 bytes")
    archive(path, source, model_weights_h5=b"no HDF5")
    refused(others, path, "no HDF5 file that can be read")
    content = bytearray(source.read_bytes())
    place = content.index(b"\x89HDF") + 5000
    content[place : place + 4] = b"oops"
    path.write_bytes(content)
    refused(others, path, r"damaged: model\.weights\.h5 in it: Bad CRC")


ZEROS = bytes(16 << 20)


def archive_of_zeros(path, method, **claims):
    """Writes 16 MB of zeros as an archive's configuration, which claims to be 1000 bytes."""
    claims = {"file_size": 1000, "CRC": zlib.crc32(ZEROS), **claims}
    with zipfile.ZipFile(path, "w", method, compresslevel=9) as file:
        file.writestr("config.json", ZEROS)
        # The directory at the end of the file, which is what counts, is written on closing.
        for name, value in claims.items():
            setattr(file.filelist[0], name, value)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_in_pieces_is_not_unpacked(method, others, tmp_path):
    path = archive_of_zeros(tmp_path / "base.keras", method)
    assert path.stat().st_size < 20_000
    refused(others, path, r"config\.json in it is compressed other than by deflate")


def test_a_size_that_lies_costs_no_more_than_a_piece(others, tmp_path):
    path = archive_of_zeros(tmp_path / "base.keras", zipfile.ZIP_DEFLATED)
    refused(others, path, r"damaged: config\.json in it: Bad CRC")  # all is imported by now
    tracemalloc.start()
    try:
        refused(others, path, r"damaged: config\.json in it: Bad CRC")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_sizes_that_the_file_does_not_have(others, files, tmp_path):
    path = archive_of_zeros(tmp_path / "base.keras", zipfile.ZIP_DEFLATED, file_size=9 << 20)
    refused(others, path, "claims 9,437,184 bytes, more than the 8,388,608 that are possible")
    # Shorter than it claims, with the right checksum.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", b"{}")
        file.filelist[0].file_size = 1000
    refused(others, path, r"damaged: config\.json in it claims 1,000 bytes and has 2")
    # More packed bytes than the whole file, so that more might be unpacked.
    config = zipfile.ZipFile(files / "archive.keras").read("config.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", ZEROS)
        file.filelist[1].compress_size = 1 << 30
    refused(others, path, r"model\.weights\.h5 in it claims 16,777,216 bytes, more than the ")


def test_an_archive_of_another_network_builds_nothing_of_it(others, tmp_path):
    # Its configuration asks for a layer of 4 TB; only names are read of it.
    inputs = keras.Input((4,), name="pixels")
    path = tmp_path / "big.keras"
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(path)
    with zipfile.ZipFile(path) as opened:
        config = json.loads(opened.read("config.json"))
    config["config"]["layers"][1]["config"]["units"] = 2**38
    archive(path, path_copy(path, tmp_path), config_json=json.dumps(config).encode())
    refused(others, path, "another architecture than mobilenet_0.25")


def path_copy(path, folder):
    copy = folder / "copy.keras"
    copy.write_bytes(path.read_bytes())
    return copy


def test_reading_is_of_finite_floats_of_the_asked_shape(tmp_path):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["half"] = np.arange(6, dtype="f2").reshape(2, 3)
    with hdf5.opened(tmp_path / "name", content) as file:
        values = file.read("half", (2, 3))
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, np.arange(6).reshape(2, 3))
        with pytest.raises(ValueError, match=r"half has shape \(2, 3\), expected \(3, 2\)"):
            file.read("half", (3, 2))


def test_what_is_inside_an_archive_is_told_without_building_it(files, scratch, tmp_path):
    scratch.save(tmp_path / "scratch.keras")
    inside = weights_file.base_inside(tmp_path / "scratch.keras")
    assert inside == ("mobilenet_0_25", "conv_pw_4_relu", "layers/functional/")
    assert weights_file.base_inside(files / "archive.keras")[2] == ""
