#!/usr/bin/env python3
"""Training speed beside PyTorch on the CPU: the same Phi, batch, precision and number of threads.

    pip install torch transformers safetensors
    bench/train_compare.py [--bench build/release/bench/bench_train] [--threads 2] [--rounds 8]
                           [--math f32|bf16]

Both start from the same weights (Hugging Face's PhiForCausalLM, nano's shape) and take steps in turn,
a step being loss, gradients, clipping and AdamW over the same batch; losses must agree. The peers are
PhiForCausalLM itself with scaled_dot_product_attention, and a plain PyTorch model of the same
arithmetic written for speed: q, k, v and fc1 as one product, scaled_dot_product_attention, fused
AdamW. In bf16 Phial rounds the operands of products with weights; PyTorch runs forward and loss under
autocast, attention included. Weights, gradients and AdamW are f32 in both. Figures are medians of
ratios of neighbouring steps; the share of the peak of that precision is taken from probes around each
step.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F

NANO = dict(vocab_size=4096, hidden_size=256, intermediate_size=1024, num_hidden_layers=6,
            num_attention_heads=4, partial_rotary_factor=0.5, max_position_embeddings=1024,
            bos_token_id=0, eos_token_id=0, resid_pdrop=0.0)
ADAMW = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8)


class Plain(torch.nn.Module):
    """Phi with the four products of a layer's input as one."""

    def __init__(self, hf):
        super().__init__()
        c = hf.config
        self.heads, self.width, self.n_ff = c.num_attention_heads, c.hidden_size, c.intermediate_size
        self.eps = c.layer_norm_eps
        rotary = hf.model.rotary_emb.inv_freq
        angles = torch.outer(torch.arange(c.max_position_embeddings).float(), rotary)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.embed = torch.nn.Parameter(hf.model.embed_tokens.weight.detach().clone())
        self.norms, self.cats, self.denses, self.downs = (torch.nn.ModuleList() for _ in range(4))
        for layer in hf.model.layers:
            a = layer.self_attn
            parts = [a.q_proj, a.k_proj, a.v_proj, layer.mlp.fc1]
            cat = torch.nn.Linear(self.width, 3 * self.width + self.n_ff)
            with torch.no_grad():
                cat.weight.copy_(torch.cat([p.weight for p in parts]))
                cat.bias.copy_(torch.cat([p.bias for p in parts]))
            self.cats.append(cat)
            self.norms.append(layer.input_layernorm)
            self.denses.append(a.dense)
            self.downs.append(layer.mlp.fc2)
        self.final_norm, self.head = hf.model.final_layernorm, hf.lm_head

    def rotate(self, x, cos, sin):
        half = cos.shape[-1]
        a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)

    def forward(self, ids):
        n_batch, n = ids.shape
        cos, sin = self.cos[:n], self.sin[:n]
        x = F.embedding(ids, self.embed)
        for norm, cat, dense, down in zip(self.norms, self.cats, self.denses, self.downs):
            z = cat(norm(x))
            q, k, v, f = z.split([self.width] * 3 + [self.n_ff], -1)
            q, k, v = (t.view(n_batch, n, self.heads, -1).transpose(1, 2) for t in (q, k, v))
            o = F.scaled_dot_product_attention(
                self.rotate(q, cos, sin), self.rotate(k, cos, sin), v, is_causal=True)
            o = o.transpose(1, 2).reshape(n_batch, n, self.width)
            x = x + dense(o) + down(F.gelu(f, approximate="tanh"))
        return self.head(self.final_norm(x))


class Peer:
    def __init__(self, name, model, ids, logits, fused, bf16):
        self.name, self.model, self.ids, self.logits = name, model, ids, logits
        self.bf16 = bf16
        matrices = [p for p in model.parameters() if p.dim() == 2]
        vectors = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, fused=fused, **ADAMW)

    def step(self):
        begin, cpu = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.logits(self.model, self.ids[:, :-1])
            loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), self.ids[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        loss = loss.item()
        return loss, time.perf_counter() - begin, time.process_time() - cpu


class Phial:
    name = "phial"

    def __init__(self, args, model_dir, batch):
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([args.bench, model_dir, batch, str(args.threads), args.math],
                                        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def step(self):
        r = self.ask("step")
        return r["loss"], r["wall_s"], r["cpu_s"]

    def probe(self):
        return self.ask("probe")["gflops"]


def flops_per_token(n):
    """Multiply-adds twice, forward and backward; attention counts the pairs that are not masked, and
    its scores once more backwards."""
    c = NANO
    w, ff, layers = c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"]
    weights = layers * (4 * w * w + 2 * w * ff) + w * c["vocab_size"]
    return 2 * (3 * weights + 7 * layers * w * (n + 1) / 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", default="build/release/bench/bench_train")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--math", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4, help="examples")
    parser.add_argument("--length", type=int, default=1024, help="tokens of an example")
    parser.add_argument("--compile", action="store_true", help="also the plain model compiled")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bf16 = args.math == "bf16"
    from transformers import PhiConfig, PhiForCausalLM

    torch.manual_seed(1)
    ids = torch.randint(0, NANO["vocab_size"], (args.batch, args.length + 1))
    with tempfile.TemporaryDirectory() as folder:
        hf = PhiForCausalLM(PhiConfig(**NANO, attn_implementation="sdpa"))
        hf.save_pretrained(folder)
        batch = os.path.join(folder, "batch.txt")
        with open(batch, "w", encoding="ascii") as f:
            f.writelines(" ".join(map(str, row)) + "\n" for row in ids.tolist())
        phial = Phial(args, folder, batch)
        again = PhiForCausalLM.from_pretrained(folder, dtype=torch.float32)
        plain = Plain(again)
        peers = [
            Peer("Hugging Face, sdpa", hf, ids, lambda m, x: m(x, use_cache=False).logits, None, bf16),
            Peer("plain PyTorch", plain, ids, lambda m, x: m(x), True, bf16),
        ]
        if args.compile:
            third = torch.compile(Plain(PhiForCausalLM.from_pretrained(folder, dtype=torch.float32)))
            peers.append(Peer("plain PyTorch, compiled", third, ids, lambda m, x: m(x), True, bf16))
        shares, ratios, speeds = [], {p.name: [] for p in peers}, {p.name: [] for p in [phial, *peers]}
        worst = 0.0
        for r in range(args.rounds):
            before = phial.probe()
            loss, wall, cpu = phial.step()
            after = phial.probe()
            peer_losses = []
            for peer in peers:
                other, peer_wall, peer_cpu = peer.step()
                peer_losses.append(other)
                worst = max(worst, abs(other - loss))
                if r > 0:
                    ratios[peer.name].append((peer_wall / wall, peer_cpu / cpu))
                    speeds[peer.name].append(args.batch * args.length / peer_wall)
            if r > 0:
                speeds[phial.name].append(args.batch * args.length / wall)
                work = args.batch * args.length * flops_per_token(args.length) / 1e9
                shares.append(work / wall / ((before + after) / 2))
            print(f"step {r}: phial {loss:.6f} {args.batch * args.length / wall:.0f} tokens/s; "
                  + "; ".join(f"{p.name} {o:.6f}" for p, o in zip(peers, peer_losses)), flush=True)
        phial.process.stdin.close()
        phial.process.wait()
    median = statistics.median
    print(f"largest difference of a loss {worst:.2e}; share of the {args.math} peak {median(shares):.2f}")
    print(f"phial: {median(speeds['phial']):.0f} tokens/s (best {max(speeds['phial']):.0f})")
    for p in peers:
        walls, cpus = zip(*ratios[p.name])
        print(f"{p.name}: {median(speeds[p.name]):.0f} tokens/s (best {max(speeds[p.name]):.0f}); "
              f"its time over phial's {median(walls):.2f}, CPU time {median(cpus):.2f}")


if __name__ == "__main__":
    main()
