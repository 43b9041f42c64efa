"""SavedModels that reach out of themselves are found, and nothing of them is run."""

import shutil

import pytest
import tensorflow as tf

from kerasdl.serving import scan


class Hostile(tf.Module):
    """Functions that do more than compute; each is saved alone."""

    text = tf.TensorSpec([], tf.string)

    @tf.function(input_signature=[text])
    def reads(self, name):
        return tf.io.read_file(name)

    @tf.function(input_signature=[text])
    def reads_in_a_loop(self, name):
        def body(i):
            return [i + tf.strings.length(tf.io.read_file(name))]

        return tf.while_loop(lambda i: i < 2, body, [0])[0]

    @tf.function(input_signature=[text])
    def calls_python(self, name):
        return tf.py_function(lambda one: one, [name], tf.string)

    @tf.function(input_signature=[text])
    def prints_to_a_file(self, name):
        tf.print(name, output_stream="file:///tmp/kerasdl-scan")
        return name

    @tf.function(input_signature=[text])
    def restores(self, name):
        restored = tf.raw_ops.RestoreV2(
            prefix=name, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )
        return restored[0]

    @tf.function(input_signature=[text])
    def lists_in_a_dataset(self, name):
        return tf.data.TFRecordDataset(name).reduce(0, lambda i, _: i + 1)


EXPECTED = {
    "reads": "ReadFile",
    "reads_in_a_loop": "ReadFile",
    "calls_python": "EagerPyFunc",
    "prints_to_a_file": "PrintV2",
    "restores": "RestoreV2",
    "lists_in_a_dataset": "TFRecordDataset",
}


class Harmless(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([2.0])
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(["a"], [1]), default_value=0
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(self, words):
        tf.print("computed")
        return tf.cast(self.table.lookup(words), tf.float32) * self.weight


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    folder = tmp_path_factory.mktemp("harmless") / "1"
    module = Harmless()
    tf.saved_model.save(module, str(folder), signatures=module.answer.get_concrete_function())
    return folder


@pytest.fixture
def copy(harmless, tmp_path):
    return shutil.copytree(harmless, tmp_path / "1")


@pytest.mark.parametrize("name", EXPECTED)
def test_an_operation_is_found_where_it_hides(tmp_path, name):
    module = Hostile()
    # Only what is asked for: tracing the others would put them into the same graph.
    for other in EXPECTED:
        if other != name:
            setattr(module, other, None)
    function = getattr(module, name).get_concrete_function()
    tf.saved_model.save(module, str(tmp_path), signatures=function)
    found = scan.scan(tmp_path)
    assert {one.operation for one in found} == {EXPECTED[name]}
    assert all(one.place for one in found)
    with pytest.raises(ValueError, match=f"only computes.*{EXPECTED[name]}"):
        scan.check(tmp_path)


def test_a_model_that_only_computes_passes_with_its_own_saver(harmless):
    content = (harmless / "saved_model.pb").read_bytes()
    assert b"SaveV2" in content
    assert b"RestoreV2" in content
    assert scan.scan(harmless) == []
    scan.check(harmless)


def test_nothing_but_the_graph_is_read(copy):
    shutil.rmtree(copy / "variables")
    assert scan.scan(copy) == []


def test_a_saver_that_something_else_calls_is_no_saver(copy):
    """The functions that restore weights, called by a signature."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((copy / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0]
    name = graph.saver_def.restore_op_name
    graph.signature_def["other"].outputs["x"].name = f"{name}:0"
    (copy / "saved_model.pb").write_bytes(model.SerializeToString())
    assert {one.operation for one in scan.scan(copy)} == {"RestoreV2"}


def test_a_saver_that_restores_from_a_place_of_its_own_is_found(copy):
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((copy / "saved_model.pb").read_bytes())
    changed = 0
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "RestoreV2":
                node.input[0] = "RestoreV2/tensor_names:output:0"
                changed += 1
    assert changed
    (copy / "saved_model.pb").write_bytes(model.SerializeToString())
    assert {one.operation for one in scan.scan(copy)} == {"RestoreV2"}


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"PK\x03\x04", None])
def test_a_damaged_file_is_refused_in_one_line(copy, content):
    path = copy / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-7] if content is None else content)
    with pytest.raises(ValueError, match="is no SavedModel"):
        scan.scan(copy)


def test_a_graph_in_another_form_is_not_passed_unseen(copy, monkeypatch):
    (copy / "saved_model.pbtxt").write_text("")
    with pytest.raises(ValueError, match=r"saved_model\.pb alone"):
        scan.scan(copy)
    (copy / "saved_model.pbtxt").unlink()
    (copy / "saved_model.cpb").write_text("")
    with pytest.raises(ValueError, match=r"saved_model\.pb alone"):
        scan.scan(copy)
    (copy / "saved_model.cpb").unlink()
    monkeypatch.setattr(scan, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        scan.scan(copy)
    (copy / "saved_model.pb").unlink()
    with pytest.raises(FileNotFoundError, match="expected a SavedModel"):
        scan.scan(copy)
