#!/usr/bin/env python3
"""Makes tests/data/tiny-phi/grads.safetensors: losses and gradients that PyTorch's autograd computes
through Hugging Face's PhiForCausalLM, and the losses of 20 steps of torch.optim.AdamW.

    pip install torch transformers safetensors
    python3 tests/golden/make_tiny_grads.py

The model is tests/data/tiny-phi in float32. Each batch holds three examples, which PyTorch runs one
by one: a flat list that is trained on together must give the same sums. Some positions have no
target (-1 here). Weight decay is for matrices only. One thread; the same versions give the same file.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import PhiForCausalLM

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "tiny-phi"
LENGTHS = (131, 1, 70)
STEPS, BATCHES = 20, 4
LR, BETAS, EPS, DECAY, CLIP = 3e-3, (0.9, 0.95), 1e-8, 0.1, 1.0


def make_batch(generator, n_vocab):
    n = sum(LENGTHS)
    ids = torch.randint(0, n_vocab, (n,), generator=generator)
    targets = torch.randint(0, n_vocab, (n,), generator=generator)
    targets[torch.rand(n, generator=generator) < 0.25] = -1
    return ids, targets


def loss_sum(model, ids, targets):
    total, at = 0, 0
    for length in LENGTHS:
        logits = model(ids[None, at:at + length]).logits[0]
        total = total + torch.nn.functional.cross_entropy(
            logits, targets[at:at + length], ignore_index=-1, reduction="sum")
        at += length
    return total


def main():
    torch.set_num_threads(1)
    model = PhiForCausalLM.from_pretrained(
        DATA, dtype=torch.float32, attn_implementation="eager").train()
    n_vocab = json.loads((DATA / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(11)
    batches = [make_batch(generator, n_vocab) for _ in range(BATCHES)]
    tensors = {
        "ids": torch.stack([b[0] for b in batches]).to(torch.int32),
        "targets": torch.stack([b[1] for b in batches]).to(torch.int32),
        "lengths": torch.tensor(LENGTHS, dtype=torch.int32),
    }
    loss = loss_sum(model, *batches[0])
    loss.backward()
    tensors["loss_sum"] = loss.detach().to(torch.float64).reshape(1)
    for name, p in model.named_parameters():
        tensors[f"grad.{name}"] = p.grad.clone()
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
        lr=LR, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for step in range(STEPS):
        ids, targets = batches[step % BATCHES]
        optimizer.zero_grad()
        loss = loss_sum(model, ids, targets) / (targets >= 0).sum()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
        losses.append(loss.item())
    tensors["step_losses"] = torch.tensor(losses, dtype=torch.float64)
    tensors["step_norms"] = torch.tensor(norms, dtype=torch.float64)
    save_file(tensors, str(DATA / "grads.safetensors"))
    print(f"loss {tensors['loss_sum'].item():.4f}, steps {losses[0]:.4f} to {losses[-1]:.4f}, "
          f"norms {norms[0]:.3f} to {norms[-1]:.3f}")


if __name__ == "__main__":
    main()
