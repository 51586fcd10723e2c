"""Tables as text and as HTML. Texts come from anybody's corpus: none reaches a terminal or a page as it is."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import Any

_MOST_ROWS = 30
_MOST_TOKENS = 5  # of the next tokens of one row
_WIDEST = 60  # characters of a text


def visible(text: str) -> str:
    """Without line breaks, control characters, or what changes the direction of writing."""
    shown = []
    for character in text:
        if character == "\n":
            shown.append("\\n")
        elif character == "\t":
            shown.append("\\t")
        elif unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            code = ord(character)
            shown.append(f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}")
        else:
            shown.append(character)
    return "".join(shown)


def quoted(text: str) -> str:
    return '"' + visible(text).replace('"', '\\"') + '"'


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "\u2026"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return _short(quoted(value) if name in ("text", "token") else visible(value))
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, list):
        if name == "next_tokens":
            more = f" +{len(value) - _MOST_TOKENS}" if len(value) > _MOST_TOKENS else ""
            return ", ".join(f"{quoted(one.token)} {one.count}" for one in value[:_MOST_TOKENS]) + more
        if name == "distances":  # the medians
            return ", ".join(f"{visible(one.pairs)} {one.distance:.3g}" for one in value if one.quantile == 0.5)
        return ", ".join(_cell("", one) for one in value)
    return str(value) if name == "context" else _short(visible(str(value)))  # a context shows itself


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    combining = sum(unicodedata.combining(character) != 0 for character in text)
    return len(text) + wide - combining


def as_text(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str, notes: Sequence[str]) -> str:
    shown = rows[:_MOST_ROWS]
    used = _used_columns(columns, shown)
    cells = [[_cell(columns[at], row[at]) for at in used] for row in shown]
    right = [all(_is_number(row[at]) or row[at] is None for row in shown) and bool(shown) for at in used]
    names = [visible(columns[at]) for at in used]
    widths = [max([_width(name)] + [_width(row[i]) for row in cells]) for i, name in enumerate(names)]

    def line(parts: Sequence[str]) -> str:
        padded = []
        for part, width, to_the_right in zip(parts, widths, right):
            space = " " * (width - _width(part))
            padded.append(space + part if to_the_right else part + space)
        return "  ".join(padded).rstrip()

    lines = [visible(title)] if title else []
    lines.append(line(names))
    lines.extend(line(row) for row in cells)
    if len(rows) > len(shown):
        lines.append(f"... {len(rows) - len(shown):,} more")
    lines.extend(visible(note) for note in notes)
    return "\n".join(lines)


def _used_columns(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[int]:
    """All but those that nobody asked for, or that rows of this kind do not have."""
    optional = (
        "similarity",
        "next_tokens",
        "string_id",
        "position",
        "document_id",
        "document",
        "context",
        "window",
        "stride",
        "mean_length",
        "median_length",
        "longest",
        "long_share",
        "cosine",
        "centered_cosine",
        "worth_centering",
        "distances",
        "sketch_levels",
    )
    return [
        at
        for at, name in enumerate(columns)
        if name not in optional or any(row[at] is not None and row[at] != [] for row in rows)
    ]


def _code(page: str) -> str:
    """What is a page already, its spaces as they are."""
    return f'<code style="white-space:pre-wrap">{page}</code>'


def _bar(share: float, label: str) -> str:
    width = min(max(share, 0.0), 1.0) * 100
    return (
        '<span style="display:inline-block;position:relative;min-width:8em;padding:0 .3em;margin-right:.3em;'
        f'background:linear-gradient(to right,rgba(70,130,180,.35) {width:.1f}%,transparent {width:.1f}%)">'
        f"{label}</span>"
    )


def _html_cell(name: str, value: Any) -> str:
    if name == "next_tokens" and isinstance(value, list):
        bars = [
            _bar(one.probability, f"{_code(html.escape(_short(quoted(one.token))))} {one.count}")
            for one in value[:_MOST_TOKENS]
        ]
        more = f"+{len(value) - _MOST_TOKENS}" if len(value) > _MOST_TOKENS else ""
        return "".join(bars) + more
    if name == "probability" and isinstance(value, float):
        return _bar(value, html.escape(_cell(name, value)))
    if name == "context" and value is not None:
        return context_html(value.before, value.token, value.after)
    text = html.escape(_cell(name, value))
    return _code(text) if name in ("text", "token") else text


def as_html(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str, notes: Sequence[str]) -> str:
    shown = rows[:_MOST_ROWS]
    used = _used_columns(columns, shown)
    parts = ["<table>"]
    if title:
        parts.append(f'<caption style="text-align:left">{html.escape(visible(title))}</caption>')
    head = "".join(f'<th style="text-align:left">{html.escape(visible(columns[at]))}</th>' for at in used)
    parts.append(f"<thead><tr>{head}</tr></thead><tbody>")
    for row in shown:
        cells = "".join(f'<td style="text-align:left">{_html_cell(columns[at], row[at])}</td>' for at in used)
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table>")
    if len(rows) > len(shown):
        parts.append(f"<p>{len(rows) - len(shown):,} more</p>")
    parts.extend(f"<p>{html.escape(visible(note))}</p>" for note in notes)
    return "".join(parts)


def context_html(before: str, token: str, after: str) -> str:
    marked = f"<mark>{html.escape(visible(token))}</mark>"
    return _code(f"{html.escape(visible(before))}{marked}{html.escape(visible(after))}")
