"""Which studies and searches there are, by their names."""

STUDIES = {
    "activations": ("cifar10", "activations of a deep perceptron"),
    "depth": ("cifar10", "how deep a perceptron still learns, and what helps"),
    "cuts": ("cifar10", "where to cut a pre-trained network (of other apps, too)"),
    "scratch": ("fashion_mnist", "one perceptron in three implementations"),
    "strengths": ("gurmukhi", "L1, L2 and dropout at many strengths"),
    "theory": ("theory", "losses, convexity and convolutions"),
}
"""Each study's app, and what it asks."""

SEARCHES = {
    "search": "fields of an app's recipe",
    "mnist_width": "the width of a perceptron on MNIST",
    "regularization": "strengths of L1, L2 and dropout",
    "transfer_head": "the head on a frozen base",
    "own_model": "your own build(hp) or HyperModel",
}
"""Each search's command, and what it searches."""


def show(*kinds: str, as_json: bool) -> None:
    """Prints the list of studies, of searches, or of both.

    Args:
        *kinds: "study", "search".
        as_json: Whether JSON is wanted.
    """
    from rich.table import Table

    from kerasdl.terminal import show_list

    rows = [("study", name, f"study {name}", asks) for name, (_, asks) in STUDIES.items()]
    commands = {"search": "search --app NAME", "own_model": "search --build FILE.py:NAME"}
    rows += [
        ("search", name, commands.get(name, f"search {name}"), searched)
        for name, searched in SEARCHES.items()
    ]
    rows = [row for row in rows if row[0] in kinds]
    data = [
        {"kind": kind, "name": name, "command": f"kerasdl {command}", "about": about}
        for kind, name, command, about in rows
    ]

    def table() -> Table:
        made = Table()
        for heading in ("Kind", "Command", "About"):
            made.add_column(heading)
        for row in data:
            made.add_row(row["kind"], row["command"], row["about"])
        return made

    show_list(table, data=data, names=[row["name"] for row in data], as_json=as_json)
