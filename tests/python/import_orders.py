"""torch, FAISS, NumPy and actkin in one process, imported in any order: all of them answer. Run by the Python that has
them."""

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
for _ in range(3):
    (torch.randn(200, 200) @ torch.randn(200, 200)).sum().item()
    distances, numbers = index.search(rows[:50], k=5)
    flat.reset()
    flat.add(rows)
    theirs, _ = flat.search(rows[:50], 5)
    np.testing.assert_allclose(np.sqrt(np.maximum(theirs, 0)), distances, atol=1e-2)  # theirs cancel in float32
    np.linalg.svd(rows[:40])
    assert index.sql("SELECT count(*) FROM actkin_predict('abba c', 'inverse_distance', 5)")[0][0] > 0
"""

for order in itertools.permutations(("torch", "faiss", "actkin")):
    script = "".join(f"import {module}\n" for module in order) + ASK
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, env=os.environ)
    if done.returncode != 0:
        sys.exit(f"{order}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
print("in every order: all as expected")
