"""The dense layer: outputs = f(inputs @ weights + biases), and its gradients."""

import numpy as np

from kerasdl.scratch.activations import Activation, Floats


class Dense:
    """A fully connected layer whose weights and gradients lie in someone else's memory.

    Args:
        weights: Array (num_inputs, units).
        biases: Array (units,).
        weight_gradients: Array like `weights`, which `backward` fills.
        bias_gradients: Array like `biases`, which `backward` fills.
        activation: Applied to the sums.
    """

    def __init__(
        self,
        weights: Floats,
        biases: Floats,
        weight_gradients: Floats,
        bias_gradients: Floats,
        activation: Activation,
    ):
        self.weights = weights
        self.biases = biases
        self.weight_gradients = weight_gradients
        self.bias_gradients = bias_gradients
        self.activation = activation

    def forward(self, inputs: Floats, outputs: Floats) -> None:
        """Computes the layer.

        Args:
            inputs: Array (n, num_inputs).
            outputs: Array (n, units), filled with the result.
        """
        np.matmul(inputs, self.weights, out=outputs)
        outputs += self.biases
        self.activation.forward(outputs)

    def backward(
        self, inputs: Floats, outputs: Floats, errors: Floats, input_errors: Floats | None
    ) -> None:
        """Computes the gradients of the loss L by the chain rule.

        With z = x W + b and e = dL/dz: dL/dW = x^T e, dL/db = the sum of e over the examples,
        dL/dx = e W^T.

        Args:
            inputs: Array (n, num_inputs), as `forward` had them.
            outputs: Array (n, units), as `forward` returned them.
            errors: Array (n, units), dL/doutputs; overwritten with dL/dz.
            input_errors: Array (n, num_inputs), filled with dL/dinputs; None at the first layer,
                where nobody needs it and it would cost a third of the work.
        """
        self.activation.backward(outputs, errors)
        np.matmul(inputs.T, errors, out=self.weight_gradients)
        np.sum(errors, axis=0, out=self.bias_gradients)
        if input_errors is not None:
            np.matmul(errors, self.weights.T, out=input_errors)
