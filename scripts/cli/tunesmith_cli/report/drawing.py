"""SVG for the page out of matplotlib: text stays text, and every colour becomes a variable of the page's style.

Figures are drawn in stand-in colours, which `to_svg` replaces by CSS variables, so that one drawing serves the light
and the dark page.
"""

import io
import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache, wraps
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

WIDTH = 10.4
"""Inches at 72 units each; the page scales the drawing to its own width."""
FONT_SIZE = 12.5


class Ink(StrEnum):
    """Stand-in colours; the page's style sheet defines what each looks like by day and by night."""

    TEXT = "#010101"
    MUTED = "#020202"
    GRID = "#030303"
    PAPER = "#040404"
    BASE = "#050505"
    FIRST = "#060606"
    SECOND = "#070707"
    THIRD = "#080808"
    FOURTH = "#090909"
    GOOD = "#0a0a0a"
    WARN = "#0b0b0b"
    BAD = "#0c0c0c"

    @property
    def variable(self) -> str:
        return f"var(--{self.name.lower()})"


CANDIDATES = (Ink.FIRST, Ink.SECOND, Ink.THIRD, Ink.FOURTH)


def ink_of(position: int) -> Ink:
    """The colour of the model at this place on the page; the base comes first and is grey."""
    return Ink.BASE if position == 0 else CANDIDATES[(position - 1) % len(CANDIDATES)]


@cache
def style() -> dict[str, Any]:
    return {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": FONT_SIZE,
        "text.color": Ink.TEXT,
        "axes.labelcolor": Ink.MUTED,
        "axes.edgecolor": Ink.GRID,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.titlesize": FONT_SIZE,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 12,
        "grid.color": Ink.GRID,
        "grid.linewidth": 0.8,
        "xtick.color": Ink.MUTED,
        "ytick.color": Ink.MUTED,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
    }


def drawn(plot: Callable[P, str]) -> Callable[P, str]:
    """Everything that the plot draws has the page's style."""

    @wraps(plot)
    def in_style(*arguments: P.args, **options: P.kwargs) -> str:
        import matplotlib

        with matplotlib.rc_context(style()):
            return plot(*arguments, **options)

    return in_style


def new_figure(rows: int = 1, columns: int = 1, height: float = 4.0, **grid: Any) -> "tuple[Figure, list[Axes]]":
    """A figure as wide as the page, and its axes in reading order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, [axis for row in axes for axis in row]


def to_svg(figure: "Figure", name: str, description: str) -> str:
    """The drawing as an element of the page; `name` keeps its ids apart from other drawings'."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    for pattern, replacement in REWRITES:
        svg = pattern.sub(replacement, svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description, quote=True)}"', 1)


REWRITES = [
    (re.compile(r"<metadata>.*?</metadata>", re.DOTALL), ""),
    (re.compile(r'(?<= )(?:width|height)="[^"]*pt"'), ""),
    (re.compile(r"(font: [^;\"]*?)'[^;\"]*"), r"\1var(--sans)"),
    *((re.compile(ink.value, re.IGNORECASE), ink.variable) for ink in Ink),
]
"""Of the drawing's own size, fonts and colours, nothing is left: the page decides."""
