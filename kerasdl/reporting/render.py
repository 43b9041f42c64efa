"""Rendering of the templates, and the facts that every report ends with."""

import base64
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasdl.record import DatasetInfo, Environment
from kerasdl.reporting import story, text

TEMPLATES = Path(__file__).parent / "templates"

PHOTOGRAPHS = "errors", "gradcam", "maps", "samples", "neighbours"
"""What figures are called that show images, whose colours stay as they are in the dark."""


def render(name: str, content: Mapping[str, Any]) -> str:
    """Returns a template filled in; what is no Markdown or HTML is escaped."""
    import jinja2
    import markupsafe

    html = name.endswith(".html.jinja")

    def escape(value: Any) -> Any:
        # In Markdown, too, everything is escaped that does not say it is Markdown.
        return value if isinstance(value, markupsafe.Markup) else text.markdown(str(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if html else escape,
    )
    environment.filters["fence"] = lambda code, language="": markupsafe.Markup(
        text.fence(code, language)
    )
    environment.globals["photographs"] = lambda file: any(word in file for word in PHOTOGRAPHS)
    # The target of a link: a backslash before "_" is right there, but few readers know it.
    environment.filters["target"] = lambda path: markupsafe.Markup(urllib.parse.quote(path))
    environment.filters["code"] = lambda code: markupsafe.Markup(text.code(code))
    environment.filters["table"] = lambda table: markupsafe.Markup(table.markdown())
    return environment.get_template(name).render(content)


def inline(path: Path) -> str:
    """Returns a PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def plural(count: int, noun: str) -> str:
    """Returns "1 model" or "2 models"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def data(info: DatasetInfo) -> list[tuple[str, str]]:
    """Returns what a report tells of its images."""
    height, width, channels = info.image_shape
    origin = {
        "local": "the publisher's files in a local folder",
        "store": "the store of prepared data",
        "tfds": "TensorFlow Datasets",
        "folder": "a folder of images",
        "arrays": "arrays in memory",
        "synthetic": "rendered by kerasdl: SYNTHETIC, not real data",
    }
    return [
        ("Data set", story.label(info)),
        ("Read from", origin[info.source]),
        (
            "Checked",
            "the content has the publisher's checksums"
            if info.verified
            else "no publisher's checksum to compare with",
        ),
        (
            "Images",
            f"{text.count(info.train)} to train, {text.count(info.validation)} to validate, "
            f"{text.count(info.test)} to test",
        ),
        ("Image", f"{height} \u00d7 {width} pixels, {plural(channels, 'channel')}"),
        ("Classes", str(len(info.class_names))),
        *(("Note", text.plain(note)) for note in info.notes),
        ("SHA-256 of the content", info.sha256),
    ]


def environment(here: Environment, created: str) -> list[tuple[str, str]]:
    """Returns what a report tells of machine and versions."""
    return [
        ("kerasdl", here.kerasdl),
        ("Keras", f"{here.keras}, backend {here.backend}"),
        *([("TensorFlow", here.tensorflow)] if here.tensorflow else []),
        *([("JAX", here.jax)] if here.jax else []),
        ("NumPy", here.numpy),
        ("Python", here.python),
        ("Device", f"{here.device}, {plural(here.cores, 'core')}"),
        ("Strategy", here.strategy),
        ("Precision", here.precision),
        ("Made", created),
    ]


def toml(recipe: Mapping[str, Any]) -> str:
    """Returns a recipe as TOML."""
    import tomli_w

    def known(value: Any) -> Any:
        # TOML has no null: a key that is not set is left out.
        if isinstance(value, Mapping):
            return {str(key): known(item) for key, item in value.items() if item is not None}
        if isinstance(value, list | tuple):
            return [known(item) for item in value if item is not None]
        return value

    result: str = tomli_w.dumps(known(recipe))
    return result
