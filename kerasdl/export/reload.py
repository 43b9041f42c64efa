"""What an exported folder answers, in a process that knows nothing of the model's making.

python -m kerasdl.export.reload FOLDER WORK

FOLDER is a version's folder. WORK has images.npy, uint8 (n, h, w, c); there, `<format>.npy` of
every format, float32 (n, k), and report.json are written. The export starts this process;
neither Keras nor the training code is imported in it.
"""

import json
import struct
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl.export.formats import FILES, SAVED_MODEL
from kerasdl.export.headers import MAX_PIXELS
from kerasdl.export.signatures import BYTES, EXPLAIN, PIXELS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]

BATCH = 64
ENCODED = 32
"""Images that go through `serving_bytes`, too."""
NEAR = 1e-5


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns 0, however the answers are."""
    import numpy as np

    folder, work = map(Path, arguments)
    images = np.load(work / "images.npy")
    problems, seconds = [], {}
    for name, open_format in OPEN.items():
        if name != SAVED_MODEL and not (folder / name).is_dir():
            continue
        predict, found = open_format(folder, images)
        problems += found
        begin = time.perf_counter()
        parts = [predict(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
        seconds[name] = time.perf_counter() - begin
        np.save(work / f"{name}.npy", np.concatenate(parts))
    report = {"problems": problems, "seconds": seconds}
    (work / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return 0


def _open_saved_model(folder: Path, images: Any) -> "tuple[Predict, list[str]]":
    """Loads the SavedModel and looks at what pixels alone do not show."""
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signatures = loaded.signatures
    problems: list[str] = []

    def ask(name: str, **inputs: Any) -> dict[str, Any]:
        given = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in signatures[name](**given).items()}

    def expect_refusal(what: str, name: str, **inputs: Any) -> None:
        try:
            ask(name, **inputs)
        except tf.errors.InvalidArgumentError:
            return
        problems.append(f"{name} answers {what}")

    some = images[:ENCODED]
    answers = ask(PIXELS, images=some)
    same = ask(BYTES, image_bytes=[tf.io.encode_png(image).numpy() for image in some])
    if np.abs(answers["probabilities"] - same["probabilities"]).max() > NEAR:
        problems.append(f"{BYTES} answers otherwise than {PIXELS} to the same images as PNG")
    if (answers["classes"] != answers["probabilities"].argmax(axis=1)).any():
        problems.append("classes are not those of the highest probability")
    expect_refusal("images of another height", PIXELS, images=some[:, 1:])
    expect_refusal("a header of too many pixels", BYTES, image_bytes=[_bomb()])
    if EXPLAIN in signatures:
        heat = ask(EXPLAIN, images=some)["heatmap"]
        if heat.shape != some.shape[:3] or not (heat.min() >= 0 and heat.max() <= 1):
            problems.append(f"{EXPLAIN} does not return maps of the images' size in 0..1")
    # The function keeps `loaded` alive, which holds the variables.
    return lambda batch: _of(loaded, batch), problems


def _of(loaded: Any, batch: Any) -> Any:
    import tensorflow as tf

    return loaded.signatures[PIXELS](images=tf.constant(batch))["probabilities"].numpy()


def _bomb() -> bytes:
    """Returns the beginning of a PNG of far too many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", MAX_PIXELS, 2, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header) - 4) + header + checksum


def _open_onnx(folder: Path, images: Any) -> "tuple[Predict, list[str]]":
    import onnxruntime

    file = folder / "onnx" / FILES["onnx"]
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["probabilities"], {"images": batch})[0], []


def _open_litert(folder: Path, images: Any) -> "tuple[Predict, list[str]]":
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(folder / "litert" / FILES["litert"])).get_signature_runner()
    return lambda batch: run(images=batch)["probabilities"], []


def _open_openvino(folder: Path, images: Any) -> "tuple[Predict, list[str]]":
    import openvino

    file = folder / "openvino" / FILES["openvino"]
    # Without the hint OpenVINO computes in bfloat16 where the processor does.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(file), "CPU", exact)
    return lambda batch: compiled(batch)[0], []


OPEN: dict[str, Callable[..., Any]] = {
    SAVED_MODEL: _open_saved_model,
    "onnx": _open_onnx,
    "litert": _open_litert,
    "openvino": _open_openvino,
}
"""Of each format, what opens it: from a version's folder and some images to a function that
answers images, and what was found wrong meanwhile."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
