"""torch beside actkin in one process: tensors in, tensors out. Run by the Python that has torch."""

import os
import sys

import numpy as np

try:
    import torch
except ImportError:
    sys.exit("this Python has no torch: python3-torch is among the packages that tools/install-packages installs")

# The module is built for the environment's Python, which is Debian's as well; its site-packages are not looked at.
import actkin

index = actkin.open(os.path.join(os.environ["ACTKIN_SQL_FOLDER"], "made.actkin"))
rows = np.array(index.rows()[:6])
expected = index.search(rows, k=4)

for tensor in (
    torch.from_numpy(rows),
    torch.from_numpy(rows).double(),
    torch.from_numpy(rows).t().contiguous().t(),
    torch.from_numpy(np.repeat(rows, 2, axis=0))[::2],
    torch.from_numpy(rows).requires_grad_(),
):
    found = index.search(tensor, k=4)
    assert isinstance(found.distances, torch.Tensor) and isinstance(found.rows, torch.Tensor)
    assert found.rows.dtype == torch.int64 and found.distances.dtype == torch.float64
    np.testing.assert_array_equal(found.rows.numpy(), expected.rows)
    np.testing.assert_array_equal(found.distances.numpy(), expected.distances)
for kind in (torch.float16, torch.bfloat16):
    found = index.search(torch.from_numpy(rows).to(kind), k=4)
    same = index.search(torch.from_numpy(rows).to(kind).float(), k=4)
    assert torch.equal(found.rows, same.rows) and torch.equal(found.distances, same.distances)
np.testing.assert_array_equal(index.ids(torch.from_numpy(expected.rows)), index.ids(expected.rows))
np.testing.assert_array_equal(np.asarray(index.rows())[expected.rows[0]], index.rows()[expected.rows[0]])
assert index.neighbors(vector=torch.from_numpy(rows[0])) == index.neighbors(vector=rows[0])
blob = index.sql("SELECT string_id FROM actkin_neighbors_of(?, 'ffwd', 1, 5) LIMIT 1", [torch.from_numpy(rows[2])])
assert blob[0][0] == index.ids(2)
for wrong in (torch.zeros(1, 12, dtype=torch.complex64), torch.zeros(1, 12, dtype=torch.bool)):
    try:
        index.search(wrong)
    except (TypeError, ValueError):
        continue
    sys.exit(f"{wrong.dtype} was taken")

# Both have threads of their own, and work side by side.
for _ in range(5):
    torch.randn(300, 300) @ torch.randn(300, 300)
    np.testing.assert_array_equal(index.search(rows, k=4).rows, expected.rows)
torch.nn.functional.linear(torch.randn(4, 12), torch.randn(3, 12, requires_grad=True)).sum().backward()
print("with torch: all as expected")
