"""Which number format "auto" is, by device and network."""

import keras
import pytest
from arms_fakes import make_plan

from kerasdl import kernels
from kerasdl.studies.building import precision_of
from kerasdl.training import precision
from kerasdl.training.features.entry import dtype_of

ARMS = ["--transfer", "mobilenet,vgg16", "--precision", "auto", "--arms", "frozen,finetuned"]


@pytest.fixture
def on(monkeypatch):
    """Makes this machine one with a GPU of some compute capability."""

    def set_gpu(capability):
        for name in ("_gpu_of_tensorflow", "_gpu_of_jax"):
            monkeypatch.setattr(precision, name, lambda: capability)

    return set_gpu


@pytest.mark.parametrize("depthwise", [True, False])
def test_a_gpu_since_ampere_has_bfloat16(on, depthwise):
    on((8, 0))
    assert precision.resolve("auto", depthwise=depthwise) == "mixed_bfloat16"
    on((7, 5))
    assert precision.resolve("auto", depthwise=depthwise) == "float32"


def test_without_onednn_a_cpu_has_no_bfloat16(on, monkeypatch, tmp_path):
    on(None)
    info = tmp_path / "cpuinfo"
    info.write_text("flags : avx512f avx512_bf16 amx_bf16")
    monkeypatch.setattr(precision, "open", lambda *_, **__: info.open(), raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    for found, limit, expected in (
        (kernels.ONEDNN, "", "mixed_bfloat16"),
        (kernels.ONEDNN, "AVX512_CORE_AMX", "mixed_bfloat16"),
        (kernels.ONEDNN, "AVX512_CORE", "float32"),
        (kernels.EIGEN, "", "float32"),
    ):
        monkeypatch.setattr(kernels, "describe", lambda found=found: found)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
        assert precision.resolve("auto") == expected


def test_a_frozen_base_that_loses_by_bfloat16_has_float32_on_every_device(on):
    on((9, 0))
    plan = make_plan(*ARMS)
    found = {name: precision_of(plan, name) for name in plan.models}
    assert found == {
        "mobilenet-frozen": "float32",
        "mobilenet-finetuned": "float32",
        "vgg16-frozen": "mixed_bfloat16",
        "vgg16-finetuned": "mixed_bfloat16",
    }
    # Whoever asks for it has it.
    plan = make_plan(*ARMS, "--precision", "mixed_bfloat16")
    assert precision_of(plan, "mobilenet-frozen") == "mixed_bfloat16"


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_numbers_take_the_bytes_that_are_said(name):
    with precision.policy(name):
        made = keras.layers.Dense(3)(keras.Input((4,)))
    assert precision.item_bytes(name) == dtype_of(str(made.dtype)).itemsize
