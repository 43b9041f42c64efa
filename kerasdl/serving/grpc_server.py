"""The gRPC port: TensorFlow Serving's services, and health, on the event loop."""

import asyncio
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from kerasdl.serving.grpc_services import ModelService, PredictionService
from kerasdl.serving.prediction import Server

SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")

_LARGEST_ANSWER = 2**28
_WATCHED = 0.2
"""Seconds between two looks of who watches the health."""


class GrpcServer:
    """A gRPC server that runs.

    Args:
        server: grpc.aio's.
        port: Where it listens.
    """

    def __init__(self, server: Any, port: int) -> None:
        self._server = server
        self.port = port

    async def stop(self, seconds: float) -> None:
        """Refuses new requests, and waits that long for those that run."""
        await self._server.stop(seconds)


async def start(server: Server, key: str) -> GrpcServer:
    """Opens the port.

    Args:
        server: What serves.
        key: The API key; "" for none.

    Raises:
        OSError: If the port is taken meanwhile.
    """
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    options = server.options
    rpc = grpc.aio.server(
        interceptors=[KeyCheck(key)] if key else [],
        options=[
            ("grpc.max_receive_message_length", options.max_body),
            ("grpc.max_send_message_length", _LARGEST_ANSWER),
            ("grpc.max_metadata_size", 64 * 1024),
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(server), rpc
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(server), rpc)
    health_pb2_grpc.add_HealthServicer_to_server(Health(server), rpc)
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.grpc_port}"
    try:
        if options.tls_certificate:
            pair = (
                Path(options.tls_key).read_bytes(),
                Path(options.tls_certificate).read_bytes(),
            )
            port = rpc.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            port = rpc.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"--grpc-port {options.grpc_port} cannot be opened: {error}") from None
    await rpc.start()
    return GrpcServer(rpc, port)


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """grpc.health.v1: what /readyz says, for the server and for each service.

    Args:
        server: What serves.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def Check(self, request: Any, context: Any) -> Any:
        """Answers once."""
        if request.service not in ("", *SERVICES):
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return self._status()

    async def Watch(self, request: Any, context: Any) -> None:
        """Answers now and whenever it changes, until the server stops."""
        told = None
        while True:
            status = self._status()
            if request.service not in ("", *SERVICES):
                status.status = status.SERVICE_UNKNOWN
            if status != told:
                await context.write(status)
                told = status
            if self._server.draining:
                return
            await asyncio.sleep(_WATCHED)

    def _status(self) -> Any:
        answer = health_pb2.HealthCheckResponse()
        answer.status = answer.SERVING if self._server.ready() else answer.NOT_SERVING
        return answer


class KeyCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Turns away calls without the API key; health is open.

    Args:
        key: The key.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

        async def refuse(request: Any, context: Any) -> Any:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "this server asks for a key in the metadata: authorization: Bearer KEY, "
                "or x-api-key: KEY",
            )

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Looks at one call's metadata."""
        import hmac

        if details.method.startswith("/grpc.health.v1.Health/"):
            return await continuation(details)
        given = ""
        for name, value in details.invocation_metadata:
            if name == "x-api-key":
                given = value
            elif name == "authorization" and value[:7].lower() == "bearer ":
                given = value[7:].strip()
        if hmac.compare_digest(given.encode(), self._key):
            return await continuation(details)
        return self._refusal
