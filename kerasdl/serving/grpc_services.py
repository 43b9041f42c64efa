"""TensorFlow Serving's gRPC services, on the same parts as REST."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]

from kerasdl.serving import examples_json
from kerasdl.serving.errors import Failure, from_exception, invalid
from kerasdl.serving.models import STATES
from kerasdl.serving.prediction import Answer, Server
from kerasdl.serving.routes import Target
from kerasdl.serving.signatures import DEFAULT
from kerasdl.serving.tensors_grpc import read_tensor, write_tensor

T = TypeVar("T")

_CLASSIFY, _REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
_METHODS = {_CLASSIFY: "classify", _REGRESS: "regress"}


class PredictionService:
    """tensorflow.serving.PredictionService.

    Args:
        server: What serves.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def Predict(self, request: Any, context: Any) -> Any:
        """Runs a signature on tensors."""
        return await self._counted(self._predict, "predict", request, context)

    async def Classify(self, request: Any, context: Any) -> Any:
        """Runs a classification signature on tf.Examples."""
        return await self._counted(self._classify, "classify", request, context)

    async def Regress(self, request: Any, context: Any) -> Any:
        """Runs a regression signature on tf.Examples."""
        return await self._counted(self._regress, "regress", request, context)

    async def MultiInference(self, request: Any, context: Any) -> Any:
        """Runs several classifications and regressions on the same tf.Examples."""
        return await self._counted(self._multi, "multi_inference", request, context)

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:
        """Returns the signatures of a version."""
        return await _answered(context, self._metadata, request)

    async def _counted(
        self, call: Callable[[Any, float], Awaitable[T]], api: str, request: Any, context: Any
    ) -> T:
        """Lets a request in, and counts it and how it ended."""
        server = self._server
        began = time.monotonic()
        remaining = context.time_remaining()
        deadline = began + min(server.options.timeout, 2**31 if remaining is None else remaining)
        code = "OK"
        try:
            server.gate.enter()
            try:
                return await call(request, deadline)
            finally:
                server.gate.leave()
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        except Exception as error:
            failure = from_exception(error)
            code = failure.code
            await context.abort(getattr(grpc.StatusCode, code), failure.message)
            raise
        finally:
            tasks = request.tasks if api == "multi_inference" else [request]
            name = tasks[0].model_spec.name if tasks else ""
            name = name if name in server.models.by_name else ""
            server.metrics.requests.add(name, code)
            server.metrics.latency.add(time.monotonic() - began, name, api, "GRPC")

    async def _predict(self, request: Any, deadline: float) -> Any:
        from tensorflow_serving.apis import predict_pb2

        most = self._server.options.max_body
        servable = self._server.models.servable(target_of(request.model_spec))
        name = request.model_spec.signature_name or DEFAULT
        if name not in servable.signatures:
            raise Failure("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        signature = servable.signature(name)
        wanted = _filtered(list(request.output_filter), sorted(signature.outputs))
        inputs = {key: read_tensor(proto, most) for key, proto in request.inputs.items()}
        answer = await self._server.run(servable, signature, inputs, deadline)
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, answer)
        for key in wanted:
            write_tensor(answer.outputs[key], response.outputs[key])
        return response

    async def _classify(self, request: Any, deadline: float) -> Any:
        from tensorflow_serving.apis import classification_pb2

        response = classification_pb2.ClassificationResponse()
        answer, count = await self._examples(
            request.model_spec, request.input, "classify", deadline
        )
        _fill_spec(response.model_spec, answer)
        _fill_classes(response.result, answer, count)
        return response

    async def _regress(self, request: Any, deadline: float) -> Any:
        from tensorflow_serving.apis import regression_pb2

        response = regression_pb2.RegressionResponse()
        answer, count = await self._examples(request.model_spec, request.input, "regress", deadline)
        _fill_spec(response.model_spec, answer)
        _fill_values(response.result, answer, count)
        return response

    async def _multi(self, request: Any, deadline: float) -> Any:
        from tensorflow_serving.apis import inference_pb2

        response = inference_pb2.MultiInferenceResponse()
        names: set[str] = set()
        for task in request.tasks:
            if not task.model_spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.model_spec.name != request.tasks[0].model_spec.name:
                raise invalid(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                )
            name = task.model_spec.signature_name or DEFAULT
            if name in names:
                raise invalid(f"Duplicate evaluation of signature: {name}")
            names.add(name)
            if task.method_name not in _METHODS:
                raise Failure(
                    "UNIMPLEMENTED", f"Unsupported signature method_name: {task.method_name}"
                )
        for task in request.tasks:
            answer, count = await self._examples(
                task.model_spec, request.input, _METHODS[task.method_name], deadline
            )
            result = response.results.add()
            _fill_spec(result.model_spec, answer)
            if task.method_name == _CLASSIFY:
                _fill_classes(result.classification_result, answer, count)
            else:
                _fill_values(result.regression_result, answer, count)
        return response

    async def _examples(
        self, spec: Any, given: Any, method: str, deadline: float
    ) -> tuple[Answer, int]:
        servable = self._server.models.servable(target_of(spec))
        signature = servable.signature(spec.signature_name)
        if given.WhichOneof("kind") == "example_list_with_context":
            many = given.example_list_with_context
            context = many.context.SerializeToString()
        else:
            many, context = given.example_list, b""
        examples = [context + example.SerializeToString() for example in many.examples]
        if not examples:
            raise invalid("Input is empty.")
        inputs = examples_json.examples_input(signature, examples, method)
        return await self._server.run(servable, signature, inputs, deadline), len(examples)

    def _metadata(self, request: Any) -> Any:
        from tensorflow_serving.apis import get_model_metadata_pb2

        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        servable = self._server.models.servable(target_of(request.model_spec))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.model
        response.model_spec.version.value = servable.version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in servable.definitions.items():
            signatures.signature_def[name].CopyFrom(definition)
        response.metadata["signature_def"].Pack(signatures)
        return response


class ModelService:
    """tensorflow.serving.ModelService.

    Args:
        server: What serves.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def GetModelStatus(self, request: Any, context: Any) -> Any:
        """Returns the states of a model's versions."""
        return await _answered(context, self._status, request)

    async def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:
        """Refuses: what is served is what lies in the folder, and nobody's word over a port."""
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "this server serves what is in its folder: add or remove NAME/VERSION/ there, and "
            "put labels into NAME/labels.json",
        )

    def _status(self, request: Any) -> Any:
        from tensorflow_serving.apis import get_model_status_pb2

        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in self._server.models.statuses(target_of(request.model_spec)):
            status = response.model_version_status.add()
            status.version = version.number
            status.state = STATES[version.state]
            status.status.error_code = version.error_number
            status.status.error_message = version.message
        return response


async def _answered(context: Any, call: Callable[[Any], Any], request: Any) -> Any:
    """Answers what needs no model; a failure becomes the call's status."""
    try:
        return call(request)
    except Exception as error:
        failure = from_exception(error)
        await context.abort(getattr(grpc.StatusCode, failure.code), failure.message)


def target_of(spec: Any) -> Target:
    """Returns what a ModelSpec asks for.

    Raises:
        Failure: If it names no model.
    """
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    label = spec.version_label if choice == "version_label" else None
    return Target(spec.name, version, label)


def _filtered(wanted: list[str], outputs: list[str]) -> list[str]:
    """Returns the outputs that a request asks for; all when it names none."""
    for index, name in enumerate(wanted):
        if name not in outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {{{','.join(outputs)}}}."
            )
        if name in wanted[:index]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return wanted or outputs


def _fill_spec(spec: Any, answer: Answer) -> None:
    spec.name = answer.servable.model
    spec.version.value = answer.servable.version
    spec.signature_name = answer.signature.name


def _fill_classes(result: Any, answer: Answer, count: int) -> None:
    labels, scores = examples_json.check_classes(answer.outputs, count)
    for index in range(count):
        classes = result.classifications.add().classes
        known = labels if labels is not None else scores
        for column in range(known.shape[1] if known is not None else 0):
            one = classes.add()
            if labels is not None:
                one.label = labels[index, column].decode(errors="replace")
            if scores is not None:
                one.score = scores[index, column]


def _fill_values(result: Any, answer: Answer, count: int) -> None:
    for value in examples_json.check_values(answer.outputs, count).tolist():
        result.regressions.add().value = value
