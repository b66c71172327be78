#!/usr/bin/env python3
"""phial quantize beside llama.cpp's llama_model_quantize on the same file.

    bench/quant_compare.py PHIAL MODEL.gguf [--mixes Q4_K_M,Q6_K] [--repeat 3] [--tokens 128]
                           [--time-only] [--peer FOLDER]

For each mix: seconds of both, A B A B, and the median of the pairs' ratios; the same in CPU seconds
of the process, which says more on a machine with other work; file sizes; whether all
tensors have the same formats; the ratio of squared errors over all matrices that differ, ours over
theirs, plain and weighted by the squares of the weights; and for both the mean KL divergence of the
logits from the source's over some tokens (computed by `phial logits`). --time-only leaves out what
follows the times, for models of gigabytes.
MODEL is F16, BF16 or F32. Needs gguf and numpy, and llama-cpp-python or, as FOLDER, a place with
libllama and its libggml files (such as package/bins/linux-x64 in `npm pack
@node-llama-cpp/linux-x64`, which are built already).
"""
import argparse
import ctypes
import os
import re
import resource
import statistics
import subprocess
import tempfile
import time

import gguf
import numpy as np

FILE_TYPES = {"Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_K_S": 16, "Q5_1": 9, "Q5_0": 8,
              "Q4_K_M": 15, "Q4_K_S": 14, "Q4_1": 3, "Q4_0": 2, "IQ4_NL": 25, "IQ4_XS": 30,
              "Q3_K_L": 13, "Q3_K_M": 12, "Q3_K_S": 11, "Q2_K": 10}


def ours(phial, src, dst, mix):
    subprocess.run([phial, "quantize", src, dst, "--type", mix, "--force", "-t", "2"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Library:
    """llama_model_quantize of llama-cpp-python, or of a folder with libllama and its libggml files.
    From the parameters, only the two members that have always come first are used."""

    class Parameters(ctypes.Structure):
        _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int32),
                    ("rest", ctypes.c_char * 504)]

    def __init__(self, folder=None):
        if not folder:
            import llama_cpp  # takes long to build: only here
            folder = os.path.join(os.path.dirname(llama_cpp.__file__), "lib")
        self.loaded = [ctypes.CDLL(self.find(folder, name), mode=ctypes.RTLD_GLOBAL)
                       for name in ("libggml-base", "libggml", "libllama")]
        _, ggml, self.llama = self.loaded
        callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.silence = callback(lambda level, text, user: None)
        self.llama.llama_log_set(self.silence, None)
        ggml.ggml_backend_load_all_from_path(folder.encode())
        self.llama.llama_model_quantize_default_params.restype = self.Parameters

    @staticmethod
    def find(folder, name):
        """libllama.so, libllama.so.1 or libllama.v1.so"""
        for file in sorted(os.listdir(folder)):
            if re.fullmatch(re.escape(name) + r"(\.v[0-9.]+)?\.(so[0-9.]*|dylib)", file):
                return os.path.join(os.path.abspath(folder), file)
        raise SystemExit(f"{folder}: no {name}")

    def quantize(self, src, dst, mix, n_threads=2):
        params = self.llama.llama_model_quantize_default_params()
        params.nthread, params.ftype = n_threads, FILE_TYPES[mix]
        if self.llama.llama_model_quantize(src.encode(), dst.encode(), ctypes.byref(params)) != 0:
            raise SystemExit(f"llama_model_quantize failed for {mix}")


def values(tensor):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64).ravel()


def errors(src, a, b):
    read = [{t.name: t for t in gguf.GGUFReader(p).tensors} for p in (src, a, b)]
    sums = np.zeros((2, 2))
    same = True
    for name, t in read[0].items():
        x, y = read[1][name], read[2][name]
        same = same and x.tensor_type == y.tensor_type
        if len(t.shape) < 2 or x.data.tobytes() == y.data.tobytes():
            continue
        w = values(t)
        for i, q in enumerate((x, y)):
            d = (values(q) - w) ** 2
            sums[i] += d.sum(), (d * w * w).sum()
    return same, sums[0] / sums[1] if sums[1].all() else np.ones(2)


def logits(phial, model, ids, out):
    subprocess.run([phial, "logits", "-m", model, "--ids", ids, "--all", "-o", out], check=True)
    x = np.load(out).astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def timed(whose, call):
    """Wall seconds and CPU seconds of a call; whose: a getrusage() target."""
    before, begin = resource.getrusage(whose), time.monotonic()
    call()
    wall, after = time.monotonic() - begin, resource.getrusage(whose)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def quality(args, mix, a, b, source, ids, npy):
    same, error = errors(args.model, a, b)
    kl = [float((np.exp(source) * (source - logits(args.phial, p, ids, npy))).sum(1).mean())
          for p in (a, b)]
    return (f" {os.path.getsize(a) / os.path.getsize(b):11.5f}  {'same' if same else 'DIFFER':7} "
            f"{error[0]:6.3f} {error[1]:9.3f} {kl[0]:8.5f} {kl[1]:10.5f}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("phial")
    parser.add_argument("model")
    parser.add_argument("--mixes", default=",".join(FILE_TYPES))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--time-only", action="store_true")
    parser.add_argument("--peer", metavar="FOLDER")
    args = parser.parse_args()
    peer = Library(args.peer)
    rng = np.random.default_rng(1)
    folder_of = os.path.dirname(os.path.abspath(args.model)) if args.time_only else None
    with tempfile.TemporaryDirectory(dir=folder_of) as folder:
        a, b, npy = (os.path.join(folder, n) for n in ("a.gguf", "b.gguf", "l.npy"))
        n_vocab = next(int(t.shape[1]) for t in gguf.GGUFReader(args.model).tensors
                       if t.name == "token_embd.weight")
        ids = ",".join(map(str, rng.integers(0, min(50257, n_vocab), args.tokens)))
        head = "mix      ours s  theirs s  ratio  CPU s  theirs  ratio"
        if not args.time_only:
            source = logits(args.phial, args.model, ids, npy)
            head += "   size ratio  formats  error  weighted  KL ours  KL theirs"
        print(head)
        for mix in args.mixes.split(","):
            pairs = []
            for _ in range(args.repeat):
                pairs.append((timed(resource.RUSAGE_CHILDREN,
                                    lambda: ours(args.phial, args.model, a, mix)),
                              timed(resource.RUSAGE_SELF,
                                    lambda: peer.quantize(args.model, b, mix))))
            figures = []
            for i in range(2):
                figures += [statistics.median(x[i] for x, _ in pairs),
                            statistics.median(y[i] for _, y in pairs),
                            statistics.median(y[i] / x[i] for x, y in pairs)]
            line = "{:8} {:6.2f} {:9.2f} {:6.2f} {:6.2f} {:7.2f} {:6.2f}".format(mix, *figures)
            if not args.time_only:
                line += quality(args, mix, a, b, source, ids, npy)
            print(line, flush=True)


if __name__ == "__main__":
    main()
