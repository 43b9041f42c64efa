"""Writes the report of an experiment that is no comparison of networks."""

from pathlib import Path

from kerasdl import files, record
from kerasdl.reporting import render, sections, story, text


def write_findings(folder: Path, findings: record.Findings) -> None:
    """Writes results.json, README.md, report.html and a CSV file for each table.

    Args:
        folder: The run folder; the figures that the sections name are in it already.
        findings: What was found.

    Raises:
        ValueError: If two tables have one name, a row does not fit its columns, or a
            number is NaN or infinite.
        FileNotFoundError: If a figure is missing.
    """
    _check(findings)
    folder = Path(folder)
    content = _content(findings)
    figures = sections.inlined(findings.sections)
    inlined = {figure.file: render.inline(folder / figure.file) for figure in figures}
    record.write(findings, folder / "results.json")
    _write_csv(folder, findings)
    files.write_text(folder / "README.md", render.render("FINDINGS.md.jinja", content))
    files.write_text(
        folder / "report.html",
        render.render("findings.html.jinja", {**content, "inlined": inlined}),
    )


def _check(findings: record.Findings) -> None:
    names = [table.name for section in findings.sections for table in section.tables]
    if len(set(names)) != len(names):
        raise ValueError(f"expected a name of its own for each table. Received: {names}")
    for section in findings.sections:
        for table in section.tables:
            lengths = {len(row) for row in table.rows} - {len(table.columns)}
            if lengths:
                raise ValueError(
                    f"expected rows of {len(table.columns)} cells in the table {table.name}. "
                    f"Received rows of {sorted(lengths)}"
                )


def _write_csv(folder: Path, findings: record.Findings) -> None:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    for section in findings.sections:
        for table in section.tables:
            frame = pd.DataFrame(table.rows, columns=table.columns)
            content = frame.to_csv(index=False, lineterminator="\n")
            files.write_text(folder / f"{table.name}.csv", content)


def _content(findings: record.Findings) -> dict[str, object]:
    dataset, banners = findings.dataset, []
    if findings.status != "complete":
        banners.append(
            ("Interrupted run", "Not everything that was planned is here; see each table.")
        )
    if dataset is not None:
        banners = [*story.synthetic(dataset), *banners, *story.partial(dataset)]
    # "python -m kerasdl.apps.theory ..." or "... kerasdl.tuning.mnist_width ...".
    again = " ".join(findings.command.split()[:3]) + " "
    if findings.command.startswith("kerasdl."):  # a call in Python
        room = "tuning" if findings.command.startswith("kerasdl.search(") else "apps"
        again = f"python -m kerasdl.{room}.{findings.app} "
    again += f"--study {findings.study} " if findings.study != findings.app else ""
    return {
        "record": findings,
        "title": text.plain(findings.title),
        "banners": banners,
        "alarm": findings.status != "complete"
        or (dataset is not None and dataset.source == "synthetic"),
        "sections": sections.shown(findings.sections),
        "data": render.data(dataset) if dataset is not None else None,
        "environment": render.environment(findings.environment, findings.created),
        "recipe": render.toml(findings.recipe),
        "command": findings.command,
        "again": f"{again}--recipe recipe.toml",
        "took": text.duration(findings.seconds),
    }
