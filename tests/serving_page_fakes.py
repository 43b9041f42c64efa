"""Models for the tests of the page, the client and the examples: they answer predictably.

`mnist` as kerasdl exports it, with `kerasdl.export.decode` inside: the answer is the tenth of
the width in which most light is. `colours` has pixels alone: red, green or blue. `floats` and
`half` are other people's: floating-point pixels with scores, and no images at all.
"""

import hashlib
import json
import shutil

import serving_fakes

DIGITS = [str(digit) for digit in range(10)]


def save_mnist(folder):
    import tensorflow as tf

    from kerasdl.export.decode import decode

    shape = (28, 28, 1)

    def answer(images):
        light = tf.cast(tf.reduce_sum(tf.cast(images, tf.float32), (1, 3)), tf.float32)
        band = tf.one_hot(tf.range(28) * 10 // 28, 10)
        logits = tf.math.log(light @ band + 1)
        classes = tf.argmax(logits, 1)
        return {
            "probabilities": tf.nn.softmax(3 * logits),
            "classes": classes,
            "labels": tf.gather(tf.constant(DIGITS), classes),
        }

    class Mnist(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.uint8, name="images")])
        def pixels(self, images):
            return answer(images)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def encoded(self, image_bytes):
            return answer(decode(image_bytes, shape, stretch=False))

        @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.uint8, name="images")])
        def explain(self, images):
            return {**answer(images), "heatmap": tf.cast(images[..., 0], tf.float32) / 255}

    model = Mnist()
    signatures = {
        "serving_default": model.pixels,
        "serving_bytes": model.encoded,
        "serving_explain": model.explain,
    }
    tf.saved_model.save(model, folder, signatures=signatures)


def save_colours(folder):
    import tensorflow as tf

    class Colours(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8, name="images")])
        def pixels(self, images):
            means = tf.reduce_mean(tf.cast(images, tf.float32), (1, 2))
            names = tf.constant(["red", "green", "blue"])
            return {
                "probabilities": tf.nn.softmax(means / 20),
                "labels": tf.gather(names, tf.argmax(means, 1)),
            }

    model = Colours()
    tf.saved_model.save(model, folder, signatures={"serving_default": model.pixels})


def save_floats(folder):
    import tensorflow as tf

    class Floats(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 6, 4], tf.float32, name="x")])
        def pixels(self, x):
            most = tf.reduce_max(x, (1, 2))
            return {"scores": tf.stack([-most, most, most / 2], 1)}

    model = Floats()
    tf.saved_model.save(model, folder, signatures={"serving_default": model.pixels})


def add_card(folder):
    """The part of a model card that the server reads."""
    graph = hashlib.sha256((folder / "saved_model.pb").read_bytes()).hexdigest()
    card = {
        "kind": "kerasdl-model-card",
        "class_names": DIGITS,
        "sha256": {"saved_model.pb": graph},
    }
    (folder / "card.json").write_text(json.dumps(card))


def models_folder(tmp_path_factory):
    """A folder with all of these models, made once for all processes that share the tests."""
    return serving_fakes.models_folder(tmp_path_factory) / ".page"


def write_models(folder, half):
    """Writes them; `half` is a version of that model, which is copied."""
    save_mnist(str(folder / "mnist" / "1"))
    shutil.copytree(folder / "mnist" / "1", folder / "mnist" / "2")
    add_card(folder / "mnist" / "2")
    (folder / "mnist" / "labels.json").write_text(json.dumps({"stable": 1}))
    save_colours(str(folder / "colours" / "1"))
    save_floats(str(folder / "floats" / "1"))
    shutil.copytree(half, folder / "half" / "1")
