"""Asks this project and its peers the same questions over the same rows. tools/bench runs it."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

import actkin
from actkin import _actkin
from bench import data, machine, measure, peers, plot, table

BATCH = 20_000
Result = dict[str, object]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="This project beside the newest releases of its peers, one thread each, on the same rows.",
    )
    commas = {"type": lambda text: text.split(","), "metavar": "A,B"}
    parser.add_argument("input", nargs="*", type=Path, help="index directories, or .npy, .fvecs, .hdf5 files of rows")
    parser.add_argument(
        "--full", action="store_true", help="all rows of every site, k 1000, and 20,000 questions at once"
    )
    parser.add_argument("--rows", type=int, default=0, help="so many rows of a site (default: 100,000; --full: all)")
    parser.add_argument("--sites", default=[], help="STREAM/BLOCK of the directories, such as proj/0,ffwd/5", **commas)
    parser.add_argument(
        "--questions", type=Path, help="a directory of another text by the same model: its rows are asked as well"
    )
    parser.add_argument("--generate", default=[], help="also rows made here: gaussian,clustered,call", **commas)
    parser.add_argument("--peers", default=list(peers.PEERS), help=",".join(peers.PEERS), **commas)
    parser.add_argument(
        "--graphs", metavar="A,B", type=lambda text: text.split(","), help="of these sites alone: minutes each"
    )
    parser.add_argument(
        "--threads", type=int, default=machine.cores(), help="for building, and for many questions at once"
    )
    parser.add_argument("--json", type=Path, help="write everything there")
    parser.add_argument("--plot", type=Path, help="write recall against time there, as SVG")
    parser.add_argument("--again", action="store_true", help="measure sites again that were measured")
    parser.add_argument("--kept", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--command", type=Path, required=True, help=argparse.SUPPRESS)
    flags = parser.parse_args(arguments)
    for name, known in (("peers", list(peers.PEERS)), ("generate", [*data.GENERATED, "call"])):
        for value in getattr(flags, name):
            if value not in known:
                parser.error(f"--{name} {value}: expected {', '.join(known)}")
    if not flags.input and not flags.generate:
        parser.error("give an index directory, a file of rows, or --generate")
    return flags


def datasets(flags: argparse.Namespace) -> Iterator[data.Dataset]:
    imports = data.Imports(flags.kept, flags.command)
    for path in flags.input:
        if path.is_dir():
            for site in data.sites_of(path, names=flags.sites, outside=flags.questions):
                yield _part(flags, imports, site)
        else:
            rows, questions = data.read_matrices(path)
            yield imports.dataset(path.stem, rows[: flags.rows or None], questions)
    for kind in flags.generate:
        if kind == "call":
            yield imports.dataset("call", data.generate("gaussian", 32, 384), None)
        else:
            yield imports.dataset(kind, data.generate(kind, (flags.rows or 100_000) + data.HELD_OUT, 128), None)


def _part(flags: argparse.Namespace, imports: data.Imports, site: data.Dataset) -> data.Dataset:
    """A site, or so many of its rows, evenly spaced, as a directory of their own."""
    limit = flags.rows or (0 if flags.full else 100_000)
    if limit == 0 or site.shape[0] <= limit:
        return site
    with actkin.open(site.directory) as index:
        rows = site.rows(index)[np.linspace(0, site.shape[0] - 1, limit).astype(np.int64)]
    name = site.name.replace(" ", "-").replace("/", "-")
    questions = site.outside if site.outside is not None else rows[:0]
    part = imports.dataset(name, rows, questions)
    part.name = f"{site.name}, {limit:,} rows"
    return part


def add_graph(flags: argparse.Namespace, site: data.Dataset) -> None:
    """Our own HNSW, where the directory is the benchmark's."""
    asked = "actkin-hnsw" in names_of_peers(flags, site) and flags.kept in site.directory.parents
    if not asked or "HNSW16" in site.indices:
        return
    place = ["--stream", site.stream, "--block", site.block]
    data.run(flags.command, "index", site.directory, "--add", "HNSW16", "--param", "efConstruction=200", *place)
    site.indices.append("HNSW16")


def measure_site(flags: argparse.Namespace, site: data.Dataset, say: measure.Callable[[str], None]) -> Result:
    add_graph(flags, site)
    with actkin.open(site.directory) as index:
        rows = site.rows(index)
        say(f"{len(rows):,} x {rows.shape[1]}: building the peers")
        methods, skipped = peers.make(names_of_peers(flags, site), rows, site, index, flags.threads)
        records = []
        for asked, questions in site.questions(rows).items():
            records += measure.ask_by_turns(site.name, asked, methods, rows, questions, 10, say)
        exact = [method for method in methods if method.exact]
        if flags.full and len(rows) >= 10_000:
            for asked, questions in site.questions(rows).items():
                records += measure.ask_by_turns(site.name, asked, exact, rows, questions, 1000, say, rounds=2)
            say("many questions at once")
            many = rows[np.random.default_rng(4).choice(len(rows), BATCH, replace=len(rows) < BATCH)]
            at_once = [method for method in exact if method.batch]
            records += measure.ask_at_once(site.name, at_once, rows, many, 10, flags.threads, 3)
        return {
            "site": site.name,
            "rows": len(rows),
            "dimension": rows.shape[1],
            "read_all_ms": measure.time_to_read(rows),
            "command_ms": command_ms(flags, site, index),
            "skipped": skipped,
            "records": measure.as_json(records),
        }


def command_ms(flags: argparse.Namespace, site: data.Dataset, index: actkin.Index) -> float | None:
    """The median of whole processes of `actkin query`; None where the directory has no model, or no strings' rows."""
    if site.t_i is None or index.info.model is None:
        return None
    length = site.t_i + 1
    texts = index.sql("SELECT text FROM string WHERE length = ? LIMIT 2000", (length,))
    times = []
    for row in texts[::100]:
        asked = [flags.command, "query", site.directory, row[0], "--stream", site.stream, "--block", str(site.block)]
        begin = time.perf_counter()
        subprocess.run(asked, capture_output=True, check=True)
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times)) if times else None


def names_of_peers(flags: argparse.Namespace, site: data.Dataset) -> list[str]:
    graphs = flags.graphs is None or f"{site.stream}/{site.block}" in flags.graphs
    return [name for name in flags.peers if graphs or name not in peers.GRAPHS]


def stamp(flags: argparse.Namespace, site: data.Dataset) -> Result:
    """What a result is of: another module, peer or choice measures anew."""
    module = hashlib.sha256(Path(str(_actkin.__file__)).read_bytes()).hexdigest()[:16]
    return {
        "versions": peers.versions(),
        "module": module,
        "peers": names_of_peers(flags, site),
        "full": flags.full,
        "threads": flags.threads,
    }


def run(flags: argparse.Namespace) -> int:
    flags.kept.mkdir(parents=True, exist_ok=True)
    flags.kept = flags.kept.resolve()
    begin = time.monotonic()
    results: list[Result] = []
    for site in datasets(flags):
        site.kept = flags.kept
        file = flags.kept / f"{site.file_name}.json"
        of = stamp(flags, site)
        if file.exists() and not flags.again:
            kept = json.loads(file.read_text())
            if kept["of"] == of:
                print(f"{site.name}: measured before; --again measures it again", file=sys.stderr)
                results.append(kept["result"])
                continue

        def say(text: str, name: str = site.name) -> None:
            print(f"[{time.monotonic() - begin:.0f} s] {name}: {text}", file=sys.stderr, flush=True)

        result = measure_site(flags, site, say)
        result["of"], result["load"] = of, machine.describe()["load"]
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps({"of": of, "result": result}))
        partial.rename(file)
        results.append(result)
    return report(flags, results)


def report(flags: argparse.Namespace, results: list[Result]) -> int:
    described = machine.describe()
    records = [record for result in results for record in result["records"]]  # type: ignore[attr-defined]
    heading = f"{machine.in_words(described)}; {date.today()}; " + ", ".join(
        f"{name} {version}" for name, version in peers.versions().items()
    )
    print(f"{heading}\n\n{table.table(records)}\n\nWhere a peer is faster:\n\n{table.losses(records)}")
    for result in results:
        for peer, reason in result["skipped"].items():  # type: ignore[attr-defined]
            print(f"{peer} skipped at {result['site']}: {reason}", file=sys.stderr)
    if flags.json:
        whole = {"date": str(date.today()), "machine": described, "versions": peers.versions(), "sites": results}
        flags.json.write_text(json.dumps(whole, indent=1) + "\n")
    if flags.plot:
        shown = [record for record in records if not record["site"].startswith("call")]
        flags.plot.write_text(plot.plot(shown, heading))
    return 1 if any(record["error"] for record in records) else 0


def main() -> int:
    flags = parse(sys.argv[1:])
    status = [1]
    failure: list[BaseException] = []

    # Beside the first thread: on that one every search of ours would start another, which hears Ctrl-C.
    def work() -> None:
        try:
            status[0] = run(flags)
        except Exception as error:
            failure.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join()
    if failure and isinstance(failure[0], (actkin.Error, ValueError, RuntimeError, OSError)):
        print(f"tools/bench: {failure[0]}", file=sys.stderr)
    elif failure:
        raise failure[0]
    return status[0]


if __name__ == "__main__":
    sys.exit(main())
