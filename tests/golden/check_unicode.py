#!/usr/bin/env python3
"""Every code point against the official `tokenizers` package: the class that pre-tokenization gives
it shows in the ids of texts where it stands behind a letter, a digit, a symbol and a space.

    pip install tokenizers
    tests/golden/check_unicode.py build/release/phial DIR_WITH_TOKENIZER_JSON
"""
import os
import subprocess
import sys

from tokenizers import Tokenizer

PART = 1 << 15


def main():
    program, model = sys.argv[1:3]
    peer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    points = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
    wrong = 0
    for i in range(0, len(points), PART):
        lines = [f"a{c}b1{c}2!{c}? {c} {c}{c}x" for c in map(chr, points[i:i + PART])]
        text = "\n".join(lines)
        out = subprocess.run([program, "tokenize", "-m", model], input=text.encode(), check=True, capture_output=True)
        if list(map(int, out.stdout.split())) == peer.encode(text).ids:
            continue
        for cp, line in zip(points[i:i + PART], lines):
            out = subprocess.run([program, "tokenize", "-m", model], input=line.encode(), check=True, capture_output=True)
            if list(map(int, out.stdout.split())) != peer.encode(line).ids:
                wrong += 1
                print(f"U+{cp:04X} differs")
    print(f"{len(points)} code points, {wrong} differ")
    return 1 if wrong else 0


sys.exit(main())
