"""Which models can be packed, what is said of the others, and what fits together."""

import keras
import numpy as np
import pytest

from kerasdl.training.packed import Packed, packable
from kerasdl.training.packed.chains import read_chain
from kerasdl.training.settings import Training

L = keras.layers


def model(*layers):
    first = [keras.Input((4, 4, 1)), L.Rescaling(1 / 255), L.Flatten()]
    return keras.Sequential([*first, *layers], name="mine")


def compiled(optimizer="adam", loss="sparse_categorical_crossentropy", **loss_of):
    made = model(L.Dense(3, activation="softmax"))
    made.compile(optimizer, loss)
    return made


def doubled(x):
    return 2.0 * x


def centred(x):
    return x - keras.ops.mean(x, axis=-1, keepdims=True)


def frozen():
    layer = L.Dense(3)
    layer.trainable = False
    return layer


def two_inputs():
    one, other = keras.Input((2,)), keras.Input((2,))
    return keras.Model([one, other], L.Dense(3)(L.Add()([one, other])))


def twice():
    inputs, layer = keras.Input((3,)), L.Dense(3)
    return keras.Model(inputs, layer(layer(inputs)))


GOOD = {
    "no hidden layer": lambda: model(L.Dense(3)),
    "activation of one's own": lambda: model(L.Dense(4, activation=doubled), L.Dense(3)),
    "a softmax": lambda: model(L.Dense(4, activation="gelu"), L.Dense(3, activation="softmax")),
    "layers of activations": lambda: model(L.Dense(4), L.LeakyReLU(), L.ReLU(6.0), L.Dense(3)),
    "nested": lambda: model(keras.Sequential([L.Dense(4), L.Dropout(0.5)]), L.Dense(3)),
    "compiled": compiled,
    "norm on the input": lambda: model(L.BatchNormalization(), L.Dense(3)),
}
BAD = {
    "conv": (lambda: model(L.Dense(4), L.Reshape((2, 2, 1)), L.Conv2D(2, 1), L.Flatten()), "form"),
    "no dense": (lambda: model(L.Activation("relu")), "no Dense"),
    "softmax inside": (lambda: model(L.Dense(4, activation="softmax"), L.Dense(3)), "elementwise"),
    "centred": (lambda: model(L.Dense(4, activation=centred), L.Dense(3)), "not elementwise"),
    "frozen": (lambda: model(frozen(), L.Dense(3)), "frozen"),
    "noise": (lambda: model(L.GaussianNoise(0.1), L.Dense(3)), "random"),
    "two inputs": (two_inputs, "one input"),
    "shared layer": (twice, "more than once"),
    "constraint": (lambda: model(L.Dense(3, kernel_constraint="max_norm")), "constraint"),
    "activity": (lambda: model(L.Dense(3, activity_regularizer="l2")), "activity"),
    "regularizer": (
        lambda: model(L.Dense(3, kernel_regularizer="orthogonal_regularizer")),
        "expected L1, L2 or L1L2. Received: OrthogonalRegularizer",
    ),
    "not built": (lambda: keras.Sequential([L.Dense(3)]), "built"),
    "optimizer": (lambda: compiled(keras.optimizers.Lamb()), "expected SGD, Adam, AdamW, RMSprop"),
    "clipping": (lambda: compiled(keras.optimizers.Adam(clipnorm=1.0)), "clipnorm"),
    "loss": (lambda: compiled(loss="mse"), "SparseCategoricalCrossentropy"),
    "logits": (
        lambda: compiled(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        "logits",
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_models_that_can_be_packed(case):
    assert packable(GOOD[case]()) is None


@pytest.mark.parametrize("case", BAD)
def test_models_that_cannot_be_packed(case):
    make, why = BAD[case]
    assert why in packable(make())


def test_dropout_is_folded_into_its_layer_only_where_nothing_else_sees_the_output():
    inputs = keras.Input((4,))
    x = L.Dense(4)(inputs)
    dropped = L.Dropout(0.5)(x)
    outputs = L.Dense(3)(L.Add()([x, L.Dense(4)(dropped)]))
    kinds = [(node.kind, node.dropout) for node in read_chain(keras.Model(inputs, outputs)).nodes]
    assert kinds == [("dense", 0), ("function", 0.5), ("dense", 0), ("add", 0), ("dense", 0)]
    plain = read_chain(model(L.Dense(4), L.Dropout(0.5), L.Dropout(0.0), L.Dense(3)))
    assert [node.dropout for node in plain.nodes] == [0.5, 0]


def test_what_does_not_fit_together_is_refused():
    one, training = model(L.Dense(3)), Training()
    with pytest.raises(ValueError, match="one training for each"):
        Packed([one], [])
    with pytest.raises(ValueError, match="same input and classes"):
        Packed([one, model(L.Dense(4))], [training] * 2)
    with pytest.raises(ValueError, match=r"batch_size 128 and 64"):
        Packed([one, model(L.Dense(3))], [training, Training(batch_size=64)])
    other = keras.Sequential([keras.Input((4, 4, 1)), L.Rescaling(0.5), L.Flatten(), L.Dense(3)])
    with pytest.raises(ValueError, match="prepare the images alike"):
        Packed([one, other], [training] * 2)
    with pytest.raises(ValueError, match="ema"):
        Packed([one], [Training(ema=0.9)])
    with pytest.raises(ValueError, match="`fit` first"):
        Packed([one], [training]).unpack()


def test_patience_without_validation_and_wrong_seeds_are_refused(examples):
    train = examples(8, (4, 4, 1))
    with pytest.raises(ValueError, match="patience and keep need validation"):
        Packed([model(L.Dense(3))], [Training(patience=1)]).fit(train, seed=0)
    with pytest.raises(ValueError, match="expected 1 seeds"):
        Packed([model(L.Dense(3))], [Training()]).fit(train, seed=0, seeds=[0, 1])
    with pytest.raises(ValueError, match="at least one training example"):
        Packed([model(L.Dense(3))], [Training()]).fit(examples(0, (4, 4, 1)), seed=0)


def test_normalization_layers_are_shared_only_with_equal_statistics():
    def made(mean):
        layers = [L.Flatten(), L.Normalization(mean=mean, variance=1.0), L.Dense(3)]
        return keras.Sequential([keras.Input((4, 4, 1)), *layers])

    Packed([made(0.5), made(0.5)], [Training()] * 2)
    with pytest.raises(ValueError, match="prepare the images alike"):
        Packed([made(0.5), made(0.25)], [Training()] * 2)


def test_another_backend_is_refused(run_python):
    pytest.importorskip("jax")
    program = (
        "from kerasdl.training.packed import Packed\n"
        "try:\n    Packed([], [])\nexcept ValueError as error:\n    print(error)"
    )
    done = run_python("-c", program, KERAS_BACKEND="jax")
    assert "needs Keras on TensorFlow. Received: jax" in done.stdout, done.stderr


def test_an_activation_is_told_apart_by_what_it_is():
    made = [model(L.Dense(4, activation=f), L.Dense(3)) for f in ("relu", "tanh", doubled, doubled)]
    keys = [read_chain(each).nodes[0].signature() for each in made]
    assert len({*keys}) == 3
    assert np.unique([len(read_chain(each).nodes) for each in made]).tolist() == [2]
