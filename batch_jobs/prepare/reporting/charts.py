"""Charts as HTML and SVG without scripts: bars, histograms, a map of points. Names in them are escaped."""

import re
from collections.abc import Mapping, Sequence
from statistics import median

from markupsafe import Markup, escape

from batch_jobs.prepare.reporting.highlighting import spelt
from tunesmith.contracts.profiles import Distribution, TopicMap

BARS = 14
"""Of a chart; what is left is summed up in one."""
TICKS = 7
"""Labels below a histogram, about."""
DOT = 2.2
TOPICS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#999933", "#aa4499", "#44aa99", "#b0305c", "#8c6d31", "#7f7f7f"),
)
"""After Okabe and Ito (2008) and Tol (2021): to be told apart whatever colours one sees. Topics have numbers too."""


def bars(counts: Mapping[str, int], colour: str = "first", in_order: bool = False) -> Markup:
    """A bar for each name, the longest first unless they have an order of their own."""
    if not counts:
        return Markup("")
    ranked, rest = list(counts.items()), []
    if not in_order:
        ranked.sort(key=lambda one: (-one[1], one[0]))
        left_out = sum(rows for _, rows in ranked[BARS:])
        others = [_bar(f"{len(ranked) - BARS:,} others", None, f"{left_out:,}", left_out / sum(counts.values()))]
        ranked, rest = ranked[:BARS], others if left_out else []
    total = sum(counts.values()) or 1
    most = max(rows for _, rows in ranked) or 1
    drawn = [_bar(str(name), rows / most, f"{rows:,}", rows / total) for name, rows in ranked]
    return _bars(drawn + rest, colour)


def shares(values: Mapping[str, float], colour: str = "first") -> Markup:
    """A bar for each name, from 0 to 100 %, the least first: no parts of a whole."""
    ranked = sorted(values.items(), key=lambda one: (one[1], one[0]))[:BARS]
    return _bars([_bar(name, share, percent(share), None) for name, share in ranked], colour)


def _bars(drawn: Sequence[Markup], colour: str) -> Markup:
    return Markup('<div class="bars" style="--series:var(--{})">{}</div>').format(colour, Markup("").join(drawn))


def _bar(name: str, width: float | None, number: str, share: float | None) -> Markup:
    """`width` is None where a bar would be compared with others that it is no peer of."""
    return Markup("<div><span>{}</span>{}<b>{}</b><small>{}</small></div>").format(
        breakable(name),
        Markup("<i hidden></i>") if width is None else Markup('<i style="width:{}%"></i>').format(f"{100 * width:.2f}"),
        number,
        "" if share is None else percent(share),
    )


def breakable(name: str) -> Markup:
    """A name that may go on in the next line after a sign between its words, and not only within one."""
    return Markup(re.sub(r"([_./-]+)(?=\w)", r"\1<wbr>", str(escape(spelt(name)))))


def percent(share: float) -> str:
    """As exact as it needs to be: 0.4 %, 8.6 %, 27 %, 99.7 %."""
    if 0 < share < 0.001:
        return "<0.1 %"
    is_near_an_end = 0 < share < 0.0995 or 0.9 < share < 0.9995
    return f"{100 * share:.{1 if is_near_an_end else 0}f} %"


def histogram(spread: Distribution, colour: str = "first") -> Markup:
    """A column for each bin: all of them where they are shares, else from the first that has rows to the last."""
    taken = [place for place, count in enumerate(spread.counts) if count]
    is_share = spread.edges[-1] == 1
    places = range(len(spread.counts)) if is_share else range(taken[0], taken[-1] + 1)
    return columns([(spread.edges[place], spread.edges[place + 1], spread.counts[place]) for place in places], colour)


def columns(bins: Sequence[tuple[float, float, int]], colour: str = "first") -> Markup:
    """`bins` are (from, to, rows)."""
    most = max(rows for _, _, rows in bins)
    every = max(1, -(-len(bins) // TICKS))
    drawn = Markup("").join(
        Markup('<div title="{} to {}: {} rows"><i style="height:{}%"></i><span>{}</span></div>').format(
            _number(low),
            _number(high),
            f"{rows:,}",
            f"{max(100 * rows / most, 1.2 if rows else 0):.1f}",
            _number(low) if place % every == 0 and len(bins) - place >= every else "",
        )
        for place, (low, high, rows) in enumerate(bins)
    )
    return Markup(
        '<div class="histogram" style="--series:var(--{})"><b>{} row{}</b>{}<span class="end">{}</span></div>'
    ).format(colour, f"{most:,}", "s" * (most != 1), drawn, _number(bins[-1][1]))


def _number(value: float) -> str:
    """As short as a tick needs it."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def topic_colour(topic: int) -> str:
    return TOPICS[topic % len(TOPICS)]


def scatter(found: TopicMap) -> Markup:
    """Each topic's points are one path of dots, with the topic's number in their midst."""
    paths, numbers = [], []
    for topic, told in enumerate(found.topics):
        points = [(x, y) for x, y, own in found.points if own == topic]
        if points:
            dots = "".join(f"M{_place(x)} {_place(-y)}h0" for x, y in points)
            name, colour = ", ".join(told.terms), topic_colour(topic)
            paths.append(Markup('<path d="{}" stroke="{}"><title>{}</title></path>').format(dots, colour, name))
            x, y = (median(axis) for axis in zip(*points, strict=True))
            numbers.append(Markup('<text x="{}" y="{}">{}</text>').format(_place(x), _place(-y), topic + 1))
    return Markup(
        '<svg class="map" viewBox="0 0 400 400" role="img" aria-label="Map of topics" stroke-width="{}">{}</svg>'
    ).format(2 * DOT, Markup("").join(paths + numbers))


def _place(value: float) -> str:
    return f"{200 + 190 * value:.1f}"
