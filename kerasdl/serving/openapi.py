"""The description of the REST API at /openapi.json, for people's tools and for fuzzing."""

from typing import Any

import kerasdl
from kerasdl.serving import answers_json

PATH = "/openapi.json"

_NAME = {"type": "string", "minLength": 1, "pattern": "^[^/:]+$"}
_WHERES = {
    "": [],
    "/versions/{version}": [
        ("version", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "a version's number")
    ],
    "/labels/{label}": [("label", _NAME, "a label of labels.json")],
}
_VALUE: dict[str, Any] = {
    "description": "number, boolean, string, {b64: string}, or lists of them",
    "anyOf": [
        {"type": ["number", "boolean", "string"]},
        {"$ref": "#/components/schemas/Base64"},
        {"type": "array", "items": {"$ref": "#/components/schemas/Value"}},
    ],
}
_NAMED = {
    "type": "object",
    "additionalProperties": {"$ref": "#/components/schemas/Value"},
}
_ANY = {"anyOf": [{"$ref": "#/components/schemas/Value"}, _NAMED]}
_EXAMPLE = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"$ref": "#/components/schemas/Scalar"},
            {"type": "array", "items": {"$ref": "#/components/schemas/Scalar"}},
        ]
    },
}
_SIGNATURE = {"type": "string", "description": "the signature; default: serving_default"}


def document() -> bytes:
    """Returns the OpenAPI 3.1 document."""
    return answers_json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "kerasdl serving",
                "version": kerasdl.__version__,
                "description": "TensorFlow Serving's REST API. Numbers may also be NaN, "
                "Infinity and -Infinity, which JSON does not have.",
            },
            "paths": _paths(),
            "components": {
                "schemas": _schemas(),
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{}, {"key": []}],
        }
    )


def _schemas() -> dict[str, Any]:
    return {
        "Error": _object({"error": {"type": "string"}}),
        "Base64": _object({"b64": {"type": "string"}}),
        "Scalar": {
            "anyOf": [
                {"type": ["number", "boolean", "string"]},
                {"$ref": "#/components/schemas/Base64"},
            ]
        },
        "Value": _VALUE,
        "Row": {**_object({"instances": {"type": "array", "minItems": 1, "items": _ANY}}), **_OPEN},
        "Column": {**_object({"inputs": _ANY}), **_OPEN},
        "Examples": {
            **_object({"examples": {"type": "array", "minItems": 1, "items": _EXAMPLE}}),
            **_OPEN,
        },
    }


_OPEN: dict[str, Any] = {"additionalProperties": True}


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/v1/models": {"get": _get("all models, versions and labels", (), 401)},
        "/healthz": {"get": _get("whether the process works", (), 503)},
        "/readyz": {"get": _get("whether requests should be sent here", (), 503)},
    }
    inputs = {"oneOf": [_reference("Row"), _reference("Column")]}
    methods = {"predict": inputs, "classify": _reference("Examples")}
    methods["regress"] = methods["classify"]
    for where, parameters in _WHERES.items():
        base = f"/v1/models/{{model}}{where}"
        names = (("model", _NAME, "a model's name"), *parameters)
        paths[base] = {"get": _get("states of the versions", names, 400, 401, 404)}
        paths[f"{base}/metadata"] = {"get": _get("the signatures", names, 400, 401, 404)}
        for method, schema in methods.items():
            paths[f"{base}:{method}"] = {"post": _post(method, names, schema)}
    return paths


def _get(text: str, parameters: Any, *errors: int) -> dict[str, Any]:
    return {
        "summary": text,
        "parameters": [_parameter(*one) for one in parameters],
        "responses": {"200": _response("the answer", {"type": "object"}), **_errors(*errors)},
    }


def _post(method: str, parameters: Any, schema: dict[str, Any]) -> dict[str, Any]:
    named = {"properties": {"signature_name": _SIGNATURE}}
    body = {"allOf": [schema, {"type": "object", **named}]}
    key = "predictions or outputs" if method == "predict" else "results"
    return {
        "summary": f"{method} with a signature",
        "parameters": [_parameter(*one) for one in parameters],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _response(f"an object with {key}", {"type": "object"}),
            **_errors(400, 401, 404, 408, 413, 415, 429, 501, 503, 504),
        },
    }


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _response("an error", _reference("Error")) for status in statuses}


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }
