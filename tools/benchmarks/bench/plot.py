"""Recall against time as an SVG: a panel a site, both axes logarithmic."""

from __future__ import annotations

import math
from html import escape

Row = dict[str, object]

WIDTH, HEIGHT = 330, 250  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 40
COLUMNS = 3
LEGEND = 62
# What is missed, from all to none that was seen; exact methods stand at the top.
MISSED = (1.0, 0.1, 0.01, 0.001)
EXACT = 0.0003
COLORS = {
    ("actkin", True): "#c0392b",
    ("actkin", False): "#e67e22",
    ("faiss-cpu", True): "#1f4e79",
    ("faiss-cpu", False): "#5b9bd5",
    ("hnswlib", False): "#2e8b57",
    ("usearch", True): "#6a3d9a",
    ("usearch", False): "#b39ddb",
}


def _value(row: Row, key: str) -> float:
    return float(str(row[key]))


def _series(rows: list[Row]) -> dict[tuple[str, str, bool], list[Row]]:
    series: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        series.setdefault((str(row["library"]), str(row["method"]), bool(row["exact"])), []).append(row)
    return series


def _color(name: tuple[str, str, bool]) -> str:
    if name[0] == "actkin" and "HNSW" in name[1]:
        return "#8c8c00"
    return COLORS.get((name[0], name[2]), "#555555")


def _mark(name: tuple[str, str, bool], x: float, y: float) -> str:
    color = _color(name)
    if not name[2]:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{color}"/>'
    if "Flat" in name[1] and "PCA" not in name[1]:
        style = f'fill="none" stroke="{color}" stroke-width="2"'
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" {style}/>'
    return f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="{color}"/>'


class _Axes:
    """From milliseconds and what is missed to the place in a panel."""

    def __init__(self, times: list[float]):
        self.low = math.floor(math.log10(min(times)) * 2) / 2
        self.high = math.ceil(math.log10(max(times)) * 2 + 1e-9) / 2

    def x(self, ms: float) -> float:
        share = (math.log10(ms) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    @staticmethod
    def y(missed: float) -> float:
        share = math.log10(min(1.0, max(EXACT, missed))) / math.log10(EXACT)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]


def _panel(title: str, rows: list[Row], axes: _Axes) -> str:
    parts = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for missed in (*MISSED, EXACT):
        y = axes.y(missed)
        label = "exact" if missed == EXACT else f"{1 - missed:.3g}".replace("0.", ".")
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for ms in axes.ticks():
        x = axes.x(ms)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{ms:g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">ms a question</text>')
    for name, points in _series(rows).items():
        points = sorted(points, key=lambda row: _value(row, "ms"))
        places = [
            (axes.x(_value(row, "ms")), axes.y(EXACT if row["exact"] else max(1 - _value(row, "recall"), 0.0005)))
            for row in points
        ]
        if len(places) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{_color(name)}" stroke-width="1.5"/>')
        parts += [_mark(name, x, y) for x, y in places]
    return "".join(parts)


def plot(records: list[Row], heading: str) -> str:
    """recall@10: a panel a site and kind of question."""
    rows = [row for row in records if row["k"] == 10 and row["asked"] in ("in", "outside") and not row["error"]]
    panels: dict[str, list[Row]] = {}
    for row in rows:
        words = "in the corpus" if row["asked"] == "in" else "outside"
        panels.setdefault(f"{row['site']}, {words}", []).append(row)
    columns = max(1, min(COLUMNS, len(panels)))
    width = WIDTH * columns
    height = LEGEND + HEIGHT * math.ceil(len(panels) / columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="16" font-size="12">{escape(heading)}</text>',
    ]
    x, y = 10.0, 34.0
    texts = {
        f"{name[0]} {'PCA, Panorama' if 'Panorama' in name[1] else name[1]}": name
        for name in sorted(_series(rows), key=lambda name: (name[0] != "actkin", name[0], not name[2]))
    }
    for text, name in texts.items():
        if x + 22 + 6.2 * len(text) > width:
            x, y = 10.0, y + 16
        parts.append(_mark(name, x + 6, y - 4))
        parts.append(f'<text x="{x + 16}" y="{y}">{escape(text)}</text>')
        x += 30 + 6.2 * len(text)
    if rows:
        axes = _Axes([_value(row, "ms") for row in rows])
        for number, (title, points) in enumerate(panels.items()):
            place = f"translate({number % columns * WIDTH},{LEGEND + number // columns * HEIGHT})"
            parts.append(f'<g transform="{place}">{_panel(title, points, axes)}</g>')
    return "\n".join([*parts, "</svg>", ""])
