"""What a person may ask of the server, and its defaults."""

from typing import Annotated

from msgspec import Meta

from kerasdl.recipe import Struct

_Port = Annotated[int, Meta(ge=0, le=65535)]
_Positive = Annotated[int, Meta(ge=1)]


class Options(Struct, frozen=True, kw_only=True):
    """The options of `python -m kerasdl.serving`; docs/serving.md has them as a table."""

    host: Annotated[str, Meta(description="address to listen on (127.0.0.1)")] = "127.0.0.1"
    rest_port: Annotated[_Port, Meta(description="port of REST and the page (8501); 0: any")] = 8501
    grpc_port: Annotated[_Port, Meta(description="port of gRPC (8500); 0: any")] = 8500
    batch_size: Annotated[
        Annotated[int, Meta(ge=1, le=4096)],
        Meta(description="most examples in one call of a model (64); 1: no batching"),
    ] = 64
    pad_batches: Annotated[
        bool,
        Meta(
            description="fill batches up to the next power of two, for models whose new batch "
            "sizes cost a compilation (false)"
        ),
    ] = False
    queue: Annotated[
        _Positive,
        Meta(description="most requests at once, more get 503 and Retry-After (96)"),
    ] = 96
    timeout: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="seconds until a request is answered with 504 (30)"),
    ] = 30.0
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)],
        Meta(description="batches that run at the same time (1)"),
    ] = 1
    threads: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="TensorFlow's threads for one operation (0: one for each processor)"),
    ] = 0
    max_body: Annotated[
        Annotated[int, Meta(ge=1024, le=2**31 - 1)],
        Meta(description="most bytes of a request, also after gzip is undone (16777216)"),
    ] = 16 * 2**20
    max_pixels: Annotated[
        _Positive,
        Meta(description="most pixels of the images in one request, by their headers (16777216)"),
    ] = 16 * 2**20
    poll_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="seconds between two looks for new versions and labels (1)"),
    ] = 1.0
    keep_versions: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="newest versions of a model to serve, labelled ones besides (0: all)"),
    ] = 0
    allow_operations: Annotated[
        tuple[str, ...],
        Meta(
            description="operations that a model may have though they reach files or Python, "
            "e.g. ReadFile (none)"
        ),
    ] = ()
    drain_seconds: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(description="seconds from SIGTERM during which new requests still come in (1)"),
    ] = 1.0
    grace_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="seconds after that until what still runs is given up (30)"),
    ] = 30.0
    api_key_file: Annotated[
        str,
        Meta(description="file with a key that every request must bring (none)"),
    ] = ""
    tls_certificate: Annotated[
        str, Meta(description="PEM file of the certificate and its chain (none)")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the certificate's key (none)")] = ""
    cors_origin: Annotated[
        str,
        Meta(description="origin whose pages may call the server, or * for all (none)"),
    ] = ""
    log_requests: Annotated[bool, Meta(description="write a line for each request (false)")] = False
