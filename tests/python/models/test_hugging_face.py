"""What hooks record of Hugging Face's models is what `actkin build --positions` makes of the same files."""

import json
import warnings

import numpy as np
import pytest
import torch
import transformers

import actkin
from conftest import run_command
from made_models import CONTEXT, TEXTS, make_model, make_tokenizer, save

WINDOW, STRIDE = 24, 8
STREAMS = ("proj", "ffwd", "residual")


def build(folder, out, *flags):
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    done = run_command(
        "build", corpus, "--model", folder, "--out", out, "--length", "2", "--positions",
        "--window", WINDOW, "--stride", STRIDE, "--streams", ",".join(STREAMS), *flags,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return actkin.open(out)


def record(model, tokenizer, out, **options):
    return actkin.record(
        model, tokenizer, options.pop("texts", TEXTS), out=out, window=WINDOW, stride=STRIDE, progress=False, **options
    )


def check_same_sites(recorded, built):
    sites = [site for site in built.sites if site.over == "positions" and site.stream in STREAMS]
    assert len(sites) == 9
    for site in sites:
        expected = np.asarray(built.rows(site.stream, site.block, rows="positions"))
        found = np.asarray(recorded.rows(site.stream, site.block, rows="positions"))
        assert expected.std() > 0.05  # so that the tolerance says something
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "mistral", "qwen2"])
def test_recorded_is_built(family, tmp_path):
    tokenizer = make_tokenizer()
    model = make_model(family, tokenizer)
    built = build(save(model, tokenizer, tmp_path / "model"), tmp_path / "built.actkin")
    recorded = record(model, tokenizer, tmp_path / "recorded.actkin")
    check_same_sites(recorded, built)
    findings = recorded.verify()
    assert findings.sound and "added" not in {one.state for one in findings}
    assert [one[2:] for one in recorded.documents] == [one[2:] for one in built.documents]
    ids = [token for text in TEXTS for token in tokenizer(text)["input_ids"]]
    assert [row[0] for row in recorded.sql("SELECT token_id FROM actkin_tokens ORDER BY position")] == ids
    assert recorded.next_tokens(" the") == built.next_tokens(" the")
    for prompt in ("the lazy dog", " abba cab", ids[:WINDOW]):
        for stream, block in (("residual", 2), ("ffwd", 0), ("proj", 1)):
            options = {"stream": stream, "block": block, "k": 5, "rows": "positions"}
            found, expected = recorded.neighbors(prompt, **options), built.neighbors(prompt, **options)
            np.testing.assert_allclose(found.column("distance"), expected.column("distance"), rtol=1e-4, atol=1e-4)
            if expected[1].distance > expected[0].distance + 1e-4:  # else a tie
                assert found[0].position == expected[0].position and found[0].next_tokens == expected[0].next_tokens
    # Opened by itself, it needs the model; with it, it answers as before.
    asked = recorded.neighbors("the lazy dog")
    with actkin.open(tmp_path / "recorded.actkin", model=model, tokenizer=tokenizer) as opened:
        assert opened.neighbors("the lazy dog") == asked
        assert opened.neighbors(["the lazy dog", ids[:3]])[0] == asked
        np.testing.assert_allclose(
            opened.neighbors("the lazy dog", at=0, k=1)[0].distance,
            opened.neighbors(tokenizer("the lazy dog")["input_ids"][:1], k=1)[0].distance,
            atol=1e-5,
        )


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("bos", ["auto", "always", "never"])
def test_what_stands_before(adds, bos, tmp_path):
    """Where a tokenizer adds its first token, every window has it, or as it is asked for; the catalog says which."""
    tokenizer = make_tokenizer(bos=adds)
    model = make_model("llama", tokenizer)
    built = build(save(model, tokenizer, tmp_path / "model"), tmp_path / "built.actkin", "--bos", bos)
    recorded = record(model, tokenizer, tmp_path / "recorded.actkin", bos=bos)
    check_same_sites(recorded, built)
    expected = 0 if bos == "always" or (adds and bos == "auto") else None
    assert {row[0] for row in recorded.sql("SELECT bos_token_id FROM recorded_site")} == {expected}
    assert built.sql("SELECT bos_token_id FROM model")[0][0] == expected
    found = recorded.neighbors("dad saw", stream="residual", block=1, k=3, rows="positions")
    expected = built.neighbors("dad saw", stream="residual", block=1, k=3, rows="positions")
    np.testing.assert_allclose(found.column("distance"), expected.column("distance"), atol=1e-4)


def test_modules_by_name(tmp_path):
    """A tuple's first element; one module without a number; what transformers' models do not call."""
    tokenizer = make_tokenizer()
    model = make_model("llama", tokenizer).train()
    patterns = {
        "attention": "model.layers.*.self_attn",  # (output, weights, cache)
        "proj": "model.layers.*.self_attn.o_proj",
        "gate": "model.layers.*.mlp.gate_proj",
        "last": "model.norm",
        "logits": "lm_head",
    }
    index = record(model, tokenizer, tmp_path / "named.actkin", modules=patterns)
    assert model.training and not any(module._forward_hooks for module in model.modules())
    for block in range(3):
        np.testing.assert_array_equal(
            index.rows("attention", block, rows="positions"), index.rows("proj", block, rows="positions")
        )
    assert index.rows("gate", 0, rows="positions").shape[1] == 96
    vectors = torch.from_numpy(np.array(index.rows("last", 0, rows="positions")))
    np.testing.assert_allclose(
        index.rows("logits", 0, rows="positions"), model.lm_head(vectors).detach().numpy(), atol=1e-4
    )
    assert index.neighbors("the lazy", stream="gate", block=2)[0].distance >= 0
    for wrong in ({"x": "model.layers.*.no"}, {"x": "*.layers.*.mlp"}, {}, {"x": "model.rotary_emb"}):
        with pytest.raises(actkin.InvalidArgumentError):
            record(model, tokenizer, tmp_path / "wrong.actkin", modules=wrong)


def test_half_precision(tmp_path):
    tokenizer = make_tokenizer()
    model = make_model("llama", tokenizer).to(torch.bfloat16)
    recorded = record(model, tokenizer, tmp_path / "half.actkin")
    found = np.asarray(recorded.rows("residual", 1, rows="positions"))
    assert (found.astype(np.float32).view(np.uint32) & 0xFFFF == 0).all()  # they are bfloat16's numbers
    # The same weights, computed in float32 by `build`: as near as eight bits of precision are.
    built = build(save(model, tokenizer, tmp_path / "model"), tmp_path / "built.actkin")
    expected = np.asarray(built.rows("residual", 1, rows="positions"))
    assert np.abs(found - expected).mean() < 0.02 * np.abs(expected).mean()
    # to() left rotary's angles in bfloat16: read anew, they are float32's, as `build` computes them.
    whole = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", torch_dtype=torch.float32)
    check_same_sites(record(whole, tokenizer, tmp_path / "whole.actkin"), built)


def test_what_a_tokenizer_answers(tmp_path):
    """Padding, on either side, is no token, whatever it would have given."""
    expected = None
    for side in ("right", "left"):
        for bos in (False, True):
            tokenizer = make_tokenizer(bos=bos)
            tokenizer.padding_side = side
            model = make_model("gpt2", tokenizer)
            answered = tokenizer(TEXTS, padding=True, return_tensors="pt")
            assert (answered["attention_mask"] == 0).any()
            out = tmp_path / f"{side}{bos}.actkin"
            masked = record(model, tokenizer, out, texts=answered, batch_size=3)
            plain = record(model, tokenizer, tmp_path / f"plain-{side}{bos}.actkin", batch_size=2)
            assert masked.info.tokens == plain.info.tokens
            np.testing.assert_allclose(
                masked.rows("residual", 2, rows="positions"), plain.rows("residual", 2, rows="positions"), atol=1e-5
            )
            if not bos:
                expected = expected or masked.info.tokens
                assert masked.info.tokens == expected
    lists = tokenizer(TEXTS)
    assert record(model, tokenizer, tmp_path / "lists.actkin", texts=lists).info.tokens == expected
    broken = {"input_ids": [[5, 6, 7]], "attention_mask": [[1, 1]]}
    with pytest.raises(actkin.InvalidArgumentError, match="mask"):
        record(model, tokenizer, tmp_path / "broken.actkin", texts=broken)
    for wrong in ("one text", b"bytes"):
        with pytest.raises(TypeError):
            record(model, tokenizer, tmp_path / "broken.actkin", texts=wrong)


def test_run_again(tmp_path, monkeypatch):
    """What is recorded is not recorded again; other modules join it; another corpus, or other windows, do not."""
    tokenizer = make_tokenizer()
    model = make_model("gpt2", tokenizer)
    calls = []
    model.transformer.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    out = tmp_path / "again.actkin"
    first = record(model, tokenizer, out, modules={"ffwd": "transformer.h.*.mlp"})
    made = len(calls)
    assert made > 0
    again = record(model, tokenizer, out, modules={"ffwd": "transformer.h.*.mlp"})
    assert len(calls) == made and again.sites == first.sites
    both = record(model, tokenizer, out, modules={"residual": "transformer.h.*"})
    assert len(calls) == 2 * made and {site.stream for site in both.sites} == {"ffwd", "residual"}
    with actkin.open(out, model=model, tokenizer=tokenizer) as opened:
        for stream in ("ffwd", "residual"):
            assert len(opened.neighbors("the lazy dog", stream=stream, block=1, k=3)) == 3
    with pytest.raises(actkin.InvalidArgumentError, match="another corpus"):
        record(model, tokenizer, out, texts=["something else"])
    # A recording that was begun is continued by the same call alone.
    other = tmp_path / "begun.actkin"
    assert record(model, tokenizer, other, shard=(0, 2)) is None
    with pytest.raises(actkin.InvalidArgumentError, match="begun with other"):
        actkin.record(model, tokenizer, TEXTS, out=other, window=WINDOW, stride=STRIDE - 1, progress=False)
    assert record(model, tokenizer, other, shard=(1, 2)) is not None


def test_models_that_are_none(tmp_path):
    tokenizer = make_tokenizer()
    model = make_model("gpt2", tokenizer)
    out = tmp_path / "none.actkin"
    with pytest.raises(actkin.InvalidArgumentError, match="no token"):
        record(model, tokenizer, out, texts=[""])
    for options in ({"batch_size": 0}, {"bos": "x"}, {"shard": (2, 2)}, {"shard": "x"}, {"document_names": ["a"]}):
        with pytest.raises(actkin.Error):
            record(model, tokenizer, tmp_path / "wrong.actkin", **options)
    with pytest.raises(actkin.InvalidArgumentError):
        actkin.record(model, tokenizer, TEXTS, out=out, window=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record(model, tokenizer, out)
    with pytest.raises(actkin.InvalidArgumentError, match="recorded"):
        actkin.open(
            build(save(model, tokenizer, tmp_path / "m"), tmp_path / "b.actkin").path, model=model, tokenizer=tokenizer
        )
    assert CONTEXT > WINDOW
