"""The server while it runs: what is put together, and taken apart again."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path

from kerasdl.serving import grpc_server
from kerasdl.serving.asgi import App
from kerasdl.serving.batching import Batcher
from kerasdl.serving.http import HttpServer
from kerasdl.serving.limits import Gate
from kerasdl.serving.loading import Servable
from kerasdl.serving.metrics import Metrics
from kerasdl.serving.models import Models
from kerasdl.serving.options import Options
from kerasdl.serving.prediction import Server
from kerasdl.serving.warmup import batch_sizes
from kerasdl.serving.watching import Watcher

log = logging.getLogger("kerasdl.serving")

_BODIES = 2**28
_PATIENCE = 10.0
"""Seconds that a stop waits, after everything else, for what TensorFlow is in the middle of."""


async def run(folder: Path, options: Options, key: str, listener: socket.socket) -> None:
    """Serves until a signal, then stops gracefully.

    Args:
        folder: The models.
        options: What the person asked for.
        key: The API key; "" for none.
        listener: The open port of REST.
    """
    loop = asyncio.get_running_loop()
    stop: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.put_nowait, number)
    server = assemble(options)
    http = HttpServer(App(server, key), options)
    serving = await http.start(listener)
    rpc = await grpc_server.start(server, key)
    watcher = watch(folder, server, loop)
    _announce(folder, options, listener.getsockname()[1], rpc.port)
    told = await stop.get()
    log.info("stopping (%s)", told.name)
    server.draining = True
    if told == signal.SIGTERM:
        await asyncio.wait({asyncio.ensure_future(stop.get())}, timeout=options.drain_seconds)
    http.should_exit = True
    await asyncio.gather(serving, rpc.stop(options.grace_seconds))
    ended = await server.batcher.close(_PATIENCE)
    if not await loop.run_in_executor(None, watcher.stop, _PATIENCE) or not ended:
        # TensorFlow is in the middle of a call and cannot be asked to leave it.
        log.warning("stopped in the middle of %s", "loading" if ended else "a call of a model")
        os._exit(0 if ended else 1)
    log.info("stopped")


def assemble(options: Options) -> Server:
    """Returns the parts that every request meets, without models yet.

    Args:
        options: What the person asked for.
    """
    metrics = Metrics()

    def observe(servable: Servable, examples: int, ran: float, waited: float) -> None:
        metrics.batches.add(examples, servable.model)
        metrics.ran.add(ran, servable.model)
        metrics.waited.add(waited, servable.model)

    batcher = Batcher(
        workers=options.workers,
        batch_size=options.batch_size,
        max_pixels=options.max_pixels,
        pad=options.pad_batches,
        observe=observe,
    )
    gate = Gate(options.queue, max(_BODIES, 2 * options.max_body))
    return Server(options, Models(), batcher, gate, metrics)


def watch(folder: Path, server: Server, loop: asyncio.AbstractEventLoop) -> Watcher:
    """Starts what keeps a server's models as the folder is, and returns it.

    Args:
        folder: The models.
        server: What serves them; its health is from now on that of this thread, too.
        loop: The event loop.
    """
    options = server.options
    watcher = Watcher(
        folder,
        server.models,
        loop,
        sizes=batch_sizes(options.batch_size),
        allowed=options.allow_operations,
        keep=options.keep_versions,
        seconds=options.poll_seconds,
    )
    watcher.start()
    server.watching = watcher.alive
    return watcher


def _announce(folder: Path, options: Options, rest: int, grpc: int) -> None:
    scheme = "https" if options.tls_certificate else "http"
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"Models of {folder}: REST and a page at {scheme}://{host}:{rest}, gRPC at {host}:{grpc}")
    print("Ctrl-C stops it.", flush=True)
