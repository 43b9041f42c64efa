"""TensorFlow Serving's REST API: a route and a body become an answer."""

from typing import Any

from kerasdl.serving import answers_json, examples_json, tensors_json
from kerasdl.serving.errors import Failure, invalid
from kerasdl.serving.exact_json import quoted
from kerasdl.serving.limits import parse_json
from kerasdl.serving.models import Version
from kerasdl.serving.prediction import Answer, Server
from kerasdl.serving.routes import Route


async def predict(server: Server, route: Route, body: bytes, deadline: float) -> bytes:
    """Answers POST …:predict, …:classify and …:regress.

    The order of the checks is upstream's: JSON, signature_name, model and version,
    signature, inputs.

    Args:
        server: What serves.
        route: What the URL asks for.
        body: The JSON.
        deadline: When the request is given up.

    Raises:
        Failure: If anything is wrong with it.
    """
    document, text = parse_json(body)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {quoted(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    if route.action != "predict":
        return await _examples(server, route, document, name, deadline)
    servable = server.models.servable(route.target)
    signature = servable.signature(name)
    if not signature.inputs:
        raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
    try:
        inputs, form = tensors_json.read_inputs(document, signature.inputs, text)
    except Failure as failure:
        other = servable.for_images() if b'"b64"' in body else None
        if name or other in (None, signature.name):
            raise
        raise invalid(
            failure.message, f'. For encoded images say "signature_name": "{other}"'
        ) from None
    del document, body
    answer = await server.run(servable, signature, inputs, deadline)
    return answers_json.write_outputs(answer.outputs, form)


async def _examples(
    server: Server, route: Route, document: dict[str, Any], name: str, deadline: float
) -> bytes:
    examples = examples_json.read_examples(document)
    servable = server.models.servable(route.target)
    signature = servable.signature(name)
    inputs = examples_json.examples_input(signature, examples, route.action)
    answer: Answer = await server.run(servable, signature, inputs, deadline)
    if route.action == "regress":
        values = examples_json.check_values(answer.outputs, len(examples))
        return answers_json.write_regressions(values)
    return answers_json.write_classes(*examples_json.check_classes(answer.outputs, len(examples)))


def status(server: Server, route: Route) -> bytes:
    """Answers GET /v1/models/NAME[/versions/N|/labels/L]."""
    versions = server.models.statuses(route.target)
    return answers_json.dumps({"model_version_status": [_status(one) for one in versions]})


def _status(version: Version) -> dict[str, Any]:
    return {
        "version": str(version.number),
        "state": version.state,
        "status": {"error_code": version.code, "error_message": version.message},
    }


def metadata(server: Server, route: Route) -> bytes:
    """Answers GET …/metadata with the signatures of a version, as protobuf's JSON."""
    from google.protobuf.json_format import MessageToDict

    servable = server.models.servable(route.target)
    definitions = {
        name: MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, definition in servable.definitions.items()
    }
    return answers_json.dumps(
        {
            "model_spec": {
                "name": servable.model,
                "signature_name": "",
                "version": str(servable.version),
            },
            "metadata": {"signature_def": {"signature_def": definitions}},
        }
    )


def listing(server: Server) -> bytes:
    """Answers GET /v1/models, which upstream does not have: all models and versions."""
    models = []
    for name, model in sorted(server.models.by_name.items()):
        versions = sorted(model.versions.values(), key=lambda one: -one.number)
        latest = model.latest
        models.append(
            {
                "name": name,
                "default_version": str(latest.version) if latest else None,
                "labels": {label: str(number) for label, number in model.labels.items()},
                "versions": [{**_status(one), **_served(one)} for one in versions],
            }
        )
    return answers_json.dumps({"models": models})


def _served(version: Version) -> dict[str, Any]:
    servable = version.servable
    return {
        "signatures": sorted(servable.signatures) if servable else [],
        "class_names": servable.class_names if servable else [],
    }
