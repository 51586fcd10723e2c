"""The records as one table, and the losses as another."""

from __future__ import annotations

from collections.abc import Iterable

Row = dict[str, object]
GOALS = (0.95, 0.99)


def _groups(records: list[Row]) -> list[tuple[tuple[str, str, int], list[Row]]]:
    """By site, kind of question and k, in order."""
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for record in records:
        key = (str(record["site"]), str(record["asked"]), int(str(record["k"])))
        groups.setdefault(key, []).append(record)
    return list(groups.items())


def _number(row: Row, key: str) -> float:
    return float(str(row[key]))


def chosen(group: Iterable[Row]) -> list[Row]:
    """The exact ones; of each approximate method the fastest setting at each of GOALS, or its best where it reaches
    none. Fastest first."""
    group = list(group)
    rows = [row for row in group if row["exact"]]
    families: dict[tuple[object, object], list[Row]] = {}
    for row in group:
        if not row["exact"]:
            families.setdefault((row["library"], row["method"]), []).append(row)
    for family in families.values():
        fit = [
            min(reaching, key=lambda row: _number(row, "ms"))
            for goal in GOALS
            if (reaching := [row for row in family if _number(row, "recall") >= goal])
        ]
        best = max(family, key=lambda row: (_number(row, "recall"), -_number(row, "ms")))
        rows += [row for i, row in enumerate(fit or [best]) if row not in (fit or [best])[:i]]
    return sorted(rows, key=lambda row: _number(row, "ms"))


def milliseconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(records: list[Row]) -> str:
    """Markdown: a row a method, and how many times ours takes it."""
    lines = [
        "| site, questions | method | ms | recall@k | times our exact search |",
        "|---|---|---|---|---|",
    ]
    for (site, asked, k), group in _groups(records):
        ours = next((row for row in group if row["library"] == "actkin" and row["exact"]), None)
        for row in chosen(group):
            ratio = f"{_number(row, 'ms') / _number(ours, 'ms'):.2f}" if ours else ""
            text = " ".join(str(row[key]) for key in ("library", "method", "setting") if row[key])
            if row["error"]:
                lines.append(f"| {site}, {asked}, k {k} | {text} | ERROR: {row['error']} | | |")
                continue
            recall = "exact" if row["exact"] else f"{_number(row, 'recall'):.3f}"
            lines.append(
                f"| {site}, {asked}, k {k} | {text} | {milliseconds(_number(row, 'ms'))} | {recall} | {ratio} |"
            )
    return "\n".join(lines)


def losses(records: list[Row]) -> str:
    """A row where a peer is faster than anything of ours that finds as many."""
    lines = [
        "| site, questions | peer | ms | recall@k | ours at that recall | ms | slower |",
        "|---|---|---|---|---|---|---|",
    ]
    for (site, asked, k), group in _groups(records):
        ours = [row for row in group if row["library"] == "actkin" and not row["error"]]
        for peer in chosen(row for row in group if row["library"] != "actkin" and not row["error"]):
            as_good = [row for row in ours if row["exact"] or _number(row, "recall") >= _number(peer, "recall")]
            as_good = [row for row in as_good if row["exact"] or not peer["exact"]]
            if not as_good:
                continue
            best = min(as_good, key=lambda row: _number(row, "ms"))
            if _number(peer, "ms") < _number(best, "ms"):
                recall = "exact" if peer["exact"] else f"{_number(peer, 'recall'):.3f}"
                lines.append(
                    f"| {site}, {asked}, k {k} | {peer['library']} {peer['method']} {peer['setting']} "
                    f"| {milliseconds(_number(peer, 'ms'))} | {recall} | {best['method']} {best['setting']} "
                    f"| {milliseconds(_number(best, 'ms'))} | {_number(best, 'ms') / _number(peer, 'ms'):.2f} |"
                )
    return "\n".join(lines) if len(lines) > 2 else "no peer is faster at the same recall"
