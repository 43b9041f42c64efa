"""The process: its threads, its ports, its start and its end."""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from pathlib import Path

from kerasdl.quiet import quiet_start
from kerasdl.serving.options import Options

log = logging.getLogger("kerasdl.serving")


def serve(folder: Path, options: Options) -> int:
    """Serves a folder of models until SIGTERM or SIGINT.

    Args:
        folder: The models, NAME/VERSION/ in it.
        options: What the person asked for.

    Returns:
        0.

    Raises:
        ValueError: If options do not fit together, or a package of the serve extra is missing.
        OSError: If a port is taken or a file cannot be read.
    """
    check_packages()
    key = read_key(options.api_key_file)
    if bool(options.tls_certificate) != bool(options.tls_key):
        raise ValueError("--tls-certificate and --tls-key go together. Received: one of them")
    with contextlib.ExitStack() as stack:
        rest = stack.enter_context(listen(options.host, options.rest_port, "--rest-port"))
        # gRPC opens its port itself; trying it first gives the same message.
        listen(options.host, options.grpc_port, "--grpc-port").close()
        start_tensorflow(options.threads)
        import uvloop

        from kerasdl.serving import running

        logging.basicConfig(
            stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s"
        )
        log.setLevel(logging.INFO)
        # A thread that wants to run waits this long for one that computes in Python. The
        # default of 5 ms would be the latency of small models.
        sys.setswitchinterval(0.0005)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(running.run(folder, options, key, rest))
    return 0


def check_packages() -> None:
    """Looks whether the packages of the serve extra are there, without importing them.

    Raises:
        ValueError: If one is not.
    """
    from importlib.util import find_spec

    needed = ("orjson", "uvicorn", "uvloop", "httptools", "grpc", "grpc_health.v1")
    missing = [name for name in needed if find_spec(name.partition(".")[0]) is None]
    if find_spec("tensorflow_serving") is None:
        missing.append("tensorflow-serving-api")
    if missing:
        raise ValueError(
            f"the server needs packages that are not installed: {', '.join(missing)}. "
            "Install kerasdl[serve]"
        )


def read_key(path: str) -> str:
    """Returns the API key in a file; "" without a file.

    Args:
        path: The file; "" for none.

    Raises:
        ValueError: If it holds no key of at least 16 printable ASCII characters.
        OSError: If it cannot be read.
    """
    if not path:
        return ""
    key = Path(path).read_text(encoding="utf-8").strip()
    if len(key) < 16 or not key.isascii() or not key.isprintable():
        raise ValueError(
            "--api-key-file must hold a key of at least 16 printable ASCII characters, e.g. of "
            f"`openssl rand -hex 32`. Received: {path}, with {len(key)} characters"
        )
    return key


def listen(host: str, port: int, option: str) -> socket.socket:
    """Opens a port to listen on.

    Args:
        host: The address, IPv4 or IPv6, or a name of an IPv4 one.
        port: The port; 0 for any.
        option: The option that says the port, for the message.

    Raises:
        OSError: If it cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(
            f"{option} {port} cannot be opened on {host}: {error.strerror or error}"
        ) from None


def start_tensorflow(threads: int) -> None:
    """Imports TensorFlow, and takes what it leaves out of the garbage collector's rounds.

    They are 460 000 objects: a full collection would stop every request for a quarter of a
    second. What is loaded later is not frozen, so versions that go are collected.

    Args:
        threads: For one operation; 0 for TensorFlow's own choice.
    """
    with quiet_start():
        import tensorflow as tf

        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.constant(0.0)
    gc.collect()
    gc.freeze()
