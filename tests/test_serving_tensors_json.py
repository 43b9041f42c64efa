"""The fast and the exact way from JSON to arrays agree; answers go back to the same values."""

import json
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasdl.serving import answers_json, dtypes, exact_json, limits, tensors_json
from kerasdl.serving.errors import Failure
from kerasdl.serving.signatures import Spec

NUMBERS = {dtype.name: dtype for dtype in dtypes.BY_NUMBER.values()}


def specs(*names):
    return {f"in{i}": Spec(f"in{i}", NUMBERS[name], None) for i, name in enumerate(names)}


def read(body, wanted):
    document, text = limits.parse_json(body)
    return tensors_json.read_inputs(document, wanted, text)


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except Failure as failure:
        return failure.code, failure.message


scalars = st.one_of(
    st.integers(-300, 300),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.fixed_dictionaries({"b64": st.sampled_from(["", "eA==", "eA", "e", "é"])}),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=9)
numbers = st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=1, max_size=3)


@settings(max_examples=400, deadline=None)
@given(st.one_of(values, numbers), st.sampled_from(["float", "uint8", "int64", "string", "bool"]))
@example([True, 1], "int64")
@example([1, 1.0], "uint8")
@example([[1], [1, 2]], "float")
@example([2**63, -1], "int64")
@example([], "float")
def test_the_fast_way_accepts_only_what_the_exact_way_does(value, name):
    wanted = specs(name)
    text = json.dumps({"inputs": value}).encode()
    found = outcome(read, text, wanted)
    document, _ = outcome(limits.parse_json, text)
    if isinstance(document, str):
        return  # not JSON to us
    exact = outcome(exact_json.tensor, document["inputs"], wanted["in0"])
    if isinstance(found[0], dict):
        array = found[0]["in0"]
        assert array.dtype == exact.dtype
        np.testing.assert_array_equal(array, exact)
    else:
        assert found == exact


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.fixed_dictionaries({"in0": values, "in1": values}), values)))
def test_rows_of_objects_too(rows):
    wanted = specs("float", "uint8")
    text = json.dumps({"instances": rows}).encode()
    found = outcome(read, text, wanted)
    document, _ = outcome(limits.parse_json, text)
    if isinstance(document, str) or not rows:
        return
    exact = outcome(exact_json.rows, document["instances"], wanted)
    if isinstance(found[0], dict):
        for name in wanted:
            np.testing.assert_array_equal(found[0][name], exact[name])
            assert found[0][name].dtype == exact[name].dtype
    else:
        assert found == exact


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1))
def test_floats_come_back_as_they_were(floats):
    array = np.array(floats, np.float32)
    for form in (tensors_json.ROW, tensors_json.COLUMN):
        text = answers_json.write_outputs({"y": array}, form)
        back = next(iter(json.loads(text).values()))
        np.testing.assert_array_equal(np.array(back, np.float32), array)


def test_the_shortest_decimals_also_beside_a_nan():
    array = np.array([[0.1, np.nan], [1e-7, 16777216]], np.float32)
    text = answers_json.write_outputs({"y": array}, tensors_json.ROW)
    assert text == b'{"predictions":[[0.1,NaN],[1e-07,16777216.0]]}'


OUTPUTS = {
    "two": ({"a": np.array([1, 2]), "b": np.array([[0.5], [1.5]])}, '[{"a":1,"b":[0.5]},'),
    "bytes": ({"a_bytes": np.array([b"hello", b"\xff"], object)}, '[{"b64":"aGVsbG8="},'),
    "nothing": ({"a": np.zeros((0, 2))}, "[]"),
    "no batch, strings": ({"a": np.zeros((0, 1, 2), object), "b": np.zeros((0, 3))}, "[]"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_rows_of_outputs(case):
    outputs, start = OUTPUTS[case]
    text = answers_json.write_outputs(outputs, tensors_json.ROW).decode()
    assert text.startswith('{"predictions":' + start)


UNWRITABLE = {
    "nothing": ({}, "empty tensor map"),
    "complex": ({"a": np.zeros(2, np.complex64)}, "tensor type: complex64"),
    "scalar": ({"a": np.array(1)}, "has no shape information"),
    "uneven": ({"a": np.zeros((0, 2)), "b": np.zeros(1)}, "inconsistent batch size"),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_outputs_that_rows_cannot_hold(case):
    outputs, message = UNWRITABLE[case]
    with pytest.raises(Failure, match=message):
        answers_json.write_outputs(outputs, tensors_json.ROW)


def test_messages_are_short_whatever_came():
    deep = []
    for _ in range(200):
        deep = [deep]
    for value in (deep, ["x" * 10**6] * 99, {"k" * 10**6: 1}, 10**5000, [[1] * 10**5] * 9):
        assert len(exact_json.quoted(value)) <= 256


def test_json_that_would_fill_the_memory_is_refused_unparsed():
    for piece in (b"[],", b'{"":0},', b"[0],"):
        body = b'{"a":[' + piece * (14 * 2**20 // len(piece)) + b"0]}"
        with pytest.raises(Failure, match="too many lists or values") as caught:
            limits.parse_json(body)
        assert caught.value.http == 413


def test_what_is_wrong_with_a_large_request_is_not_searched_for():
    for values in (b"1.5," * 10**6 + b'"x"', b"[1]," * 10**5 + b"[1,2]", b"true," * 10**5 + b"1"):
        body = b'{"instances":[' + values + b"]}"
        began = time.thread_time()  # a busy machine does not count
        with pytest.raises(Failure, match="are not a regular array"):
            read(body, specs("float"))
        assert time.thread_time() - began < 5


def test_large_requests_of_every_kind_take_the_fast_way():
    for name, value in (("bool", "true"), ("string", '["a"]'), ("uint8", "7"), ("int64", "[[1]]")):
        body = '{"nothing": null, "inputs":[' + ",".join([value] * 10**5) + "]}"
        arrays, _ = read(body.encode(), specs(name))
        assert arrays["in0"].shape[0] == 10**5


def test_padding_of_base64_may_be_left_out():
    assert exact_json.plain_bytes({"b64": "aGVsbG8"}) == b"hello"
    assert exact_json.plain_bytes({"b64": "aGVs\nbG8="}) == b"hello"
    with pytest.raises(Failure, match="Unable to base64 decode"):
        exact_json.plain_bytes({"b64": "aGVsb"})
