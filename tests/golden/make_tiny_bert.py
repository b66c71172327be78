#!/usr/bin/env python3
"""Writes tests/data/tiny-bert/ and tests/data/tiny-bert-odd/: BERT models with random weights, with
a WordPiece vocabulary made here, and what transformers' own BertModel and tokenizer make of some
texts. tests/test_embed.c compares.

    pip install torch transformers safetensors tokenizers
    tests/golden/make_tiny_bert.py tests/data
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ("the a an of to and in is it that for on with as was he she they not have from by at one all "
         "her his what said there use each which how their if will up other about out many then them "
         "some so these would make like him into time has look two more write go see number no way "
         "could people my than first water been call who oil its now find long down day did get come "
         "made may part over new sound take only little work know place year live me back give most "
         "very after thing our just name good sentence man think say great where help through much "
         "before line right too mean old any same tell boy follow came want show also around form").split()
ENDINGS = "s ed ing er est ly tion ness ment able ful less ion al ive ous y th en ity".split()
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
OTHERS = ["é", "ß", "你", "好", "ᄒ", "##ᅡ", "##ᆫ", "½", "™", "–", "“", "”", "…", "²"]
TEXTS = ["the time has come", "", "Sounding out: unknowable words, e.g. xylophones!", "Café über 你好 한 Straße",
         "a", "He said: \"it's 25 o'clock\" -- [SEP] and [MASK] are plain text here.",
         "one two more people follow the water down to the old place and look for oil " * 2,
         "tab\tnew\u00a0line\u200b\u0000\ufffd end", "É e\u0301 İstanbul ǅ ΑΣ"]


def vocabulary(small):
    words = WORDS[:20] if small else WORDS
    tokens = SPECIALS + PUNCTUATION + list(LETTERS) + ["##" + c for c in LETTERS]
    tokens += [w for w in words if len(w) > 1] + ["##" + e for e in ENDINGS if len(e) > 1] + OTHERS
    return list(dict.fromkeys(tokens))


def write(directory, seed, config, small):
    os.makedirs(directory, exist_ok=True)
    tokens = vocabulary(small)
    with open(f"{directory}/vocab.txt", "w", encoding="utf-8") as f:
        f.write("\n".join(tokens) + "\n")
    tokenizer = BertTokenizerFast(vocab=f"{directory}/vocab.txt", do_lower_case=True)
    if len(tokenizer) != len(tokens) or tokenizer.convert_tokens_to_ids("time") == 1 and not small:
        tokenizer = BertTokenizerFast(vocab={t: i for i, t in enumerate(tokens)}, do_lower_case=True)
    assert len(tokenizer) == len(tokens)
    torch.manual_seed(seed)
    model = BertModel(BertConfig(vocab_size=len(tokens), **config), add_pooling_layer=True).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            near = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            p.copy_(near + torch.randn_like(p) * (0.1 if "LayerNorm" in name or name.endswith("bias") else 0.25))
    model.save_pretrained(directory)
    if not small:
        tokenizer.backend_tokenizer.save(f"{directory}/tokenizer.json", pretty=False)
    refs, facts = {}, []
    for i, text in enumerate(TEXTS):
        # What looks like a special token in a text is plain text for Phial.
        pieces = [p for part in text.split("[SEP]") for p in (part.split("[MASK]"))]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(pieces) > 1:
            split = tokenizer.backend_tokenizer
            ids = [split.token_to_id(t) for word, _ in split.pre_tokenizer.pre_tokenize_str(
                split.normalizer.normalize_str(text)) for t in [x.value for x in split.model.tokenize(word)]]
        facts.append({"text": text, "ids": ids})
        full = [tokens.index("[CLS]"), *ids, tokens.index("[SEP]")]
        if len(full) > config["max_position_embeddings"]:
            continue
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor([full])).last_hidden_state[0]
        refs[f"text{i}.ids"] = torch.tensor(full, dtype=torch.int32)
        refs[f"text{i}.hidden"] = hidden.contiguous()
    save_file(refs, f"{directory}/refs.safetensors")
    with open(f"{directory}/texts.json", "w", encoding="utf-8") as f:
        json.dump(facts, f, ensure_ascii=True)
        f.write("\n")
    for name in os.listdir(directory):
        os.chmod(f"{directory}/{name}", 0o644)


def main():
    out = sys.argv[1]
    write(f"{out}/tiny-bert", 1, dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
                                      intermediate_size=48, max_position_embeddings=64), False)
    write(f"{out}/tiny-bert-odd", 2, dict(hidden_size=30, num_hidden_layers=1, num_attention_heads=3,
                                          intermediate_size=41, max_position_embeddings=48, type_vocab_size=1,
                                          hidden_act="gelu_new", layer_norm_eps=1e-5), True)


main()
