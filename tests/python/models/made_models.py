"""Small models of Hugging Face's, with random weights whose outputs differ from token to token, and a tokenizer."""

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

WORDS = "abba cab dad face bead the quick brown fox jumps over the lazy dog, and nobody saw it".split()
TEXTS = [
    " ".join(WORDS) + ". \u00c4ra \u2014 \U0001f600!\n" + " ".join(reversed(WORDS)),
    "one",
    " ".join(WORDS[:7]) * 3 + "\n\n" + " ".join(sorted(WORDS)) * 2,
    "dad saw the bead.\n",
]
CONTEXT = 64


def make_tokenizer(bos=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, special_tokens=["<s>", "<pad>"])
    )
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>")


def make_model(family, tokenizer):
    sizes = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id, "initializer_range": 0.15}
    if family == "gpt2":
        sizes.update(n_embd=48, n_layer=3, n_head=4, n_positions=CONTEXT)
    else:
        sizes.update(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=CONTEXT)
        sizes["intermediate_size"] = 96
    if family in ("llama", "mistral", "qwen2"):
        sizes["num_key_value_heads"] = 2
    if family == "gpt_neox":
        sizes["rotary_pct"] = 0.5
    config = transformers.AutoConfig.for_model(family, **sizes)
    torch.manual_seed(3)
    return transformers.AutoModelForCausalLM.from_config(config)


def save(model, tokenizer, folder):
    """As `actkin build --model FOLDER` reads them."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
