"""Everything that is asked: ours and the peers, behind one face.

A Method is one index with one setting, and answers one question, or many, by one thread or by several.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import actkin
from bench.data import Dataset

EFS = (10, 16, 32, 64, 128, 256, 512)
ROWS = (1000, 4000, 16000, 64000)


class Unavailable(Exception):
    """Why a peer cannot be had, or cannot hold this site."""


@dataclass
class Method:
    """ask(questions, k, threads): row numbers, count x k; -1 where fewer were found."""

    library: str  # ours, or a package's name
    name: str  # what of it
    exact: bool
    setting: str  # of an approximate one: "ef=64"
    ask: Callable[[np.ndarray, int, int], np.ndarray]
    build_seconds: float | None = None
    batch: bool = False  # whether it is asked many questions at once, too


def _built(
    dataset: Dataset,
    name: str,
    build: Callable[[], Any],
    save: Callable[[Any, str], object],
    load: Callable[[str], Any],
) -> tuple[Any, float]:
    """A graph, and the seconds that its build took: minutes, so it is kept for a run that is made again."""
    if dataset.kept is None:
        begin = time.perf_counter()
        return build(), time.perf_counter() - begin
    file = dataset.kept / f"{dataset.file_name}.{name}"
    seconds = Path(f"{file}.seconds")
    if seconds.exists():
        return load(str(file)), float(seconds.read_text())
    begin = time.perf_counter()
    graph = build()
    spent = time.perf_counter() - begin
    save(graph, str(file))
    seconds.write_text(str(spent))
    return graph, spent


# What is built of a site, by name; which of them a run has is --peers.
def ours(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    """Exact, and stopped early: no build but the sketches that a site has anyway."""

    def asking(params: str = "", name: str = "exact") -> Callable[[np.ndarray, int, int], np.ndarray]:
        def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
            return index.search(
                questions,
                stream=dataset.stream,
                block=dataset.block,
                t_i=dataset.t_i,
                rows="positions" if dataset.t_i is None else "strings",
                k=k,
                index=name,
                params=params,
                threads=threads,
            )[1]

        return ask

    methods = [Method("actkin", "exact", True, "", asking(), batch=True)]
    for setting in [f"rows={count}" for count in ROWS] + ["recall=0.99"]:
        try:
            asking(setting)(rows[:1], 1, 1)
        except actkin.Error:
            continue  # this site's sketches have no such table
        methods.append(Method("actkin", "exact, stopped early", False, setting, asking(setting)))
    for graph in dataset.indices:
        if graph.startswith("HNSW"):
            methods += [Method("actkin", graph, False, f"ef={ef}", asking(f"efSearch={ef}", graph)) for ef in EFS]
    return methods


def faiss_exact(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    """Flat reads everything; Panorama orders the axes and leaves rows out."""
    flat = _faiss("Flat", rows, threads)
    # Its levels are of equal length.
    levels = next((count for count in (16, 8, 4, 2) if rows.shape[1] % count == 0), 0)
    methods = [flat]
    if levels and len(rows) >= rows.shape[1]:
        methods.append(_faiss(f"PCA{rows.shape[1]},FlatL2Panorama{levels}", rows, threads))
    return methods


def faiss_hnsw(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    import faiss

    def build() -> Any:
        faiss.omp_set_num_threads(threads)
        graph = faiss.IndexHNSWFlat(rows.shape[1], 16)
        graph.hnsw.efConstruction = 200
        graph.add(rows)
        return graph

    graph, seconds = _built(dataset, "faiss-hnsw", build, faiss.write_index, faiss.read_index)

    def asking(ef: int) -> Callable[[np.ndarray, int, int], np.ndarray]:
        def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
            faiss.omp_set_num_threads(threads)
            graph.hnsw.efSearch = ef
            return graph.search(questions, k)[1]

        return ask

    return [Method("faiss-cpu", "HNSW16", False, f"ef={ef}", asking(ef), seconds) for ef in EFS]


def hnswlib_graph(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    import hnswlib

    def build() -> Any:
        graph = hnswlib.Index("l2", rows.shape[1])
        graph.init_index(max_elements=len(rows), ef_construction=200, M=16)
        graph.add_items(rows, num_threads=threads)
        return graph

    def load(file: str) -> Any:
        graph = hnswlib.Index("l2", rows.shape[1])
        graph.load_index(file)
        return graph

    graph, seconds = _built(dataset, "hnswlib", build, hnswlib.Index.save_index, load)

    def asking(ef: int) -> Callable[[np.ndarray, int, int], np.ndarray]:
        def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
            graph.set_ef(max(ef, k))
            return graph.knn_query(questions, k, num_threads=threads)[0].astype(np.int64)

        return ask

    return [Method("hnswlib", "HNSW, M 16", False, f"ef={ef}", asking(ef), seconds) for ef in EFS]


def usearch_exact(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    from usearch.index import MetricKind, search

    def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
        asked = questions[0] if len(questions) == 1 else questions
        found = search(rows, asked, k, MetricKind.L2sq, exact=True, threads=threads)
        return found.keys.astype(np.int64).reshape(len(questions), -1)

    return [Method("usearch", "exact", True, "", ask)]


def usearch_hnsw(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    from usearch.index import Index

    def build() -> Any:
        graph = Index(ndim=rows.shape[1], metric="l2sq", dtype="f32", connectivity=16, expansion_add=200)
        graph.add(np.arange(len(rows)), rows, threads=threads, copy=True)
        return graph

    graph, seconds = _built(dataset, "usearch-hnsw", build, Index.save, Index.restore)

    def asking(ef: int) -> Callable[[np.ndarray, int, int], np.ndarray]:
        def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
            graph.expansion_search = ef
            return np.asarray(graph.search(questions, k, threads=threads).keys, dtype=np.int64).reshape(
                len(questions), -1
            )

        return ask

    return [Method("usearch", "HNSW, M 16", False, f"ef={ef}", asking(ef), seconds) for ef in EFS]


def pdx(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    raise Unavailable("has no package on PyPI")


def actkin_hnsw(rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int) -> list[Method]:
    """Asked among ours, where the directory has it: see add_graph."""
    return []


def _faiss(factory: str, rows: np.ndarray, threads: int) -> Method:
    import faiss

    faiss.omp_set_num_threads(threads)
    begin = time.perf_counter()
    built = faiss.index_factory(rows.shape[1], factory)
    if not built.is_trained:
        built.train(rows[:: max(1, len(rows) // 100_000)])
    built.add(rows)
    seconds = time.perf_counter() - begin

    def ask(questions: np.ndarray, k: int, threads: int) -> np.ndarray:
        faiss.omp_set_num_threads(threads)
        return built.search(questions, k)[1]

    return Method("faiss-cpu", factory, True, "", ask, seconds, batch=True)


GRAPHS = ("actkin-hnsw", "faiss-hnsw", "hnswlib", "usearch-hnsw")
PEERS: dict[str, Callable[[np.ndarray, Dataset, actkin.Index, int], list[Method]]] = {
    "actkin-hnsw": actkin_hnsw,
    "faiss": faiss_exact,
    "faiss-hnsw": faiss_hnsw,
    "hnswlib": hnswlib_graph,
    "usearch": usearch_exact,
    "usearch-hnsw": usearch_hnsw,
    "pdx": pdx,
}


def make(
    names: list[str], rows: np.ndarray, dataset: Dataset, index: actkin.Index, threads: int
) -> tuple[list[Method], dict[str, str]]:
    """Ours and the named peers' methods, and why others are not there."""
    methods = ours(rows, dataset, index, threads)
    skipped = {}
    for name in names:
        try:
            methods += PEERS[name](rows, dataset, index, threads)
        except (Unavailable, ImportError) as error:
            skipped[name] = str(error)
    return methods, skipped


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {"actkin": actkin.__version__}
    for package in ("faiss-cpu", "hnswlib", "usearch", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
