"""The lineage graph as SVG: artifacts in layers, top to bottom on a phone, left to right where there is room."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from motorium.core.errors import DataError
from motorium.report.content import Node
from motorium.report.markup import Markup, join, tag

MARGIN = 4
SWEEPS = 8
KINDS = ("dataset", "policy", "report", "bundle", "page")


@dataclass(frozen=True)
class Form:
    """Sizes in pixels: of a node, of the gaps across and along; how many characters fit; whether it lies sideways."""

    width: int
    height: int
    gap: int
    layer_gap: int
    name: int
    ref: int
    sideways: bool


WIDE = Form(148, 46, 18, 48, 18, 21, True)
# Three nodes beside each other fit a phone without being scaled down.
TALL = Form(112, 46, 10, 30, 13, 14, False)


@dataclass(frozen=True)
class Placed:
    """Where one node lies: its layer, and its place across (in units of nodes, centred on the layer)."""

    layer: int
    across: float


def lineage_svg(nodes: Sequence[Node], anchors: Mapping[str, str], form: Form) -> Markup:
    """Return the graph as an `<svg>` element.

    Args:
        nodes: artifacts.
        anchors: {node id: id of the element of the page that tells of it}.
        form: `WIDE` or `TALL`.

    Raises:
        DataError: when the graph has a circle, or two nodes have one id.
    """
    places, routes = layout(nodes)
    deepest = max((place.layer for place in places.values()), default=0)
    widest = max((abs(place.across) for route in [*routes, places.values()] for place in route), default=0.0)
    long, broad = (form.width, form.height) if form.sideways else (form.height, form.width)

    def centre(place: Placed) -> tuple[float, float]:
        forward = MARGIN + long / 2 + place.layer * (long + form.layer_gap)
        aside = MARGIN + broad / 2 + (place.across + widest) * (broad + form.gap)
        return (forward, aside) if form.sideways else (aside, forward)

    total = 2 * MARGIN + long + deepest * (long + form.layer_gap)
    breadth = 2 * MARGIN + broad + 2 * widest * (broad + form.gap)
    width, height = (total, breadth) if form.sideways else (breadth, total)
    edges = [_edge([centre(place) for place in route], form) for route in routes]
    boxes = [_box(node, centre(places[node.id]), anchors.get(node.id), form) for node in nodes]
    return tag(
        "svg",
        tag("title", f"Lineage of {len(nodes)} artifacts"),
        tag("g", *edges, class_="edges"),
        *boxes,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="group",
        aria_label="Lineage graph",
        class_="lineage wide" if form.sideways else "lineage tall",
    )


def layout(nodes: Sequence[Node]) -> tuple[dict[str, Placed], list[list[Placed]]]:
    """Return the place of each node, and the way of each edge from parent to child.

    Layers by longest path; edges that cross layers pass through places of their own in each; each layer is
    ordered by the mean place of its neighbours, sweeping down and up.
    Source: Sugiyama, Tagawa and Toda, IEEE Trans. SMC 11 (1981) 109-125.
    """
    layers = _layers(nodes)
    ranks: list[list[str]] = [[] for _ in range(1 + max(layers.values(), default=0))]
    for node in nodes:
        ranks[layers[node.id]].append(node.id)
    chains: list[list[str]] = []
    for node in nodes:
        for parent in dict.fromkeys(name for name, _ in node.parents if name in layers):
            between = range(layers[parent] + 1, layers[node.id])
            chain = [parent, *(f"{parent}\0{node.id}\0{layer}" for layer in between), node.id]
            for layer, name in zip(between, chain[1:-1], strict=True):
                ranks[layer].append(name)
                layers[name] = layer
            chains.append(chain)
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in itertools.pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    across = _spread(ranks, above, below)
    places = {name: Placed(layers[name], across[name]) for name in layers}
    return {node.id: places[node.id] for node in nodes}, [[places[name] for name in chain] for chain in chains]


def _layers(nodes: Sequence[Node]) -> dict[str, int]:
    parents = {node.id: [name for name, _ in node.parents] for node in nodes}
    if len(parents) != len(nodes):
        raise DataError("two artifacts of the lineage have one id", where="lineage graph")
    layers: dict[str, int] = {}
    todo = list(parents)
    while todo:
        ready = [name for name in todo if all(parent in layers or parent not in parents for parent in parents[name])]
        if not ready:
            raise DataError("the lineage runs in a circle", where="lineage graph", got=", ".join(sorted(todo)))
        for name in ready:
            layers[name] = 1 + max((layers[parent] for parent in parents[name] if parent in parents), default=-1)
        todo = [name for name in todo if name not in layers]
    return layers


def _spread(ranks: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]) -> dict[str, float]:
    across = {name: place - (len(rank) - 1) / 2 for rank in ranks for place, name in enumerate(rank)}
    for sweep in range(SWEEPS):
        neighbours, order = (above, ranks) if sweep % 2 == 0 else (below, ranks[::-1])
        for rank in order:
            wish = {}
            for name in rank:
                near = [across[other] for other in neighbours.get(name, ())]
                wish[name] = sum(near) / len(near) if near else across[name]
            rank.sort(key=lambda name: (round(wish[name], 6), across[name]))
            places = _apart([wish[name] for name in rank])
            across.update(zip(rank, places, strict=True))
    middle = (min(across.values(), default=0.0) + max(across.values(), default=0.0)) / 2
    return {name: place - middle for name, place in across.items()}


def _apart(wishes: Sequence[float]) -> list[float]:
    """Return the places nearest to ascending `wishes` that are at least 1 apart (pooling those that clash)."""
    pools: list[list[float]] = []  # [sum of shifted wishes, members]
    for place, wish in enumerate(wishes):
        pools.append([wish - place, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            shifted, members = pools.pop()
            pools[-1][0] += shifted
            pools[-1][1] += members
    places: list[float] = []
    for shifted, members in pools:
        for _ in range(int(members)):
            places.append(shifted / members + len(places))
    return places


def _edge(way: Sequence[tuple[float, float]], form: Form) -> Markup:
    points, sideways = list(way), form.sideways
    half = (form.width if sideways else form.height) / 2
    (x0, y0), (x1, y1) = points[0], points[-1]
    points[0] = (x0 + half, y0) if sideways else (x0, y0 + half)
    points[-1] = (x1 - half, y1) if sideways else (x1, y1 - half)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        if sideways:
            middle = (ax + bx) / 2
            path += f"C{middle:.1f} {ay:.1f} {middle:.1f} {by:.1f} {bx:.1f} {by:.1f}"
        else:
            middle = (ay + by) / 2
            path += f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}"
    return tag("path", d=path)


def _box(node: Node, centre: tuple[float, float], anchor: str | None, form: Form) -> Markup:
    x, y = centre[0] - form.width / 2, centre[1] - form.height / 2
    kind = node.kind if node.kind in KINDS else "other"
    made = f"made by {node.stage}" if node.stage else "from outside"
    name, ref = _cut(node.stage or "from outside", form.name), node.ref[: form.ref]
    inner = join(
        [
            tag("title", f"{node.ref}, {made}. {node.summary}".strip()),
            tag("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=form.width, height=form.height, rx=7),
            tag("rect", x=f"{x:.1f}", y=f"{y + 8:.1f}", width=3, height=form.height - 16, rx=1.5, class_="stripe"),
            tag("text", name, x=f"{x + 11:.1f}", y=f"{y + 19.5:.1f}", class_="name"),
            tag("text", ref, x=f"{x + 11:.1f}", y=f"{y + 35:.1f}", class_="ref"),
        ]
    )
    group = tag("g", inner, class_=f"node kind-{kind}")
    return tag("a", group, href=f"#{anchor}") if anchor else group


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
