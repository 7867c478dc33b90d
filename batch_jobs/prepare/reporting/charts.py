"""Charts as HTML and SVG without scripts: bars, histograms, a map of points. Names in them are escaped."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from tunesmith.contracts.profiles import Distribution, TopicMap

BARS = 14
"""Of a chart; what is left is summed up in one."""
TICKS = 7
"""Labels below a histogram, about."""
DOT = 2.4


def bars(counts: Mapping[str, int], colour: str = "first", in_order: bool = False) -> Markup:
    """A bar for each name, the longest first unless they have an order of their own."""
    if not counts:
        return Markup("")
    ranked = list(counts.items())
    if not in_order:
        ranked.sort(key=lambda one: (-one[1], one[0]))
        rest = ranked[BARS:]
        ranked = ranked[:BARS] + ([(f"{len(rest):,} others", sum(rows for _, rows in rest))] if rest else [])
    total = sum(counts.values()) or 1
    most = max(rows for _, rows in ranked) or 1
    drawn = Markup("").join(_bar(str(name), rows, rows / most, rows / total) for name, rows in ranked)
    return Markup('<div class="bars" style="--series:var(--{})">{}</div>').format(colour, drawn)


def _bar(name: str, rows: int, width: float, share: float) -> Markup:
    return Markup('<div><span>{}</span><i style="width:{}%"></i><b>{}</b><small>{}</small></div>').format(
        name, f"{100 * width:.2f}", f"{rows:,}", percent(share)
    )


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
        Markup('<div title="{} to {}: {}"><i style="height:{}%"></i><span>{}</span></div>').format(
            _number(low),
            _number(high),
            f"{rows:,}",
            f"{max(100 * rows / most, 1.2 if rows else 0):.1f}",
            _number(low) if place % every == 0 else "",
        )
        for place, (low, high, rows) in enumerate(bins)
    )
    return Markup('<div class="histogram" style="--series:var(--{})">{}</div>').format(colour, drawn)


def _number(value: float) -> str:
    """As short as a tick needs it."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def topic_colour(topic: int) -> str:
    """Hues far apart for topics that follow each other."""
    return f"hsl({(210 + 137 * topic) % 360} 58% 52%)"


def scatter(found: TopicMap) -> Markup:
    """Each topic's points are one path of dots."""
    paths = []
    for topic in range(len(found.topics)):
        dots = "".join(f"M{_place(x)} {_place(-y)}h0" for x, y, own in found.points if own == topic)
        if dots:
            name = ", ".join(found.topics[topic].terms)
            paths.append(
                Markup('<path d="{}" stroke="{}"><title>{}</title></path>').format(
                    dots, topic_colour(topic), escape(name)
                )
            )
    return Markup(
        '<svg class="map" viewBox="0 0 400 400" role="img" aria-label="Map of topics" stroke-width="{}">{}</svg>'
    ).format(2 * DOT, Markup("").join(paths))


def _place(value: float) -> str:
    return f"{200 + 190 * value:.1f}"
