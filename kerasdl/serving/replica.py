"""The server's REST side as an ASGI application that another process manager starts and stops."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from kerasdl.serving.limits import Receive
from kerasdl.serving.options import Options

_PATIENCE = 0.05
_LONGEST = 10.0
"""Seconds that a stop waits for a call of a model, and for a model that is being loaded."""


class Replica:
    """Serves a folder of models from its start-up, as ASGI's lifespan says it, to its shut-down.

    It is made in one process and may be pickled into another: until its start-up it holds
    nothing but its arguments.

    Args:
        folder: The models, NAME/VERSION/ in it.
        options: What the person asked for; addresses and TLS are the manager's.
        key: The API key; "" for none.
        threads: TensorFlow's threads for one operation.
    """

    def __init__(self, folder: Path, options: Options, key: str, threads: int) -> None:
        self._folder = folder
        self._options = options
        self._key = key
        self._threads = threads
        self._app: Any = None
        self._server: Any = None
        self._watcher: Any = None

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        """Answers one request, or lives through the lifespan."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    def check_health(self) -> None:
        """Returns when all threads do their work, or there are none yet.

        Raises:
            RuntimeError: If one is dead or stuck: the process should be started anew.
        """
        if self._server is not None and not self._server.healthy():
            raise RuntimeError("a thread of the server is dead or stuck")

    async def _start(self) -> None:
        """Returns when every model that is there now has been tried."""
        # Imported late: the process that only makes it needs none of this.
        from kerasdl.serving import app, asgi, running

        logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
        logging.getLogger("kerasdl.serving").setLevel(logging.INFO)
        app.start_tensorflow(self._threads)
        self._server = running.assemble(self._options)
        self._app = asgi.App(self._server, self._key)
        self._watcher = running.watch(self._folder, self._server, asyncio.get_running_loop())
        while not self._server.models.loaded_once and self._watcher.alive():
            await asyncio.sleep(_PATIENCE)

    async def _stop(self) -> None:
        self._server.draining = True
        await self._server.batcher.close(_LONGEST)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._watcher.stop, _LONGEST)
