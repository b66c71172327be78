"""A GGUF file written by `phial convert` opens in llama.cpp and gives the same greedy tokens.

    python3 tests/golden/llama_greedy.py PHIAL_PROGRAM TEST_DATA

Needs llama-cpp-python. phi-mini with phi-2's tokenizer files is converted, opened by llama.cpp, and
decoded greedily; the ids must equal Hugging Face's (refs.json "_greedy", 40 tokens each), and the
text vectors must tokenize to the same ids. The fused layouts (attn_qkv) are made from the same
weights and must give the same tokens. Prints one line for each case; exit code 1 on a difference.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np
from safetensors.numpy import load_file, save_file

PROGRAM, DATA = sys.argv[1], sys.argv[2]
GOLDEN = os.path.join(DATA, "golden")
FUSED = {
    "phi-msft": ("transformer.h.{}.", "transformer.embd.wte", "lm_head.ln", "lm_head.linear", 0),
    "mixformer": ("layers.{}.", "layers.0.wte", "layers.{}.ln", "layers.{}.linear", 1),
}


def fuse(src, dst, layout):
    """The folder src with its tensors renamed to an older layout, q, k and v in one matrix."""
    block, embd, norm, head, first = FUSED[layout]
    tensors = load_file(os.path.join(src, "model.safetensors"))
    config = json.load(open(os.path.join(src, "config.json")))
    n_layers = config["num_hidden_layers"]
    out = {embd + ".weight": tensors["model.embed_tokens.weight"]}
    for part in ("weight", "bias"):
        out[norm.format(n_layers + 1) + "." + part] = tensors["model.final_layernorm." + part]
        name = "lm_head." + part
        tied = tensors["model.embed_tokens.weight"]
        out[head.format(n_layers + 1) + "." + part] = tensors.get(name, tied).copy()
        for n in range(n_layers):
            old, new = "model.layers.%d." % n, block.format(n + first)
            qkv = [tensors[old + "self_attn.%s_proj.%s" % (x, part)] for x in "qkv"]
            out[new + "mixer.Wqkv." + part] = np.concatenate(qkv)
            out[new + "mixer.out_proj." + part] = tensors[old + "self_attn.dense." + part]
            out[new + "ln." + part] = tensors[old + "input_layernorm." + part]
            out[new + "mlp.fc1." + part] = tensors[old + "mlp.fc1." + part]
            out[new + "mlp.fc2." + part] = tensors[old + "mlp.fc2." + part]
    os.mkdir(dst)
    save_file(out, os.path.join(dst, "model.safetensors"))
    config["tie_word_embeddings"] = False
    json.dump(config, open(os.path.join(dst, "config.json"), "w"))


def add_tokenizer(folder):
    source = os.path.join(GOLDEN, "tokenizer", "phi-2")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(os.path.join(source, name), folder)
        os.chmod(os.path.join(folder, name), 0o644)


def greedy(model, prompt, n):
    model.reset()
    ids, out = list(prompt), []
    for _ in range(n):
        model.eval(ids)
        logits = model.scores[model.n_tokens - 1]
        out.append(int(np.argmax(logits)))
        ids = out[-1:]
    return out


def check_greedy(path, refs, label):
    model = llama_cpp.Llama(path, n_ctx=512, logits_all=True, verbose=False)
    wrong = 0
    for case in refs["_greedy"]:
        got = greedy(model, case["prompt_ids"], len(case["new_ids"]))
        wrong += got != case["new_ids"]
    print("%-10s greedy: %d of %d prompts differ" % (label, wrong, len(refs["_greedy"])))
    return wrong + check_tokens(model, label)


def check_tokens(model, label):
    vectors = os.path.join(GOLDEN, "tokenizer", "phi-2", "vectors.jsonl")
    rows = [json.loads(line) for line in open(vectors)]
    wrong = sum(
        model.tokenize(bytes.fromhex(row["hex"]), add_bos=False, special=True) != row["ids"]
        for row in rows
    )
    print("%-10s tokens: %d of %d vectors differ" % (label, wrong, len(rows)))
    return wrong


def main():
    refs = json.load(open(os.path.join(GOLDEN, "phi-mini", "refs.json")))
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        plain = os.path.join(work, "hf")
        os.mkdir(plain)
        for name in ("config.json", "model.safetensors"):
            os.symlink(os.path.join(GOLDEN, "phi-mini", name), os.path.join(plain, name))
        folders = {"hf": plain}
        for layout in FUSED:
            folders[layout] = os.path.join(work, layout)
            fuse(plain, folders[layout], layout)
        for label, folder in folders.items():
            add_tokenizer(folder)
            path = folder + ".gguf"
            subprocess.run([PROGRAM, "convert", folder, path], check=True)
            failed += check_greedy(path, refs, label)
    return 1 if failed else 0


sys.exit(main())
