"""`report.html`: one self-contained page of a dataset version. It holds no script and fetches nothing; every text of
a row is escaped. The same manifest and profile always make the same bytes."""

from collections.abc import Mapping
from html import escape

from tunesmith.contracts.datasets import DatasetManifest, RowCounts
from tunesmith.contracts.profiles import DatasetProfile, Distribution, Example, ExampleTurn

SHOWN = 20
"""Bars of a chart; the rest are summed up in one."""
STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1d1f23;--muted:#6a6f78;--bar:#3563a8;--bubble:#eceae4}
@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e4de;--muted:#989da6;--bar:#7aa5e6;--bubble:#262a31}}
body{font:16px/1.5 system-ui,sans-serif;
background:var(--paper);color:var(--ink);max-width:60rem;margin:auto;padding:1rem}
h1,h2{line-height:1.2;overflow-wrap:anywhere}
small,figcaption{color:var(--muted);overflow-wrap:anywhere}figure{margin:1rem 0}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem 2rem}
.bar{display:grid;grid-template-columns:9rem 1fr 5rem;gap:.6rem;align-items:center;font-size:.85rem}
.bar span:first-child{overflow-wrap:anywhere}.bar span:last-child{text-align:right}
svg{width:100%;height:.8rem;fill:var(--bar)}
.turn{background:var(--bubble);border-radius:.8rem;padding:.5rem .8rem;margin:.4rem 15% .4rem 0;white-space:pre-wrap;
overflow-wrap:anywhere;max-height:20rem;overflow:auto}.assistant{margin:.4rem 0 .4rem 15%}
"""


def report_page(manifest: DatasetManifest, profile: DatasetProfile) -> str:
    """The page as HTML."""
    charts = [
        _chart("Where the rows went", _flow(manifest.counts)),
        _chart("Splits", profile.rows),
        _chart("Problems", manifest.problems),
        _chart("Formats", manifest.formats),
        _spread("Characters of a row", profile.characters),
        _spread("Words of a row", profile.words),
        _spread("Turns of a row", profile.turns),
        _chart("Turns by role", profile.roles),
        _chart("Languages", profile.languages),
        _spread("Quality", profile.quality),
        _spread("Toxicity", profile.toxicity),
        _chart("Labels", profile.labels),
        _chart("Origins of labels", profile.label_origins),
        _chart("Sources of kept rows", profile.sources),
    ]
    name = escape(f"{manifest.project}/{manifest.dataset}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{STYLE}</style></head><body><h1>{name}</h1>"
        f"<p>{manifest.counts.kept:,} of {manifest.counts.rows_in:,} rows kept. "
        f"<small>Version {manifest.dataset_version}</small></p><main>{''.join(charts)}</main>"
        f"{_examples(profile.examples)}</body></html>\n"
    )


def _flow(counts: RowCounts) -> dict[str, int]:
    dropped = {f"dropped: {reason.value}": number for reason, number in counts.dropped.items()}
    return {"in": counts.rows_in, "kept": counts.kept, "quarantined": counts.quarantined} | dropped


def _chart(title: str, counts: Mapping[str, int], caption: str = "", in_order: bool = False) -> str:
    if not counts:
        return ""
    bars = [(str(name), number) for name, number in counts.items()]
    if not in_order:
        bars = sorted(bars, key=lambda bar: (-bar[1], bar[0]))
        rest = bars[SHOWN:]
        bars = bars[:SHOWN] + ([(f"{len(rest)} others", sum(number for _, number in rest))] if rest else [])
    most = max(number for _, number in bars) or 1
    drawn = "".join(_bar(name, number, most) for name, number in bars)
    return f"<figure><h2>{escape(title)}</h2>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def _bar(name: str, number: int, most: int) -> str:
    width = 100 * number / most
    return (
        f'<div class="bar"><span>{escape(name)}</span><svg viewBox="0 0 100 8" preserveAspectRatio="none" '
        f'aria-hidden="true"><rect width="{width:.2f}" height="8"/></svg><span>{number:,}</span></div>'
    )


def _spread(title: str, spread: Distribution | None) -> str:
    if spread is None:
        return ""
    taken = [place for place, count in enumerate(spread.counts) if count]
    places = range(taken[0], taken[-1] + 1)
    bars = {f"{spread.edges[at]:,g} to {spread.edges[at + 1]:,g}": spread.counts[at] for at in places}
    told = ", ".join(f"{percent} %: {value:,.4g}" for percent, value in sorted(spread.percentiles.items()))
    return _chart(title, bars, f"Percentiles: {told}" if told else "", in_order=True)


def _examples(examples: list[Example]) -> str:
    shown = [
        f"<figure>{''.join(map(_bubble, example.turns))}<figcaption>{escape(example.split.value)} "
        f"{escape(example.item_id)}</figcaption></figure>"
        for example in examples
    ]
    return f"<h2>Examples</h2>{''.join(shown)}" if shown else ""


def _bubble(turn: ExampleTurn) -> str:
    side = " assistant" if turn.role == "assistant" else ""
    return f'<div class="turn{side}"><small>{escape(turn.role)}</small>\n{escape(turn.content)}</div>'
