"""Predictions over gRPC, with TensorFlow Serving's own stubs."""

from typing import Any

from kerasdl.quiet import quiet_start

_LARGEST = 2**28


class Channel:
    """A gRPC channel to the server.

    Args:
        address: HOST:PORT.
        key: The API key; "" for none.
        timeout: Seconds for one request.

    Raises:
        ValueError: If packages are missing.
    """

    def __init__(self, address: str, key: str, timeout: float) -> None:
        try:
            with quiet_start():
                import grpc  # type: ignore[import-untyped]
                import tensorflow as tf
                from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--grpc needs a package that is not installed: {error.name}. "
                "Install kerasdl[serve]"
            ) from None
        self._tf = tf
        self._error = grpc.RpcError
        self._wrong = (
            *(grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND),
            *(grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAUTHENTICATED),
        )
        self._address = address
        self._timeout = timeout
        self._metadata = [("authorization", f"Bearer {key}")] if key else []
        options = [("grpc.max_receive_message_length", _LARGEST)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._request = predict_pb2.PredictRequest

    def predict(
        self, model: str, version: int | None, signature: str, name: str, value: Any
    ) -> dict[str, Any]:
        """Sends one example.

        Args:
            model: The model's name.
            version: Its version; None for the newest.
            signature: The signature's name.
            name: Its input's.
            value: The input, with a first dimension of 1.

        Returns:
            The outputs of the example as plain data, by name.

        Raises:
            ValueError: If the server says that the request is wrong.
            ConnectionError: If it does not answer, or cannot.
        """
        request = self._request()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        request.inputs[name].CopyFrom(self._tf.make_tensor_proto(value))
        try:
            reply = self._stub.Predict(request, self._timeout, metadata=self._metadata)
        except self._error as error:
            kind = ValueError if error.code() in self._wrong else ConnectionError
            raise kind(f"{self._address}: {error.code().name}: {error.details()}") from None
        return {key: _plain(self._tf.make_ndarray(one)) for key, one in reply.outputs.items()}

    def close(self) -> None:
        """Ends the channel."""
        self._channel.close()


def _plain(array: Any) -> Any:
    value = array[0].tolist() if hasattr(array[0], "tolist") else array[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else value
