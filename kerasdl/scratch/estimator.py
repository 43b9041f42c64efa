"""The network behind scikit-learn's interface: for pipelines, cross-validation and searches.

scikit-learn is imported only here: the network itself needs NumPy alone.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasdl.scratch.activations import Floats
from kerasdl.scratch.network import Network
from kerasdl.scratch.optimizers import SGD
from kerasdl.scratch.training import fit


class ScratchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """`kerasdl.scratch` as a classifier; settings are named as in scikit-learn's MLPClassifier.

    Args:
        hidden_layer_sizes: Units of each hidden layer.
        activation: A name in `kerasdl.scratch.activations.ACTIVATIONS`.
        initializer: A name in `kerasdl.scratch.initializers.INITIALIZERS`.
        initial_scale: Multiplies the first weights, >= 0.
        learning_rate_init: Of SGD, > 0.
        momentum: Of SGD, 0 <= momentum < 1.
        nesterovs_momentum: Look ahead by the velocity.
        batch_size: Examples per step, >= 1.
        max_iter: Epochs, >= 1. All of them are run: there is no early stopping.
        shuffle: Draw a new order for each epoch.
        random_state: int, RandomState or None, for the first weights and the order.
        dtype: "float32", "float64", or None for that of X, as far as it is one of these, and
            float64 otherwise.
        threads: Threads of the matrix products in `fit`; None leaves NumPy's choice.

    Attributes (after `fit`):
        classes_: The labels in sorted order, array (k,).
        network_: The `Network`.
        n_iter_: Epochs done.
        loss_curve_: Mean cross-entropy of each epoch.
        accuracy_curve_: Share of right answers in each epoch.
        n_features_in_, feature_names_in_: As everywhere in scikit-learn.
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 128, 64),
        activation: str = "relu",
        *,
        initializer: str = "he",
        initial_scale: float = 1.0,
        learning_rate_init: float = 0.1,
        momentum: float = 0.0,
        nesterovs_momentum: bool = False,
        batch_size: int = 32,
        max_iter: int = 50,
        shuffle: bool = True,
        random_state: Any = None,
        dtype: str | None = None,
        threads: int | None = 1,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.initializer = initializer
        self.initial_scale = initial_scale
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.dtype = dtype
        self.threads = threads

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Trains a new network.

        Args:
            X: Array (n, d) of finite numbers, taken as they are (no scaling).
            y: Labels (n,), of any kind that can be sorted; at least 2 different ones.

        Returns:
            This classifier.

        Raises:
            ValueError: If X or y is not that, a setting is outside its range, or the training
                diverged.
        """
        if self.max_iter < 1:
            raise ValueError(f"max_iter must be at least 1. Received: {self.max_iter}")
        X, y = self._validate(X, y, reset=True)
        self._start(X, np.unique(y))
        self._train(X, y, self.max_iter)
        return self

    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None = None
    ) -> Self:
        """Trains for one more epoch on the examples given, from where the network stands.

        Args:
            X: Array (n, d) of finite numbers.
            y: Labels (n,).
            classes: All labels that will ever come; needed in the first call if y lacks some.

        Returns:
            This classifier.

        Raises:
            ValueError: As `fit`, or if y has a label that is not among the classes.
        """
        first = not hasattr(self, "network_")
        X, y = self._validate(X, y, reset=first)
        if first:
            self._start(X, np.unique(y if classes is None else np.asarray(classes)))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                "classes must stay those of the first call to partial_fit, "
                f"{self.classes_}. Received: {np.unique(classes)}"
            )
        self._train(X, y, self.n_iter_ + 1)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """Computes the probability of each class.

        Args:
            X: Array (n, d) of finite numbers.

        Returns:
            Array (n, k) in the order of `classes_`, each row of sum 1.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[self.network_.dtype], reset=False)
        return self.network_.predict_proba(X)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Returns the most probable label of each row of X (n, d) as an array (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def _validate(self, X: Any, y: Any, reset: bool) -> tuple[Floats, npt.NDArray[Any]]:
        dtypes = [np.float64, np.float32] if self.dtype is None else [np.dtype(self.dtype)]
        X, y = validate_data(self, X, y, dtype=dtypes, reset=reset)
        check_classification_targets(y)
        return X, y

    def _start(self, X: Floats, classes: npt.NDArray[Any]) -> None:
        """Makes a new network for the features of X."""
        if len(classes) < 2:
            raise ValueError(f"y must have at least 2 classes. Received: 1 class, {classes}")
        self.classes_ = classes
        self._seed = int(check_random_state(self.random_state).randint(2**31))
        self._optimizer = SGD(self.learning_rate_init, self.momentum, self.nesterovs_momentum)
        self.network_ = Network(
            X.shape[1],
            self.hidden_layer_sizes,
            len(classes),
            activation=self.activation,
            initializer=self.initializer,
            scale=self.initial_scale,
            seed=self._seed,
            dtype=X.dtype.name,
        )
        self.n_iter_ = 0
        self.loss_curve_: list[float] = []
        self.accuracy_curve_: list[float] = []

    def _train(self, X: Floats, y: npt.NDArray[Any], epochs: int) -> None:
        """Continues the training until the network has `epochs` epochs behind it."""
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y must hold the classes {self.classes_}. Received: {unknown}")
        history = fit(
            self.network_,
            X,
            np.searchsorted(self.classes_, y),
            epochs=epochs,
            first_epoch=self.n_iter_,
            optimizer=self._optimizer,
            batch_size=self.batch_size,
            seed=self._seed,
            shuffle=self.shuffle,
            threads=self.threads,
        )
        if history.diverged:
            raise ValueError(
                f"the training diverged in epoch {self.n_iter_ + len(history.loss)}: lower "
                f"learning_rate_init or initial_scale, or scale X. Received: "
                f"learning_rate_init={self.learning_rate_init}"
            )
        self.n_iter_ = epochs
        self.loss_curve_ += history.loss
        self.accuracy_curve_ += history.accuracy
