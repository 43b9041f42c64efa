"""What must not stay or be made in memory; benchmarks/memory.py has the sums."""

import gc
import tracemalloc
import weakref

import numpy as np

from kerasdl.apps import svhn


def test_a_training_leaves_none_of_its_images_behind(examples):
    import keras
    import tensorflow as tf

    from kerasdl import models
    from kerasdl.training.compiling import compile_model
    from kerasdl.training.engine import Engine
    from kerasdl.training.settings import Training

    train = examples(n=77, shape=(32, 32, 3))
    training = Training(epochs=1, batch_size=32)
    keras.backend.clear_session()
    model = models.build("lenet5", (32, 32, 3), 3)
    compile_model(model, training, len(train))
    Engine(model).fit(train, training, seed=0)
    del model
    keras.backend.clear_session()
    gc.collect()
    left = [
        one
        for one in gc.get_objects()
        # Not the symbolic ones of graphs, which hold no values.
        if isinstance(one, tf.Tensor) and hasattr(one, "numpy") and one.shape == train.images.shape
    ]
    assert left == []


def test_tensorflow_shares_the_training_images_of_a_split(examples):
    import tensorflow as tf

    from kerasdl.datasets.dataset import Dataset, Examples
    from kerasdl.datasets.splits import split
    from kerasdl.training import replicas

    whole = examples(n=90)
    dataset = Dataset("x", "X", whole, whole, ("a", "b", "c"), "folder", False, None, "0" * 64)
    train = split(dataset, validation_fraction=0.2, seed=0).train
    strategy = tf.distribute.get_strategy()
    tensor = replicas.on_devices(strategy, train.images)
    assert np.shares_memory(np.from_dlpack(tensor), train.images)
    # What it cannot share is copied: unaligned memory would end the process.
    unaligned = np.zeros(1000, np.uint8)[1:901].reshape(3, 10, 10, 3)
    read_only = Examples(train.images.copy(), train.labels).images
    read_only.flags.writeable = False
    for images in (unaligned, read_only, train.images[::2], train.images[:0], train.labels):
        tensor = replicas.on_devices(strategy, images)
        np.testing.assert_array_equal(tensor.numpy(), images)


def test_the_undivided_images_are_not_kept_while_a_study_runs(tmp_path, monkeypatch):
    from kerasdl.datasets import load
    from kerasdl.studies.networks import Study

    found = []

    def small(*arguments, **keywords):
        dataset = original(*arguments, **keywords, synthetic_train=300, synthetic_test=50)
        found.append(weakref.ref(dataset.train.images))
        return dataset

    def run(study):
        gc.collect()
        assert found[0]() is None
        raise KeyboardInterrupt

    original = load.load
    monkeypatch.setattr(load, "load", small)
    monkeypatch.setattr(Study, "run", run)
    arguments = ["--dataset", "synthetic", "--models", "lenet5", "--out", str(tmp_path / "run")]
    assert svhn.main(arguments) == 130
    assert len(found) == 1


def test_whitening_copies_only_the_patches_it_uses():
    import keras

    from kerasdl.models.whitening import PatchWhitening

    layer = PatchWhitening()
    layer.build((None, 32, 32, 3))
    images = np.random.default_rng(0).random((1000, 32, 32, 3), dtype=np.float32)
    keras.ops.convert_to_numpy(layer.kernel)
    tracemalloc.start()
    try:
        layer.adapt(images, max_patches=10_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All patches are four times the images.
    limit = images.nbytes
    assert peak < limit
