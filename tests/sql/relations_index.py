"""The small index whose relations relations_oracle.py holds whole: some hundred rows a site, ties among them."""

import array
import json
import os
import random
import struct

from made_index import run_command

LENGTH = 4
T_IS = (1, 3)
BLOCKS = (0, 1)
APPROXIMATE = "HNSW8"
SET = "sample-12-seed-1337"
SMALL_SET = "sample-5-seed-1337"
SAVED_KS = (3, 5)
VOCABULARY = "\n abcd\u00e4"
# Of the sites over positions.
WINDOW, STRIDE = 6, 3
EMBED, HEADS, HEAD_SIZE, HIDDEN, CONTEXT = 12, 2, 6, 20, 8


def corpus():
    words = ["abba ", "cab ", "d\u00e4 ", "bad\n", "\u00e4", "c"]
    generator = random.Random(3)
    return "".join(generator.choice(words) for _ in range(70)) + VOCABULARY


def model(seed):
    """Random weights, as a safetensors file. c and d are one vector: strings that differ in them alone are ties."""
    shapes = {"token_embedding_table.weight": [len(VOCABULARY), EMBED],
              "position_embedding_table.weight": [CONTEXT, EMBED], "ln_f.weight": [EMBED], "ln_f.bias": [EMBED],
              "lm_head.weight": [len(VOCABULARY), EMBED], "lm_head.bias": [len(VOCABULARY)]}
    for block in BLOCKS:
        for head in range(HEADS):
            for which in ("key", "query", "value"):
                shapes[f"blocks.{block}.sa.heads.{head}.{which}.weight"] = [HEAD_SIZE, EMBED]
        for norm in ("ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias"):
            shapes[f"blocks.{block}.{norm}"] = [EMBED]
        shapes |= {f"blocks.{block}.sa.proj.weight": [EMBED, HEADS * HEAD_SIZE],
                   f"blocks.{block}.sa.proj.bias": [EMBED],
                   f"blocks.{block}.ffwd.net.0.weight": [HIDDEN, EMBED], f"blocks.{block}.ffwd.net.0.bias": [HIDDEN],
                   f"blocks.{block}.ffwd.net.2.weight": [EMBED, HIDDEN], f"blocks.{block}.ffwd.net.2.bias": [EMBED]}
    generator = random.Random(seed)
    header, data = {}, b""
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        gain = 1 if "ln" in name and name.endswith("weight") else 0
        values = array.array("f", (gain + generator.gauss(0, 0.3) for _ in range(count)))
        if name == "token_embedding_table.weight":
            c, d = VOCABULARY.index("c") * EMBED, VOCABULARY.index("d") * EMBED
            values[d:d + EMBED] = values[c:c + EMBED]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def make(folder):
    """Makes main.actkin and, of another model, other.actkin in `folder`."""
    with open(os.path.join(folder, "corpus.txt"), "w", encoding="utf-8", newline="") as file:
        file.write(corpus())
    t_is = ",".join(map(str, T_IS))

    def run(*arguments):
        ran = run_command(*arguments, cwd=folder)
        if ran.returncode != 0:
            raise RuntimeError(f"actkin {' '.join(arguments)}: {ran.stderr}")

    for name, seed in (("main", 1), ("other", 2)):
        with open(os.path.join(folder, f"{name}.safetensors"), "wb") as file:
            file.write(model(seed))
        run("build", "corpus.txt", "--model", f"{name}.safetensors", "--out", f"{name}.actkin",
            "--length", str(LENGTH), "--t-i", t_is)
        run("build", "corpus.txt", "--out", f"{name}.actkin", "--positions", "--window", str(WINDOW), "--stride",
            str(STRIDE), "--streams", "embedding,proj,ffwd")
    for metric in ("l2", "cosine"):
        # On one thread: a statement that is repeated alone finds the same graph.
        run("index", "main.actkin", "--add", APPROXIMATE, "--metric", metric, "--threads", "1")
    run("evaluate", "main.actkin", "--sample", "12", "-k", ",".join(map(str, SAVED_KS)), "--metric", "l2,cosine",
        "--t-i", "3", "--t-i", "1")
    run("evaluate", "main.actkin", "--sample", "5", "-k", "3")
