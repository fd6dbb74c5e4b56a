"""Figures as SVG that stands inside a page, or as PNG: the same bytes for the same data, and nothing written outside the home.

matplotlib is imported when something is drawn, and only its object interface is used: pyplot keeps figures in a global list. Text
stays text, so that it can be read aloud and selected, and colours become the page's variables, so that they follow light and dark.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kb_platform.settings import current_settings, export

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

WIDTH = 4.6  # inches
INK, MUTED, GRID, PAPER = "#1b1f23", "#59636e", "#d8dee4", "#fefefe"
CANDIDATE, LIVE, BETTER, WORSE = "#0b62c4", "#a05a00", "#0b7d69", "#c4351c"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", CANDIDATE: "candidate", LIVE: "live", BETTER: "better", WORSE: "worse"}
_STYLE: "dict[RcKeyType, Any]" = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 9, "font.family": "sans-serif", "axes.titlesize": 10,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.edgecolor": GRID, "axes.labelcolor": MUTED, "text.color": INK,
    "xtick.color": MUTED, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "grid.color": GRID,
    "legend.frameon": False, "legend.fontsize": 8, "figure.facecolor": PAPER, "axes.facecolor": PAPER, "xtick.labelsize": 8,
}


@contextmanager
def new_figure(height: float) -> Iterator["Figure"]:
    """Yield an empty figure of the page's width, in the report's style; `height` in inches. Draw and render it inside the block."""
    export({"MPLCONFIGDIR": str(current_settings().home / "matplotlib")})
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        yield Figure(figsize=(WIDTH, height), layout="constrained")


def as_svg(figure: "Figure", name: str) -> str:
    """Return an `<svg>` element; `name` keeps its ids apart from those of other figures on the page."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r'<g id="[^"]*"', "<g", svg).replace("xlink:href", "href")
    svg = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r'<svg \1 aria-hidden="true">', svg, count=1)
    return re.sub("|".join(VARIABLES), lambda colour: f"var(--{VARIABLES[colour[0]]})", svg)


def as_png(figure: "Figure") -> bytes:
    """Return the figure on white, without a date inside."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
