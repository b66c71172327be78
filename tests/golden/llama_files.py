#!/usr/bin/env python3
"""Files that llama.cpp quantized: Phial reads every tensor as llama.cpp decodes it, bit for bit.

    tests/golden/llama_files.py PHIAL MODEL.gguf [--peer FOLDER] [--mixes Q4_K_M,...]

For each mix llama_model_quantize makes a file of MODEL (F16, BF16 or F32); `phial quantize
--requantize --type F32` decodes it, and each tensor must have the bits that llama.cpp's own to_float
gives for the bytes in the file. Then `phial logits --math exact` of both files must have the same
bits. --peer is quant_compare.py's; a mix that the peer refuses is an error. Needs gguf and numpy.
Prints a line for each mix; exit code 1 on a difference.
"""
import argparse
import collections
import ctypes
import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
from quant_compare import FILE_TYPES, Library  # noqa: E402


class Traits(ctypes.Structure):
    """The beginning of struct ggml_type_traits."""
    _fields_ = [("name", ctypes.c_char_p), ("block", ctypes.c_int64),
                ("interleaved", ctypes.c_int64), ("size", ctypes.c_size_t),
                ("quantized", ctypes.c_bool),
                ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p,
                                              ctypes.c_int64))]


def decoded(base, tensor):
    """What llama.cpp makes of a tensor's bytes, as F32 bit patterns."""
    raw = np.ascontiguousarray(tensor.data).view(np.uint8).ravel()
    kind = tensor.tensor_type
    if kind == gguf.GGMLQuantizationType.F32:
        return raw.view(np.uint32)
    base.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    traits = base.ggml_get_type_traits(int(kind)).contents
    if traits.name.decode().lower() != kind.name.lower() or \
            (traits.block, traits.size) != gguf.GGML_QUANT_SIZES[kind]:
        raise SystemExit(f"the peer's type traits have another layout: {kind.name}")
    n = raw.size // traits.size * traits.block
    out = np.empty(n, np.float32)
    traits.to_float(raw.ctypes.data, out.ctypes.data, n)
    return out.view(np.uint32)


def logits(phial, model, ids, out):
    subprocess.run([phial, "logits", "-m", model, "--ids", ids, "--all", "--math", "exact", "-o",
                    out], check=True)
    return np.load(out).view(np.uint32)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("phial")
    parser.add_argument("model")
    parser.add_argument("--peer", metavar="FOLDER")
    parser.add_argument("--mixes", default=",".join(FILE_TYPES))
    args = parser.parse_args()
    peer = Library(args.peer)
    bad = False
    ids = ",".join(map(str, range(1, 65)))
    with tempfile.TemporaryDirectory() as folder:
        a, f, npy = (os.path.join(folder, n) for n in ("a.gguf", "f.gguf", "l.npy"))
        for mix in args.mixes.split(","):
            peer.quantize(args.model, a, mix)
            subprocess.run([args.phial, "quantize", a, f, "--type", "F32", "--requantize",
                            "--force"], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            ours = {t.name: t for t in gguf.GGUFReader(f).tensors}
            kinds, wrong = collections.Counter(), []
            for t in gguf.GGUFReader(a).tensors:
                kinds[t.tensor_type.name] += 1
                got = ours.pop(t.name).data.ravel().view(np.uint32)
                if not np.array_equal(got, decoded(peer.loaded[0], t)):
                    wrong.append(t.name)
            if ours:
                wrong.append(f"{len(ours)} tensors too many")
            same = np.array_equal(logits(args.phial, a, ids, npy), logits(args.phial, f, ids, npy))
            bad = bad or bool(wrong) or not same
            what = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
            tensors = f"tensors differ: {', '.join(wrong)}" if wrong else "tensors equal"
            print(f"{mix:7} {what}: {tensors}, {'logits equal' if same else 'LOGITS DIFFER'}",
                  flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
