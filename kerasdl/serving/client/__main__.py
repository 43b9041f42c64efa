"""Asks a server about pictures: `python -m kerasdl.serving.client URL IMAGE...`."""

import argparse
import base64
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import command_line, streams
from kerasdl.serving.client import description
from kerasdl.serving.client.connection import Connection, place
from kerasdl.serving.client.description import Answer, Input

if TYPE_CHECKING:
    from kerasdl.serving.client.stubs import Channel


@command_line.entry
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        0; 2 after a user's mistake, a picture that cannot be read among them; 1 when the
        server does not answer or fails; 130 after Ctrl-C.
    """
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        return _ask(options, parser.prog)
    except (ValueError, OSError) as error:
        return _complain(parser.prog, error)
    except KeyboardInterrupt:
        return command_line.INTERRUPTED


def make_parser() -> command_line.Parser:
    """Returns the parser."""
    parser = command_line.Parser(
        versioned=False,  # --version is the model's
        prog="python -m kerasdl.serving.client",
        description="Print what a served model sees in pictures: this server's models, and those "
        "of TensorFlow Serving.",
    )
    parser.add_argument("url", metavar="URL", help="the server, e.g. http://127.0.0.1:8501")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="PNG, JPEG, BMP, GIF, TIFF or WebP files"
    )
    parser.add_argument("--model", metavar="NAME", help="the model (the only one there)")
    parser.add_argument("--version", metavar="N", type=_natural, help="its version (the newest)")
    parser.add_argument(
        "--top", metavar="N", type=_positive, default=3, help="how many classes to print (3)"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each picture")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="send pictures over gRPC to this port")
    parser.add_argument("--key-file", metavar="FILE", help="the file with the server's API key")
    parser.add_argument(
        "--timeout", metavar="X", type=_seconds, default=30.0, help="seconds to wait (30)"
    )
    parser.add_argument(
        "--range",
        type=int,
        choices=(1, 255),
        default=255,
        help="the largest pixel of models that take floating-point pixels (255)",
    )
    return parser


def _ask(options: argparse.Namespace, prog: str) -> int:
    key = Path(options.key_file).read_text(encoding="utf-8").strip() if options.key_file else ""
    if not key.isprintable() or not key.isascii():
        raise ValueError(f"{options.key_file} holds no key: expected one line of ASCII")
    connection = Connection(options.url, key, options.timeout)
    channel = None
    try:
        model, source, names = _describe(connection, options)
        if options.grpc:
            from kerasdl.serving.client.stubs import Channel

            channel = Channel(options.grpc, key, options.timeout)
        worst = 0
        for image in options.images:
            try:
                value = _value(Path(image), source, options.range)
                began = time.perf_counter()
                answer = _predict(connection, channel, model, options.version, source, value)
                _show(image, answer, time.perf_counter() - began, names, options)
            except (ValueError, OSError) as error:
                code = _complain(prog, error)
                if code == 1:
                    return code  # the other pictures would wait for the same server
                worst = max(worst, code)
        return worst
    finally:
        connection.close()
        if channel is not None:
            channel.close()


def _describe(
    connection: Connection, options: argparse.Namespace
) -> tuple[str, Input, dict[int, str]]:
    """Returns the model's name, how it takes an image, and the names of its classes if listed."""
    try:
        model, listing = options.model, None
        if model is None:
            listing = connection.call("/v1/models")
            model = description.choose(listing)
        metadata = connection.call(f"{place(model, options.version)}/metadata")
        source = description.image_input(metadata, model)
        if listing is None:
            with contextlib.suppress(ValueError):  # TensorFlow Serving lists nothing
                listing = connection.call("/v1/models")
        return model, source, description.class_names(listing, model, options.version)
    except (KeyError, TypeError, AttributeError):
        raise ConnectionError(f"{options.url} does not answer as TensorFlow Serving does") from None


def _value(path: Path, source: Input, largest: int) -> Any:
    """Returns the input for one picture: its bytes, or an array without the first dimension."""
    from kerasdl.serving.client import pictures

    if source.shape is None:
        return pictures.encoded(path)
    image: Any = pictures.pixels(path, source.shape)
    if source.flat:
        image = image[..., 0]
    return (image / 255 * largest).astype("float32") if source.floating else image


def _predict(
    connection: Connection,
    channel: "Channel | None",
    model: str,
    version: int | None,
    source: Input,
    value: Any,
) -> Answer:
    if channel is not None:
        batch = [value] if isinstance(value, bytes) else value[None]
        return description.read_answer(
            channel.predict(model, version, source.signature, source.name, batch)
        )
    if isinstance(value, bytes):
        instance: Any = {"b64": base64.b64encode(value).decode()}
    else:
        instance = value.tolist()
    body = {"signature_name": source.signature, "instances": [instance]}
    answer = connection.call(f"{place(model, version)}:predict", body)
    try:
        return description.read_answer(answer["predictions"][0])
    except (KeyError, TypeError, IndexError):
        raise ConnectionError("the server's answer has no predictions") from None


def _show(
    image: str,
    answer: Answer,
    seconds: float,
    names: dict[int, str],
    options: argparse.Namespace,
) -> None:
    if answer.label is not None:
        names[answer.best] = answer.label
    if options.json:
        line = {
            "image": image,
            "class": answer.best,
            "label": names.get(answer.best),
            "probabilities": answer.chances,
            "milliseconds": round(1000 * seconds, 3),
        }
        streams.write(json.dumps(line))
        return
    order = sorted(range(len(answer.chances)), key=lambda one: -answer.chances[one])
    # The model's own answer first, also where another class is as likely.
    order = [answer.best, *(one for one in order if one != answer.best)][: options.top]
    shown = ", ".join(
        f"{names.get(one, f'class {one}')} {100 * answer.chances[one]:.1f} %" for one in order
    )
    streams.write(_plain(f"{image}: {shown}"))


def _complain(prog: str, error: Exception) -> int:
    return command_line.fail(prog, error, 1 if isinstance(error, ConnectionError) else 2)


def _plain(text: str) -> str:
    """Returns a line without what would move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0. Received: {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if (number := _natural(text)) < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1. Received: '0'")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds above 0. Received: {text!r}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
