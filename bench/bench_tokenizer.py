#!/usr/bin/env python3
"""Phial's tokenizer beside Hugging Face `tokenizers` and tiktoken: same files, one thread, one run.

    pip install tokenizers tiktoken
    bench/bench_tokenizer.py --model DIR [--bench build/release/bench/bench_tokenize] FILE...

DIR holds tokenizer.json. Each program encodes each file as one document and line by line (peers in
their own batch calls); rounds alternate between the programs, the best of each counts, in CPU time of
the process. The ids must be the same. tiktoken knows no added tokens that are not special, so it only takes part in speed,
with the same vocabulary and regular expression.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def byte_alphabet():
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [b for b in range(256) if b not in itself]
    return {chr(c): b for b, c in [*((b, b) for b in itself), *((b, 256 + i) for i, b in enumerate(other))]}


def load_tiktoken(path):
    try:
        import tiktoken
    except ImportError:
        return None
    alphabet = byte_alphabet()
    with open(os.path.join(path, "tokenizer.json"), encoding="utf-8") as f:
        data = json.load(f)
    ids = {bytes(alphabet[c] for c in t): i for t, i in data["model"]["vocab"].items() if t != "<|endoftext|>"}
    # tiktoken joins by id: the same as by rank, as long as ids follow the merges.
    ranks = {t: r for r, t in enumerate(sorted(ids, key=ids.get))}
    return tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})


def best(fn, rounds):
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        fn()
        times.append(time.process_time() - begin)
    return min(times)


def run_phial(args, path, ids_path):
    out = subprocess.run([args.bench, args.model, path, "3", ids_path], check=True, capture_output=True)
    return json.loads(out.stdout)


def main():
    import numpy
    from tokenizers import Tokenizer
    from tokenizers import __version__ as version

    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--bench", default="build/release/bench/bench_tokenize")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    peer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    tik = load_tiktoken(args.model)
    failed = False
    for path in args.files:
        with open(path, encoding="utf-8", newline="") as f:
            text = f.read()
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        size = len(text.encode())
        times = {}

        def note(name, seconds):
            times[name] = min(seconds, times.get(name, seconds))

        for _ in range(args.rounds):
            with tempfile.NamedTemporaryFile() as ids_file:
                mine = run_phial(args, path, ids_file.name)
                ids = numpy.fromfile(ids_file.name, dtype=numpy.uint32)
            note("phial", mine["best_ns"] / 1e9)
            note("phial, first time", mine["first_ns"] / 1e9)
            note("phial, lines", mine["lines_best_ns"] / 1e9)
            note("phial open", mine["open_ns"] / 1e9)
            note("tokenizers", best(lambda: peer.encode(text), 1))
            note("tokenizers, lines", best(lambda: peer.encode_batch_fast(lines), 1))
            note("tokenizers open", best(lambda: Tokenizer.from_file(os.path.join(args.model, "tokenizer.json")), 1))
            if tik:
                note("tiktoken", best(lambda: tik.encode_ordinary(text), 1))
                note("tiktoken, lines", best(lambda: [tik.encode_ordinary(x) for x in lines], 1))
        same = numpy.array_equal(ids, numpy.array(peer.encode(text).ids, dtype=numpy.uint32))
        failed |= not same
        print(f"{os.path.basename(path)}: {size} bytes, {len(ids)} tokens, "
              f"ids {'equal' if same else 'DIFFER from'} tokenizers {version}")
        for name, seconds in times.items():
            base = times["phial open" if "open" in name else "phial, lines" if "lines" in name else "phial"]
            rate = "" if "open" in name else f"{size / seconds / 1e6:9.1f} MB/s"
            print(f"  {name:20s} {seconds * 1e3:10.1f} ms {rate:15s} {seconds / base:8.1f}x the time of phial")
    return 1 if failed else 0


sys.exit(main())
