#!/usr/bin/env python3
"""phial embed beside ONNX Runtime and PyTorch on the same embedding model.

    bench/embed_compare.py PHIAL_BENCH MODEL_DIR TEXTS [--n 400] [--rounds 5] [--threads 2]

PHIAL_BENCH is build/release/bench/bench_embed. MODEL_DIR is a sentence-transformers folder of a BERT
(config.json, model.safetensors, tokenizer files); TEXTS has one text a line. Everyone gets the same
token ids, so that tokenizers are not compared, sorted by length in batches (the peers fill them up to
the longest; --batch 32 is good for hundreds of texts, 4 for dozens), mean pooling, the same number of threads. The peers: PyTorch's BertModel as
transformers runs it (sdpa attention), in float32 and with its dynamic int8; ONNX Runtime with the
graph that torch.onnx exports, optimized by ONNX Runtime's transformer optimizer if it is there, in
float32 and with its dynamic int8. Rounds in turns, A B C A B C; medians of sentences per second of
wall and of CPU time, and the median over rounds of our ratio to each.
"""
import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time

import numpy as np


def batches(ids, size):
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for i in range(0, len(order), size):
        part = [ids[k] for k in order[i:i + size]]
        longest = max(map(len, part))
        tokens = np.zeros((len(part), longest), np.int64)
        mask = np.zeros((len(part), longest), np.int64)
        for r, row in enumerate(part):
            tokens[r, :len(row)] = row
            mask[r, :len(row)] = 1
        yield order[i:i + size], tokens, mask


def pooled(hidden, mask):
    m = mask[..., None].astype(np.float32)
    return (hidden * m).sum(1) / m.sum(1)


class Torch:
    def __init__(self, path, threads, int8):
        import torch
        from transformers import AutoModel
        torch.set_num_threads(threads)
        self.torch, self.name = torch, "PyTorch int8" if int8 else "PyTorch f32"
        self.model = AutoModel.from_pretrained(path, dtype=torch.float32).eval()
        if int8:
            self.model = torch.ao.quantization.quantize_dynamic(self.model, {torch.nn.Linear}, dtype=torch.qint8)

    def run(self, ids):
        out = np.zeros((len(ids), self.model.config.hidden_size), np.float32)
        with self.torch.inference_mode():
            for rows, tokens, mask in batches(ids, self.batch):
                t = self.torch.from_numpy
                hidden = self.model(input_ids=t(tokens), attention_mask=t(mask)).last_hidden_state.numpy()
                out[rows] = pooled(hidden, mask)
        return out


def export(path, onnx_path):
    import torch
    from transformers import AutoModel

    class Wrapped(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    model = AutoModel.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    example = (torch.ones(2, 8, dtype=torch.int64), torch.ones(2, 8, dtype=torch.int64))
    axes = {"input_ids": {0: "b", 1: "n"}, "attention_mask": {0: "b", 1: "n"}, "hidden": {0: "b", 1: "n"}}
    torch.onnx.export(Wrapped(model), example, onnx_path, input_names=["input_ids", "attention_mask"],
                      output_names=["hidden"], dynamic_axes=axes, opset_version=17, dynamo=False)
    return model.config


class Onnx:
    def __init__(self, path, work, threads, int8):
        import onnxruntime as ort
        self.name = "ONNX Runtime int8" if int8 else "ONNX Runtime f32"
        plain, fused, quant = (os.path.join(work, n) for n in ("plain.onnx", "fused.onnx", "int8.onnx"))
        if not os.path.exists(fused):
            config = export(path, plain)
            try:
                from onnxruntime.transformers import optimizer
                optimizer.optimize_model(plain, "bert", num_heads=config.num_attention_heads,
                                         hidden_size=config.hidden_size).save_model_to_file(fused)
            except Exception as reason:
                print("the transformer optimizer did not run:", reason)
                os.replace(plain, fused)
        if int8 and not os.path.exists(quant):
            from onnxruntime.quantization import QuantType, quantize_dynamic
            import onnx
            quantize_dynamic(fused, quant, weight_type=QuantType.QInt8,
                             extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(quant if int8 else fused, options, ["CPUExecutionProvider"])

    def run(self, ids):
        out = None
        for rows, tokens, mask in batches(ids, self.batch):
            hidden = self.session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
            out = np.zeros((len(ids), hidden.shape[-1]), np.float32) if out is None else out
            out[rows] = pooled(hidden, mask)
        return out


class Phial:
    def __init__(self, program, path, threads, work, ids, fast):
        self.name = "phial fast" if fast else "phial exact"
        self.out = os.path.join(work, f"{self.name[6:]}.npy")
        lines = "\n".join(" ".join(map(str, row)) for row in ids) + "\n"
        self.ids_file = os.path.join(work, "ids.txt")
        with open(self.ids_file, "w") as f:
            f.write(lines)
        self.process = subprocess.Popen([program, path, self.ids_file, str(threads), "fast" if fast else "exact",
                                         self.out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def run(self, _):
        """The program keeps the model open; a line in, a run, a line with seconds out."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        self.wall, self.cpu = map(float, self.process.stdout.readline().split())
        return np.load(self.out)


def measure(who, ids):
    t, c = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    out = who.run(ids)
    d = resource.getrusage(resource.RUSAGE_SELF)
    if isinstance(who, Phial):
        return who.wall, who.cpu, out
    return time.perf_counter() - t, d.ru_utime - c.ru_utime + d.ru_stime - c.ru_stime, out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bench"), p.add_argument("model"), p.add_argument("texts")
    p.add_argument("--n", type=int, default=400)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=32, help="texts that the peers fill up to one length")
    p.add_argument("--max-tokens", type=int, default=256)
    p.add_argument("--work", help="folder that keeps the ONNX files; otherwise a temporary one")
    p.add_argument("--no-int8", action="store_true", help="leave the peers' int8 out")
    a = p.parse_args()
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    tokenizer.no_truncation(), tokenizer.no_padding()
    with open(a.texts, encoding="utf-8") as f:
        texts = [line.strip() for line in f if line.strip()][:a.n]
    ids = [e.ids if len(e.ids) <= a.max_tokens else e.ids[:a.max_tokens - 1] + e.ids[-1:]
           for e in tokenizer.encode_batch(texts)]
    lengths = sorted(map(len, ids))
    print(f"{len(ids)} texts, {sum(lengths)} tokens, median {lengths[len(lengths) // 2]}, longest {lengths[-1]}",
          flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = a.work or temporary
        os.makedirs(work, exist_ok=True)
        people = [Phial(a.bench, a.model, a.threads, work, ids, False), Torch(a.model, a.threads, False),
                  Onnx(a.model, work, a.threads, False), Phial(a.bench, a.model, a.threads, work, ids, True)]
        for make in () if a.no_int8 else (lambda: Torch(a.model, a.threads, True), lambda: Onnx(a.model, work, a.threads, True)):
            try:
                people.append(make())
            except Exception as reason:
                print("left out:", str(reason).splitlines()[0])
        for w in people:
            w.batch = a.batch
        rows = {w.name: [] for w in people}
        truth = None
        for r in range(a.rounds + 1):
            for w in people:
                wall, cpu, out = measure(w, ids)
                if r > 0:
                    rows[w.name].append((wall, cpu))
                elif w.name == "PyTorch f32":
                    truth = out
                print(f"round {r}: {w.name}: {wall:.2f} s, {cpu:.2f} s of CPU", flush=True)
        for w in people:
            out = w.run(ids)
            cos = (out * truth).sum(1) / np.linalg.norm(out, axis=1) / np.linalg.norm(truth, axis=1)
            mine = rows["phial fast" if "int8" in w.name or "fast" in w.name else "phial exact"]
            ratio = [statistics.median(t[k] / m[k] for t, m in zip(rows[w.name], mine)) for k in (0, 1)]
            wall, cpu = (statistics.median(t[k] for t in rows[w.name]) for k in (0, 1))
            print(f"{w.name:18} {len(ids) / wall:8.1f} texts/s   {len(ids) / cpu:8.1f} texts per CPU second   "
                  f"we are {ratio[0]:5.2f} x, by CPU time {ratio[1]:5.2f} x   cosine to PyTorch, least {cos.min():.6f}")
        for w in people:
            if isinstance(w, Phial):
                w.process.stdin.close()


main()
