"""Small SavedModels for the server's tests, and a server in a process of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from patience import PATIENCE, wait_until

TYPES = ("bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")


def save_half(folder, number=2.0):
    """Upstream's half_plus_two: x/2 + `number`, of any shape; regression, classification."""
    import tensorflow as tf

    class Half(tf.Module):
        def __init__(self):
            self.number = tf.Variable(number)

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
        def predict(self, x):
            return {"y": 0.5 * x + self.number}

        def parsed(self, examples):
            features = {"x": tf.io.FixedLenFeature([1], tf.float32)}
            return 0.5 * tf.io.parse_example(examples, features)["x"] + self.number

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def regress(self, inputs):
            return {"outputs": self.parsed(inputs)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs):
            return {"scores": self.parsed(inputs)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def named(self, inputs):
            scores = self.parsed(inputs)
            return {"scores": scores, "classes": tf.fill(tf.shape(scores), "half")}

    model = Half()
    tf.saved_model.save(
        model,
        str(folder),
        signatures={
            "serving_default": model.predict,
            "regress_x_to_y": model.regress,
            "classify_x_to_y": model.classify,
            "classify_named": model.named,
        },
    )


def save_rows(folder):
    """One number a row: its double. A row below 0 is refused, one above 0 takes that long."""
    import tensorflow as tf

    class Rows(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
        def predict(self, x):
            tf.debugging.assert_non_negative(x, "a negative row")
            return {"y": 2 * x}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 1], tf.float32, name="x"),
                tf.TensorSpec([None, 1], tf.int32, name="turns"),
            ]
        )
        def slow(self, x, turns):
            start = tf.eye(64)
            most = tf.reduce_max(turns)
            _, end = tf.while_loop(
                lambda i, _: i < most, lambda i, m: (i + 1, 0.5 * (m @ start)), (0, start)
            )
            return {"y": 2 * x + 0 * tf.reduce_sum(end)}

        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
        def total(self, x):
            return {"y": tf.reshape(tf.reduce_sum(x), [-1])}

    model = Rows()
    tf.saved_model.save(
        model,
        str(folder),
        signatures={"serving_default": model.predict, "slow": model.slow, "total": model.total},
    )


def save_echo(folder):
    """Returns what it is given: several inputs, every type, and an output of bytes."""
    import tensorflow as tf

    class Echo(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 3, 2], tf.int32, name="int_tensor"),
                tf.TensorSpec([None, 2], tf.string, name="str_tensor"),
                tf.TensorSpec([None, 2], tf.float32, name="float_tensor"),
                tf.TensorSpec([None, 1], tf.float64, name="dbl_tensor"),
            ]
        )
        def several(self, int_tensor, str_tensor, float_tensor, dbl_tensor):
            return {
                "int_tensor": tf.identity(int_tensor),
                "str_tensor": tf.identity(str_tensor),
                "str_tensor_bytes": tf.identity(str_tensor),
                "float_tensor": tf.identity(float_tensor),
                "dbl_tensor": tf.identity(dbl_tensor),
            }

        @tf.function(input_signature=[tf.TensorSpec(None, tf.string, name="s")])
        def strings(self, s):
            return {"s": tf.identity(s)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, name="c")])
        def waves(self, c):
            return {"c": tf.identity(c)}

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
        def one(self, x):
            return {"half": x / 2, "double": 2 * x}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def uneven(self, x):
            return {"long": tf.identity(x), "short": x[:1]}

    model = Echo()
    signatures = {
        "serving_default": model.several,
        "strings": model.strings,
        "waves": model.waves,
        "one": model.one,
        "uneven": model.uneven,
    }
    for name in (*TYPES, "float16", "bfloat16", "float32", "float64"):

        @tf.function(input_signature=[tf.TensorSpec(None, getattr(tf, name), name="v")])
        def echo(v):
            return {"v": tf.identity(v)}

        setattr(model, name, echo)
        signatures[name] = echo
    tf.saved_model.save(model, str(folder), signatures=signatures)


def save_images(folder, scale=1.0):
    """Pixels (n, 4, 4, 1), or encoded images, to the share of light in each quarter row."""
    import tensorflow as tf

    class Images(tf.Module):
        def __init__(self):
            self.scale = tf.Variable(scale)

        @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 1], tf.uint8, name="pixels")])
        def predict(self, pixels):
            rows = tf.reduce_sum(tf.cast(pixels, tf.float32), (2, 3))
            total = tf.reduce_sum(rows, 1, keepdims=True)
            probabilities = self.scale * tf.math.divide_no_nan(rows, total)
            return {"probabilities": probabilities, "classes": tf.argmax(probabilities, 1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def encoded(self, image_bytes):
            def decode(one):
                image = tf.io.decode_image(one, 1, expand_animations=False)
                return tf.ensure_shape(image, (4, 4, 1))

            pixels = tf.map_fn(decode, image_bytes, fn_output_signature=tf.uint8)
            return self.predict(tf.ensure_shape(pixels, (None, 4, 4, 1)))

    model = Images()
    tf.saved_model.save(
        model,
        str(folder),
        signatures={"serving_default": model.predict, "serving_bytes": model.encoded},
    )


def save_reader(folder):
    """A model that reads the files it is told to."""
    import tensorflow as tf

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="path")])
        def read(self, path):
            return {"content": tf.map_fn(tf.io.read_file, path)}

    model = Reader()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.read})


def add_warm_up(folder, value):
    """Adds a recorded request to a version of `rows`."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "rows"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[value]]))
    os.mkdir(f"{folder}/assets.extra")
    path = f"{folder}/assets.extra/tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(log.SerializeToString())


class Server:
    """A server in a process of its own, on free ports.

    Args:
        folder: The models.
        options: Further arguments.
        wait: Whether to wait until it is ready.
    """

    def __init__(self, folder, *options, wait=True):
        self.output = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "kerasdl.serving", str(folder)),
                *("--rest-port", "0", "--grpc-port", "0", *map(str, options)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
        )
        reading = threading.Thread(target=self._read, daemon=True)
        reading.start()
        told = self.until(lambda: re.search(r":(\d+), gRPC at (\S+)", self.text()))
        self.port, self.grpc = int(told[1]), told[2]
        scheme = "https" if "--tls-key" in options else "http"
        self.http = httpx.Client(
            base_url=f"{scheme}://127.0.0.1:{self.port}", timeout=PATIENCE, verify=False
        )
        if wait:
            self.until(lambda: self.http.get("/readyz").status_code == 200)

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def text(self):
        """What the server has written."""
        return "".join(self.output)

    def until(self, question):
        """Waits until `question()` is true, and returns what it returned."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.text()}")
            if answer := question():
                return answer
            time.sleep(0.02)
        raise AssertionError(f"waited in vain: {self.text()}")

    def predict(self, model, body, where="", method="predict"):
        """POSTs a body (plain data or bytes) and returns status and plain answer."""
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        answer = self.http.post(f"/v1/models/{model}{where}:{method}", content=content)
        return answer.status_code, json.loads(answer.content)

    def signal(self, number=signal.SIGTERM):
        """Sends a signal."""
        self.process.send_signal(number)

    def stop(self):
        """Stops it gracefully and returns its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.signal(signal.SIGINT)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()


@contextlib.contextmanager
def serving(folder, *options, **settings):
    """A server for the time of a block."""
    server = Server(folder, *options, **settings)
    try:
        yield server
    finally:
        server.stop()


def models_folder(tmp_path_factory):
    """A folder with all of these models, made once for all processes that share the tests."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder, lock = shared / "serving-models", shared / "serving-models.lock"
    try:
        lock.mkdir()
    except FileExistsError:
        wait_until(folder.is_dir)
        return folder
    write_models(folder)
    return folder


def write_models(folder):
    """Writes all of these models into a folder, in a process of its own."""
    subprocess.run(
        [sys.executable, __file__, str(folder)], check=True, capture_output=True, timeout=PATIENCE
    )


def main():
    """Writes the models into the folder that is the argument; it appears when complete."""
    folder = sys.argv[1]
    for name in ("half", "rows", "echo", "images"):
        globals()[f"save_{name}"](f"{folder}.part/{name}/1")
    # Servers pass over names that start with a dot.
    apart = f"{folder}.part/.apart"
    save_reader(f"{apart}/reader")
    for name, value in (("warm", 1.0), ("burnt", -1.0)):
        save_rows(f"{apart}/{name}")
        add_warm_up(f"{apart}/{name}", value)
    # It imports this module, too: late, as this is the one that runs.
    from serving_page_fakes import write_models

    write_models(Path(f"{folder}.part/.page"), Path(f"{folder}.part/half/1"))
    os.rename(f"{folder}.part", folder)


if __name__ == "__main__":
    main()
