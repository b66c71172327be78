#!/usr/bin/env python3
"""The mean of two models of one shape: average.py A B SHARE OUT

A, B and OUT are folders of `phial train` (RUN/model), F16. Each weight of OUT is (1 - SHARE) of A's
and SHARE of B's; all else is copied from A."""
import array
import json
import shutil
import struct
import sys


def read(folder):
    with open(folder + "/model.safetensors", "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[: 8 + size], data[8 + size :]


def main():
    a, b, share, out = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    tensors, head, first = read(a)
    others, _, second = read(b)
    weights = bytearray(first)
    for name, tensor in tensors.items():
        if name == "__metadata__":
            continue
        if others[name]["shape"] != tensor["shape"] or tensor["dtype"] != "F16":
            sys.exit(f"average: {name}: another shape, or not F16")
        begin, end = tensor["data_offsets"]
        begin_b, end_b = others[name]["data_offsets"]
        code = f"<{(end - begin) // 2}e"
        x = struct.unpack(code, first[begin:end])
        y = struct.unpack(code, second[begin_b:end_b])
        mean = array.array("d", ((1 - share) * p + share * q for p, q in zip(x, y)))
        weights[begin:end] = struct.pack(code, *mean)
    shutil.copytree(a, out, dirs_exist_ok=True)
    with open(out + "/model.safetensors", "wb") as file:
        file.write(head + weights)


main()
