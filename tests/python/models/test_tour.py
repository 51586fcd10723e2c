"""The notebook runs from its first cell to its last, and shows what it is to show. What it shows is left in the build
folder, for a look: tour.html and pictures."""

import base64
import html
import os
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parents[3]
TOUR = ROOT / "tools/python/tour.ipynb"
SHOWN = Path(os.environ["ACTKIN_BUILD_FOLDER"]) / "tour"


def outputs_of(notebook, kind):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if kind in output.get("data", {}):
                yield output["data"][kind]


def write_page(notebook):
    """The cells and their outputs, as a notebook shows them."""
    parts = ["<meta charset=utf-8><body style='font-family:sans-serif;max-width:70em;margin:2em auto'>"]
    for cell in notebook.cells:
        parts.append(f"<pre style='background:#f4f4f4;padding:.6em'>{html.escape(cell.source)}</pre>")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                parts.append(data["text/html"])
            elif "image/png" in data:
                parts.append(f"<img src='data:image/png;base64,{data['image/png']}'>")
            else:
                parts.append(f"<pre>{html.escape(output.get('text', data.get('text/plain', '')))}</pre>")
    SHOWN.mkdir(exist_ok=True)
    (SHOWN / "tour.html").write_text("\n".join(parts))
    for number, picture in enumerate(outputs_of(notebook, "image/png")):
        (SHOWN / f"picture-{number}.png").write_bytes(base64.b64decode(picture))


def test_the_notebook(tmp_path, monkeypatch):
    for name in (
        "IPYTHONDIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_CONFIG_DIR",
        "MPLCONFIGDIR",
        "HF_HOME",
    ):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are left out of the file"
    (tmp_path / "work").mkdir()
    client = nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(tmp_path / "work")}})
    client.execute()
    write_page(notebook)
    pages = list(outputs_of(notebook, "text/html"))
    assert sum("linear-gradient" in page for page in pages) >= 3  # bars of what came next
    assert sum("<mark>" in page for page in pages) >= 3  # tokens in their contexts
    assert all("<script" not in page for page in pages)
    pictures = list(outputs_of(notebook, "image/png"))
    assert len(pictures) == 1 and len(pictures[0]) > 30_000
    said = [output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]
    # tqdm would like ipywidgets, for bars that are not shown.
    assert not [text for text in said if "Warning" in text and "TqdmWarning" not in text]
