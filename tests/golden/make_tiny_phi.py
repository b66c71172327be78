#!/usr/bin/env python3
"""Makes tests/data/tiny-phi: a random Phi of 46,000 parameters with its tokenizer, and what
Hugging Face's PhiForCausalLM computes from it, so that a clone without golden data can be proven.

    pip install torch transformers tokenizers safetensors
    python3 tests/golden/make_tiny_phi.py

Weights are float16; references are computed in float32 on the CPU with one thread. The same versions
give the same files; other versions may differ in the last digits of the references.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PhiConfig, PhiForCausalLM

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "tiny-phi"
TEXT = [
    "The panda sat in the bamboo and thought about the rain.",
    "Instruct: Write a haiku about pandas.\nOutput: bamboo in the wind",
    "Alice: What is the thing that the other one said?\nBob: That is the other thing.",
    "def add(a, b):\n    return a + b\n",
]


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=319,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 4, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def make_model(n_vocab, eos):
    torch.manual_seed(20)
    config = PhiConfig(
        vocab_size=n_vocab, hidden_size=32, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=2, partial_rotary_factor=0.5, max_position_embeddings=256,
        bos_token_id=eos, eos_token_id=eos, resid_pdrop=0.0,
    )
    model = PhiForCausalLM(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            norm = "layernorm" in name and name.endswith("weight")
            p.normal_(1.0 if norm else 0.0, 0.1 if norm or name.endswith("bias") else 0.25)
    return model.half()


def references(model, sequences):
    tensors, layers = {}, {}

    def keep(name):
        def hook(_module, _inputs, output):
            out = output[0] if isinstance(output, tuple) else output
            layers[name] = out.detach().reshape(-1, out.shape[-1]).clone()
        return hook

    for i, layer in enumerate(model.model.layers):
        layer.input_layernorm.register_forward_hook(keep(f"layer{i}.ln"))
        for part in ("q_proj", "k_proj", "v_proj"):
            getattr(layer.self_attn, part).register_forward_hook(keep(f"layer{i}.{part}"))
        layer.self_attn.dense.register_forward_hook(keep(f"layer{i}.attn_out"))
        layer.mlp.fc1.register_forward_hook(keep(f"layer{i}.fc1"))
        layer.mlp.fc2.register_forward_hook(keep(f"layer{i}.mlp_out"))
        layer.register_forward_hook(keep(f"layer{i}.out"))
    for name, ids in sequences.items():
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_hidden_states=True)
        tensors[f"{name}.input_ids"] = torch.tensor(ids, dtype=torch.int32)
        tensors[f"{name}.logits"] = out.logits[0].clone()
        tensors[f"{name}.last_logits"] = out.logits[0, -1].clone()
        tensors[f"{name}.final_hidden"] = out.hidden_states[-1][0].clone()
        if name == "seq7":
            tensors.update({f"debug.{name}.{k}": v for k, v in layers.items()})
    return tensors


def greedy(model, prompt, n):
    ids, margin = list(prompt), float("inf")
    for _ in range(n):
        with torch.no_grad():
            top = model(torch.tensor([ids])).logits[0, -1].topk(2)
        margin = min(margin, (top.values[0] - top.values[1]).item())
        ids.append(top.indices[0].item())
    return {"prompt_ids": list(prompt), "new_ids": ids[len(prompt):], "min_top1_top2_margin": margin}


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    n_vocab = tokenizer.get_vocab_size()
    eos = tokenizer.token_to_id("<|endoftext|>")
    model = make_model(n_vocab, eos)
    tokenizer.save(str(OUT / "tokenizer.json"))
    model.save_pretrained(OUT)
    # Read back: half() has rounded the rotary frequencies of the one in memory, too.
    model = PhiForCausalLM.from_pretrained(
        OUT, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    (OUT / "generation_config.json").unlink(missing_ok=True)
    generator = torch.Generator().manual_seed(7)
    sequences = {
        f"seq{n}": torch.randint(0, n_vocab, (n,), generator=generator).tolist()
        for n in (1, 7, 70)
    }
    save_file(references(model, sequences), str(OUT / "refs.safetensors"))
    prompts = [tokenizer.encode(t).ids for t in ("The panda", "Alice: What", "def ", "Output:")]
    runs = [r for r in (greedy(model, p, 24) for p in prompts) if r["min_top1_top2_margin"] > 0.02]
    texts = [{"text": t, "ids": tokenizer.encode(t).ids} for t in TEXT]
    (OUT / "refs.json").write_text(json.dumps({"_greedy": runs, "_encode": texts}, indent=1) + "\n")
    print(f"{n_vocab} tokens, {sum(p.numel() for p in model.parameters())} parameters, "
          f"{len(runs)} greedy runs")


if __name__ == "__main__":
    main()
