"""A training that is stopped early."""

import keras
import numpy as np
import pytest

from kerasdl.training.ending import StopAfter


@pytest.mark.parametrize("epochs", [1, 3])
def test_it_ends_after_so_many_epochs(epochs):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(
        np.zeros((4, 2)), np.zeros(4), epochs=5, verbose=0, callbacks=[StopAfter(epochs)]
    )
    assert len(history.history["loss"]) == epochs


def test_it_needs_an_epoch():
    with pytest.raises(ValueError, match="epochs >= 1"):
        StopAfter(0)
