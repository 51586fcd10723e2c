"""torch, FAISS, hnswlib, NumPy and actkin in one process, imported in any order: all of them answer, with the OpenMP
runtimes that they bring side by side. Run by the Python that has them."""

import itertools
import os
import subprocess
import sys

ASK = """
import os
import numpy as np
index = actkin.open(os.path.join(os.environ["ACTKIN_SQL_FOLDER"], "made.actkin"))
rows = np.array(index.rows())
flat = faiss.IndexFlatL2(rows.shape[1])
flat.add(rows)
graph = hnswlib.Index(space="l2", dim=rows.shape[1])
graph.init_index(max_elements=len(rows), ef_construction=100, M=16)
graph.add_items(rows)
graph.set_ef(len(rows))
for _ in range(2):
    (torch.randn(200, 200) @ torch.randn(200, 200)).sum().item()
    distances, numbers = index.search(rows[:50], k=5)
    theirs, _ = flat.search(rows[:50], 5)
    np.testing.assert_allclose(np.sqrt(np.maximum(theirs, 0)), distances, atol=1e-2)  # theirs cancel in float32
    _, squared = graph.knn_query(rows[:50], k=5)
    np.testing.assert_allclose(np.sqrt(squared), distances, rtol=1e-4, atol=1e-4)
    np.linalg.svd(rows[:40])
    assert index.sql("SELECT count(*) FROM actkin_predict('abba c', 'inverse_distance', 5)")[0][0] > 0
"""
MODULES = ("torch", "faiss", "hnswlib", "actkin")


def orders():
    """Half of all: those of an even number of exchanges, among which any two modules stand at any two places once."""
    for order in itertools.permutations(range(len(MODULES))):
        exchanges = sum(later < earlier for earlier, later in itertools.combinations(order, 2))
        if exchanges % 2 == 0:
            yield [MODULES[number] for number in order]


# Threads that wait sleep: on a machine that is busy, each runtime's would keep the others' from running.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}

for count, names in enumerate(orders()):
    # The others bring NumPy: it comes before the first, or after as many as the turn says.
    names.insert(count % (len(MODULES) + 1), "numpy")
    script = "".join(f"import {module}\n" for module in names) + ASK
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    if done.returncode != 0:
        sys.exit(f"{names}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
print("in each order: all as expected")
