"""Recorder and record: torch models by forward hooks. Run by the Python that has torch."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError:
    sys.exit("this Python has no torch: python3-torch is among the packages that tools/install-packages installs")

import actkin

WINDOW, STRIDE, WIDTH = 8, 3, 6
TEXTS = [chr(ord("a") + i) for i in range(7)]


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return (x + self.mlp(x.cumsum(1)), None)  # as a decoder's block, with what it keeps


class Model(torch.nn.Module):
    """Whose outputs depend on all tokens before."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embed = torch.nn.Embedding(len(TEXTS), WIDTH)
        self.layers = torch.nn.ModuleList([Block() for _ in range(2)])

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)[0]
        return x


MODULES = {"ffwd": "layers.*.mlp", "residual": "layers.*", "embedding": "embed"}


def make_documents():
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(0, len(TEXTS), (count,), generator=generator).tolist() for count in (23, 5, 8, 1, 40)]


def expected_rows(model, documents):
    """Each position by itself: of the first window that sees it with at least WINDOW - STRIDE tokens before it."""
    found = {("ffwd", 0): [], ("ffwd", 1): [], ("residual", 0): [], ("residual", 1): []}
    for document in documents:
        for position in range(len(document)):
            begin = 0
            while not (position < begin + WINDOW and position - begin >= min(WINDOW - STRIDE, position)):
                begin += STRIDE
            x = model.embed(torch.tensor([document[begin : begin + WINDOW]]))
            for block, layer in enumerate(model.layers):
                found["ffwd", block].append(layer.mlp(x.cumsum(1))[0, position - begin])
                x = layer(x)[0]
                found["residual", block].append(x[0, position - begin])
    return {place: torch.stack(rows).detach().numpy() for place, rows in found.items()}


def check_record(folder):
    model, documents = Model(), make_documents()
    out = folder / "mine.actkin"
    index = actkin.record(model, TEXTS, documents, out=out, modules=MODULES, window=WINDOW, stride=STRIDE, batch_size=2)
    for (stream, block), rows in expected_rows(model, documents).items():
        np.testing.assert_allclose(index.rows(stream, block, rows="positions"), rows, atol=1e-5)
    assert index.info.tokens == sum(map(len, documents)) and len(index.documents) == len(documents)
    assert index.verify().sound and not Path(f"{out}.recording").exists()
    assert model.training and not model.layers[0].mlp._forward_hooks
    found = index.neighbors(position=3, stream="residual", block=1, rows="positions", k=2)
    assert (found[0].position, found[0].distance) == (3, 0)

    # Prompts go through the hooks: the beginning of a document has the row of its position.
    for opened in (index, actkin.open(out, model=model, tokenizer=TEXTS)):
        for stream, block in (("ffwd", 1), ("resid_post", 0), ("embed", 0)):
            found = opened.neighbors(documents[0][:6], stream=stream, block=block, k=1)
            assert found[0].distance < 1e-5 and (stream == "embed" or found[0].position == 5)
        assert opened.neighbors(documents[0], at=5, k=1)[0].position == 5
        assert len(opened.neighbors([documents[0][:3], documents[1][:2]], k=2)) == 2
    try:
        actkin.open(out).neighbors(documents[0][:6])
        raise AssertionError("a directory without a model was asked")
    except actkin.Error:
        pass
    return index


def check_parts_and_kills(folder, whole):
    model, documents = Model(), make_documents()
    out = folder / "parts.actkin"
    options = {"out": out, "modules": MODULES, "window": WINDOW, "stride": STRIDE, "batch_size": 2, "progress": False}
    assert actkin.record(model, TEXTS, documents, shard=(1, 2), **options) is None
    os.environ.update(RANK="0", WORLD_SIZE="2")
    index = actkin.record(model, TEXTS, documents, shard="auto", **options)
    np.testing.assert_array_equal(index.rows("ffwd", 1, rows="positions"), whole.rows("ffwd", 1, rows="positions"))

    # Killed in the middle, it continues.
    class Killed(Exception):
        pass

    calls = 0

    def kill(module, inputs):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Killed

    options["out"] = folder / "killed.actkin"
    handle = model.register_forward_pre_hook(kill)
    try:
        actkin.record(model, TEXTS, documents, **options)
        raise AssertionError("it was not killed")
    except Killed:
        pass
    assert not options["out"].exists()
    assert model.training and not model.layers[0].mlp._forward_hooks
    again = actkin.record(model, TEXTS, documents, **options)
    handle.remove()
    np.testing.assert_array_equal(again.rows("ffwd", 1, rows="positions"), whole.rows("ffwd", 1, rows="positions"))
    try:
        actkin.Recorder(folder / "other.actkin", tokenizer=TEXTS, documents=[[1]])
        actkin.Recorder(folder / "other.actkin", tokenizer=TEXTS, documents=[[2]])
        raise AssertionError("other tokens were taken")
    except actkin.InvalidArgumentError as error:
        assert "begun with other tokens" in str(error)


def check_a_kill_of_the_process(folder, whole):
    """By a signal that nobody catches, at any moment."""
    out = folder / "signal.actkin"
    command = [sys.executable, __file__, "record", str(out)]
    for seconds in (1.5, 2.0):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=300)
    with actkin.open(out) as index:
        np.testing.assert_array_equal(index.rows("ffwd", 0, rows="positions"), whole.rows("ffwd", 0, rows="positions"))


def check_parts_at_once(folder, whole):
    """By processes that torchrun or Slurm starts together: one of them imports, whichever ends last."""
    for name, variables in (
        ("torchrun", ("RANK", "WORLD_SIZE")),
        ("srun", ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")),
        ("array", ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")),
    ):
        out = folder / f"{name}.actkin"
        environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
        children = []
        for number in range(3):
            numbered = dict(zip(variables, (str(number), "3")))
            children.append(subprocess.Popen([sys.executable, __file__, "record", str(out), "auto"],
                                             stderr=subprocess.PIPE, env={**environment, **numbered}))  # fmt: skip
        for child in children:
            _, said = child.communicate(timeout=300)
            assert child.returncode == 0, said.decode()
        assert not Path(f"{out}.recording").exists()
        with actkin.open(out) as index:
            assert index.verify().sound
            for place in (("ffwd", 1), ("residual", 0)):
                np.testing.assert_array_equal(
                    index.rows(*place, rows="positions"), whole.rows(*place, rows="positions")
                )


def check_recorder(folder):
    rows = torch.randn(5, 4)
    for kind, element in ((torch.float32, "float32"), (torch.float16, "float16"), (torch.bfloat16, "float32")):
        out = folder / f"{kind}.actkin"
        with actkin.Recorder(
            out, tokenizer=TEXTS, documents=[[0, 1, 2], [3, 4]], document_names=["a", "b"]
        ) as recorder:
            recorder.write("resid_mid", 7, 3, rows[3:].to(kind))
            assert recorder.missing("resid_mid", 7).tolist() == [0, 1, 2]
            assert not recorder.whole
            recorder.write("resid_mid", 7, 0, rows[:3].to(kind))
            recorder.write("mine", 0, 0, rows[:, :2])
        with recorder.open() as index:
            np.testing.assert_array_equal(index.rows("resid_mid", 7, rows="positions"), rows.to(kind).float().numpy())
            assert [document.name for document in index.documents] == ["a", "b"]
            assert {site.stream for site in index.sites} == {"resid_mid", "mine"}
    few = folder / "few.actkin"
    with actkin.Recorder(
        few, tokenizer=TEXTS, documents=[[0, 1, 2, 3, 4]], positions=[1, 3], window=4, stride=2
    ) as recorder:
        recorder.write("mine", 0, 0, rows[:2])
        recorder.write("mine", 0, 2, rows[2:])
    with actkin.open(few) as index:
        np.testing.assert_array_equal(index.ids([0, 1], "mine", 0, rows="positions"), [1, 3])
        np.testing.assert_array_equal(index.rows("mine", 0, rows="positions"), rows[[1, 3]].numpy())
        # The only stream there is needs no name; the windows are kept.
        assert index.neighbors(position=1).stream == "mine"
        np.testing.assert_array_equal(index.rows(), rows[[1, 3]].numpy())
        assert [(site.window, site.stride) for site in index.sites] == [(4, 2)]


def check_wrong_inputs(folder):
    out = folder / "wrong.actkin"
    recorder = actkin.Recorder(out, tokenizer=TEXTS, documents=[[0, 1, 2]])
    recorder.write("mine", 0, 0, torch.zeros(1, 4))
    halves = actkin.Recorder(
        folder / "halves.actkin", tokenizer=TEXTS, documents=[[0, 1, 2]], sites=[("mine", 0), ("mine", 1)]
    )
    for wrong, error in (
        (lambda: recorder.write("mine", 0, 0, torch.zeros(1, 5)), actkin.InvalidArgumentError),
        (lambda: recorder.write("mine", 0, 0, torch.zeros(4)), actkin.InvalidArgumentError),
        (lambda: recorder.write("mine", 0, 2, torch.zeros(2, 4)), actkin.InvalidArgumentError),
        (lambda: recorder.write("mine", 0, -1, torch.zeros(1, 4)), actkin.InvalidArgumentError),
        (lambda: recorder.write("mine", 0, 0, torch.full((1, 4), float("nan"))), actkin.InvalidArgumentError),
        (lambda: halves.write("mine", 0, 0, torch.full((1, 4), float("inf")).bfloat16()), actkin.InvalidArgumentError),
        (lambda: halves.write("mine", 0, 0, torch.full((1, 4), float("nan")).half()), actkin.InvalidArgumentError),
        (lambda: halves.write("other", 0, 0, torch.zeros(1, 4)), actkin.InvalidArgumentError),
        (lambda: actkin.Recorder(out, tokenizer=TEXTS, documents=[[0]], shard="all"), actkin.InvalidArgumentError),
        (lambda: actkin.Recorder("a\ud800", tokenizer=TEXTS, documents=[[0]]), actkin.InvalidArgumentError),
        (
            lambda: actkin.Recorder(folder / "new.actkin", tokenizer=["\ud800"], documents=[[0]]),
            actkin.InvalidArgumentError,
        ),
        (lambda: recorder.write("mine", 0, 0, torch.zeros(1, 4, dtype=torch.int64)), TypeError),
        (lambda: actkin.Recorder(out, tokenizer=5, documents=[[0]]), TypeError),
        (lambda: actkin.Recorder(out, tokenizer=TEXTS, documents=[]), actkin.InvalidArgumentError),
        (lambda: actkin.Recorder(out, tokenizer=TEXTS, documents=[[0]], window=4), actkin.InvalidArgumentError),
        (
            lambda: actkin.Recorder(out, tokenizer=TEXTS, documents=[[0]], window=4, stride=5),
            actkin.InvalidArgumentError,
        ),
        (lambda: actkin.Recorder(out, tokenizer=TEXTS, documents=[[0, -1]]), actkin.InvalidArgumentError),
        (lambda: actkin.record("model", TEXTS, [[0]], out=out), TypeError),
        (lambda: actkin.record(Model(), TEXTS, [[0]], out=out), actkin.UnsupportedError),
        (lambda: actkin.record(Model(), TEXTS, [[0]], out=out, modules={"x": "no.*"}), actkin.InvalidArgumentError),
        (lambda: actkin.record(Model(), TEXTS, ["a"], out=out, modules=MODULES), TypeError),
        (
            lambda: actkin.record(Model(), TEXTS, [[0]], out=out, modules=MODULES, shard=(2, 2)),
            actkin.InvalidArgumentError,
        ),
        (
            lambda: actkin.record(Model(), TEXTS, [[0]], out=out, modules=MODULES, bos="always"),
            actkin.InvalidArgumentError,
        ),
    ):
        try:
            wrong()
        except error:
            continue
        raise AssertionError(f"no {error.__name__}")
    recorder.close()
    assert not out.exists()
    # A site that is to be there, and was not written to.
    halves.write("mine", 0, 0, torch.zeros(3, 4).half())
    halves.close()
    assert not halves.whole and not halves.imported


def main():
    if sys.argv[1:2] == ["record"]:
        model = Model()
        options = {"modules": MODULES, "window": WINDOW, "stride": STRIDE, "batch_size": 1, "progress": False}
        actkin.record(model, TEXTS, make_documents(), out=sys.argv[2], shard=(sys.argv[3:] or [None])[0], **options)
        return
    folder = Path(tempfile.mkdtemp(prefix="actkin-test-"))
    try:
        whole = check_record(folder)
        check_parts_and_kills(folder, whole)
        check_a_kill_of_the_process(folder, whole)
        check_parts_at_once(folder, whole)
        check_recorder(folder)
        check_wrong_inputs(folder)
    finally:
        shutil.rmtree(folder)
    print("recorded: all as expected")


main()
