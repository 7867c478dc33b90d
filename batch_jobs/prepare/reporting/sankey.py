"""The flow of rows, from files to splits, as a Sankey diagram in SVG: a ribbon is as thick as it has rows."""

from collections import Counter
from dataclasses import dataclass, field
from html import escape

from batch_jobs.prepare.reporting.highlighting import spelt
from tunesmith.contracts.datasets import DatasetManifest, RowCounts

SOURCES = 8
"""Files that have a node of their own."""
KEPT, QUARANTINED = "kept", "quarantined"
NODE = 10
"""Width of a node, in pixels."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the diagram is drawn on: for a desk or for a phone."""

    width: int
    columns: tuple[int, int, int]
    """Left edge of each column's nodes."""
    flow: int
    """Height of all rows together."""
    letters: tuple[int, int, int]
    """How long a label of each column may be."""
    lines: int
    """Of a label: name and number side by side, or one below the other."""


WIDE = Sheet(1000, (0, 420, 790), 300, (40, 26, 24), 1)
NARROW = Sheet(380, (0, 132, 266), 260, (16, 16, 11), 2)
LINE, GAP = 17, 9
"""Height of a line of a label, and what lies between two nodes at least."""


@dataclass(slots=True)
class Node:
    column: int
    label: str
    rows: int
    colour: str
    top: float = 0.0
    height: float = 0.0
    left_taken: float = 0.0
    right_taken: float = 0.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Nodes by name, in the order in which they are stacked, and rows between two of them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    ribbons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, start: Node, end: Node, rows: int) -> None:
        if rows:
            for node in (start, end):
                self.nodes.setdefault(_name(node), node)
            self.ribbons[_name(start), _name(end)] += rows


def flow_of(manifest: DatasetManifest) -> Flow:
    """Files, then what became of their rows, then splits and problems."""
    flow, counts = Flow(), manifest.counts
    for label, of_file in _sources(manifest):
        for outcome, rows in _outcomes(of_file).items():
            flow.add(Node(0, spelt(label), of_file.rows_in, "base"), _outcome(outcome, counts), rows)
    for split, entry in sorted(manifest.splits.items(), key=lambda one: list(manifest.splits).index(one[0])):
        flow.add(_outcome(KEPT, counts), Node(2, split.value, entry.rows, split.value), entry.rows)
    for code, rows in sorted(manifest.problems.items(), key=lambda one: (-one[1], one[0])):
        flow.add(_outcome(QUARANTINED, counts), Node(2, code.value, rows, "bad"), rows)
    return flow


def draw(flow: Flow, sheet: Sheet) -> str:
    """The diagram; nothing where no row came in."""
    total = sum(node.rows for node in flow.nodes.values() if node.column == 0)
    if not total:
        return ""
    scale = sheet.flow / total
    height = max(_stack([node for node in flow.nodes.values() if node.column == at], scale, sheet) for at in range(3))
    order = {name: place for place, name in enumerate(flow.nodes)}
    ribbons = sorted(flow.ribbons.items(), key=lambda one: (order[one[0][0]], order[one[0][1]]))
    drawn = [_ribbon(flow.nodes[start], flow.nodes[end], rows, scale, sheet) for (start, end), rows in ribbons]
    drawn += [_node(node, sheet) for node in flow.nodes.values()]
    drawn += [_label(node, sheet) for node in flow.nodes.values()]
    return (
        f'<svg viewBox="0 0 {sheet.width} {height:.0f}" role="img" aria-label="Flow of rows from files to splits">'
        f"{''.join(drawn)}</svg>"
    )


def _name(node: Node) -> str:
    return f"{node.column} {node.label}"


def _sources(manifest: DatasetManifest) -> list[tuple[str, RowCounts]]:
    """The largest files by name, and the others as one."""
    ranked = sorted(manifest.counts_by_source.items(), key=lambda one: (-one[1].rows_in, one[0]))
    own = ranked if len(ranked) <= SOURCES else ranked[: SOURCES - 1]
    seen: Counter[str] = Counter(uri.rpartition("/")[2] for uri, _ in own)
    named = [(uri if seen[name] > 1 else name, counts) for uri, counts in own for name in [uri.rpartition("/")[2]]]
    rest = [counts for _, counts in ranked[len(own) :]]
    return [*named, (f"{len(rest)} other files", _sum(rest))] if rest else named


def _sum(several: list[RowCounts]) -> RowCounts:
    dropped = Counter({reason: 0 for counts in several for reason in counts.dropped})
    for counts in several:
        dropped.update(counts.dropped)
    return RowCounts(
        rows_in=sum(counts.rows_in for counts in several),
        kept=sum(counts.kept for counts in several),
        quarantined=sum(counts.quarantined for counts in several),
        dropped=dict(dropped),
    )


def _outcomes(counts: RowCounts) -> dict[str, int]:
    dropped = {reason.value: rows for reason, rows in counts.dropped.items()}
    return {KEPT: counts.kept, QUARANTINED: counts.quarantined} | dropped


def _outcome(name: str, counts: RowCounts) -> Node:
    colour = {KEPT: "first", QUARANTINED: "bad"}.get(name, "warn")
    label = "put aside" if name == QUARANTINED else name.replace("_", " ")
    return Node(1, label, _outcomes(counts)[name], colour)


def _stack(nodes: list[Node], scale: float, sheet: Sheet) -> float:
    """Place the nodes of one column below each other; where the last one ends. Largest first, but kept before all."""
    top = 2.0
    rank = {"first": 0, "base": 0, "train": 0, "validation": 0, "test": 0, "warn": 1, "bad": 2}
    for node in sorted(nodes, key=lambda node: (rank[node.colour], 0 if node.column == 0 else -node.rows)):
        node.height = max(node.rows * scale, 2.0)
        node.top, node.left_taken, node.right_taken = top, 0.0, 0.0
        top += max(node.height, sheet.lines * LINE) + GAP
    return top


def _ribbon(start: Node, end: Node, rows: int, scale: float, sheet: Sheet) -> str:
    thick = max(rows * scale, 1.0)
    left, right = sheet.columns[start.column] + NODE, sheet.columns[end.column]
    one = min(start.top + start.right_taken, start.top + max(start.height - thick, 0))
    other = min(end.top + end.left_taken, end.top + max(end.height - thick, 0))
    start.right_taken += rows * scale
    end.left_taken += rows * scale
    middle = (left + right) / 2
    return (
        f'<path class="ribbon {end.colour}" d="M{left} {one:.1f}C{middle:.0f} {one:.1f} {middle:.0f} {other:.1f} '
        f"{right} {other:.1f}v{thick:.1f}C{middle:.0f} {other + thick:.1f} {middle:.0f} {one + thick:.1f} "
        f'{left} {one + thick:.1f}z"><title>{escape(start.label)} → {escape(end.label)}: {rows:,}</title></path>'
    )


def _node(node: Node, sheet: Sheet) -> str:
    left = sheet.columns[node.column]
    return (
        f'<rect class="{node.colour}" x="{left}" y="{node.top:.1f}" width="{NODE}" height="{node.height:.1f}" rx="2">'
        f"<title>{escape(node.label)}: {node.rows:,}</title></rect>"
    )


def _label(node: Node, sheet: Sheet) -> str:
    left = sheet.columns[node.column] + NODE + 6
    room = sheet.letters[node.column]
    name = node.label if len(node.label) <= room else f"{node.label[: room // 2]}…{node.label[-(room // 2 - 1) :]}"
    middle = node.top + max(node.height, sheet.lines * LINE) / 2
    number = f'<tspan class="number">{node.rows:,}</tspan>'
    if sheet.lines == 1:
        return f'<text x="{left}" y="{middle + 4.5:.1f}">{escape(name)} {number}</text>'
    below = number.replace("<tspan", f'<tspan x="{left}" dy="{LINE - 2}"', 1)
    return f'<text x="{left}" y="{middle - 3:.1f}">{escape(name)}{below}</text>'
