"""Serves a folder of models from several processes behind Ray Serve.

python -m kerasdl.serving.ray saved_models --replicas 2
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasdl import command_line, recipe
from kerasdl.serving.options import Options

NOT_HERE = (
    *("grpc_port", "workers", "threads", "drain_seconds", "grace_seconds"),
    *("tls_certificate", "tls_key"),
)
"""Options of the server that mean nothing behind Ray's proxy."""

_NAME = "kerasdl"
_STORE = 80 * 2**20
"""Bytes of Ray's shared memory: requests do not go through it, and Ray asks for some."""


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0 after a stop, 2 for a user's mistake, 130 after Ctrl-C before it served.
    """
    parser = command_line.Parser(
        prog="python -m kerasdl.serving.ray",
        usage="%(prog)s FOLDER [options]",
        description="Serves every model and version of a folder (FOLDER/NAME/VERSION/) over "
        "TensorFlow Serving's REST, with the page at /, from several processes behind Ray Serve.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the models, NAME/VERSION/ in it")
    parser.add_argument(
        "--replicas", metavar="N", type=_replicas, default=2, help="processes that serve (2)"
    )
    recipe.add_options(parser, Options, title="options", without=NOT_HERE)
    arguments = vars(parser.parse_args(argv))
    try:
        chosen = recipe.chosen(Options, arguments)
        options = recipe.from_dict(chosen, Options, where="the command line")
        folder = Path(arguments["folder"])
        if not folder.is_dir():
            there = "a file" if folder.exists() else "no such folder"
            raise FileNotFoundError(
                f"expected a folder with models, NAME/VERSION/ in it. Received: {folder}, {there}"
            )
        return _serve(folder.resolve(), options, arguments["replicas"])
    except (ValueError, OSError) as error:
        return command_line.fail(parser.prog, error)


def _replicas(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= 256:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 256. Received: {text!r}")
    return int(text)


def _serve(folder: Path, options: Options, replicas: int) -> int:
    from importlib.util import find_spec

    from kerasdl.serving import app
    from kerasdl.serving.replica import Replica

    if find_spec("ray") is None:
        raise ValueError("Ray Serve is not installed. Install kerasdl[serve,ray]")
    app.check_packages()
    key = app.read_key(options.api_key_file)
    # Ray says nothing useful of a port that is taken.
    app.listen(options.host, options.rest_port, "--rest-port").close()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's processes talk to each other on ports of their own, on every address.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray
    from ray import serve

    told: list[int] = []
    try:
        ray.init(
            num_cpus=replicas + 1,
            include_dashboard=False,
            object_store_memory=_STORE,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: told.append(number))
        serve.start(http_options={"host": options.host, "port": options.rest_port})
        logging.getLogger("ray.serve").setLevel(logging.WARNING)  # start() had set it
        threads = max(1, (os.cpu_count() or 1) // replicas)
        replica = Replica(folder, options, key, threads)
        serve.run(_application(replica, replicas, options.queue), name=_NAME, route_prefix="/")
        print(
            f"Models of {folder}: {replicas} replicas, REST and a page at "
            f"http://{options.host}:{options.rest_port}"
        )
        print("Ctrl-C stops it.", flush=True)
        while not told:
            time.sleep(0.1)
        # Requests that a replica has are answered first.
        serve.delete(_NAME)
    except KeyboardInterrupt:
        return command_line.INTERRUPTED
    finally:
        ray.shutdown()
    return 0


def _application(replica: Any, replicas: int, queue: int) -> Any:
    from ray import serve

    class Deployment:
        """What Ray keeps alive; all of it is in the ASGI application."""

        app: Any
        """The replica; `serve.ingress` adds it."""

        def check_health(self) -> None:
            """Ray asks now and then, and starts a replica anew when this raises."""
            self.app.check_health()

    deployed: Any = serve.deployment(
        name=_NAME,
        num_replicas=replicas,
        # A replica has its own queue, deadline and limit; Ray's are not to come before them.
        max_ongoing_requests=queue,
        max_queued_requests=replicas * queue,
        ray_actor_options={"num_cpus": 1},
        logging_config={"log_level": "WARNING"},
    )(serve.ingress(replica)(Deployment))
    return deployed.bind()


if __name__ == "__main__":
    sys.exit(main())
