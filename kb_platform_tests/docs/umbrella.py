"""The values of the example that puts three charts together: its own, and those for each chart under the chart's name."""

from pathlib import Path
from textwrap import indent

HELM = Path(__file__).parents[2] / "helm"
UMBRELLA = HELM / "examples" / "umbrella"
VALUES = UMBRELLA / "values.yaml"
OTHERS = ("dagster", "temporal")


def values() -> str:
    """Return the text of values.yaml."""
    parts = ["# Written by `make docs` from own.yaml and the files in helm/values. Edit those.", "", (UMBRELLA / "own.yaml").read_text(encoding="utf-8")]
    for name in OTHERS:
        path = HELM / "values" / f"{name}.yaml"
        if path.is_file():
            parts += [f"{name}:", indent(path.read_text(encoding="utf-8"), "  ", lambda line: bool(line.strip()))]
    return "\n".join(parts)
