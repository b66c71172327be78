#!/usr/bin/env python3
"""Writes tests/data/quant/vectors.gguf: what other programs make of quantized blocks.

For each type NAME:
  NAME.blocks   raw blocks: random bytes under hostile scales (zeros of both signs, subnormal, the
                largest f16, ordinary ones)
  NAME.decoded  the same in F32, by PyPI's `gguf`
  NAME.encoded  llama.cpp's quantization of `input` (ggml_quantize_chunk of the library inside
                PyPI's `llama-cpp-python`), without importance
and `input`, rows of 512 F32 with different distributions and awkward blocks.

The numbers depend on the seed and the two packages alone:
  gguf 0.19, llama-cpp-python 0.3.36, numpy's PCG64.
"""
import ctypes
import glob
import os
import sys

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as T

TYPES = [T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.IQ4_NL,
         T.IQ4_XS]
# Where the f16 numbers of a block are.
SCALES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q2_K: [80, 82],
          T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
# 0, -0, least subnormal, largest subnormal negative, least normal, 1, -1/3, 65504, -65504
HOSTILE = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0xB555, 0x7BFF, 0xFBFF]


def blocks(rng, qtype, n_elements):
    size, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
    raw = rng.integers(0, 256, (n_elements // size, n_bytes), dtype=np.uint8)
    for i, block in enumerate(raw):
        for k, at in enumerate(SCALES[qtype]):
            h = HOSTILE[(i + 4 * k) % len(HOSTILE)] if i < 2 * len(HOSTILE) else \
                int(np.float16(rng.standard_normal() * 0.01).view(np.uint16))
            block[at:at + 2] = np.frombuffer(np.uint16(h).tobytes(), np.uint8)
    return raw


def awkward_input(rng):
    rows = [rng.standard_normal(512) * 0.02, rng.standard_t(4, 512) * 0.02,
            rng.uniform(-1, 1, 512), rng.laplace(0, 3, 512), np.abs(rng.standard_normal(512)),
            -np.abs(rng.standard_normal(512)) * 100, rng.standard_normal(512) * 1e-6]
    edges = rng.standard_normal(512)
    edges[0:32] = 0
    edges[32:64] = -0.0
    edges[64:96] = 0.125
    edges[96:128] = -7
    edges[128:160] = 0
    edges[130] = 3
    edges[160:192] = np.arange(32) - 15.5
    edges[192:224] = np.arange(32) % 2 - 0.5
    edges[224:256] *= 1e-5
    rows.append(edges)
    return np.array(rows, np.float32)


def encode(lib, qtype, rows):
    size, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
    out = np.zeros((rows.shape[0], rows.shape[1] // size * n_bytes), np.uint8)
    lib.ggml_quantize_chunk(int(qtype), rows.ctypes.data, out.ctypes.data, 0, rows.shape[0],
                            rows.shape[1], None)
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../data/quant/vectors.gguf")
    lib = ctypes.CDLL(glob.glob(os.path.dirname(llama_cpp.__file__) + "/lib/libggml-base.so")[0])
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                        ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                                        ctypes.c_void_p]
    rng = np.random.default_rng(4)
    writer = gguf.GGUFWriter(out, "none")
    rows = awkward_input(rng)
    writer.add_tensor("input", rows)
    for qtype in TYPES:
        name = qtype.name.lower()
        size, _ = gguf.GGML_QUANT_SIZES[qtype]
        raw = blocks(rng, qtype, 24 * size)
        writer.add_tensor(name + ".blocks", raw, raw_dtype=qtype)
        writer.add_tensor(name + ".decoded", gguf.quants.dequantize(raw, qtype).astype(np.float32))
        writer.add_tensor(name + ".encoded", encode(lib, qtype, rows), raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
