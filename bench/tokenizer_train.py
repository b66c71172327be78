#!/usr/bin/env python3
"""`phial train tokenizer` beside the BPE trainer of Hugging Face `tokenizers`: same files, same result.

    pip install tokenizers
    bench/tokenizer_train.py [--phial build/release/phial] [--vocab 4096,32000] [--rounds 3] FILE...

Each round runs both programs, each in a process of its own, on one thread and on all; the least CPU time
(user and system) and the least wall time of each count. Merges and ids must be equal: exit 1 if not.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

PEER = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
out, n_vocab, special = sys.argv[1], int(sys.argv[2]), sys.argv[3]
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.train(sys.argv[4:], trainers.BpeTrainer(vocab_size=n_vocab, special_tokens=[special], show_progress=False,
                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
t.save(out)
"""


def run(command, env):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def model_of(path):
    with open(path, encoding="utf-8") as f:
        model = json.load(f)["model"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    return merges, model["vocab"]


def main():
    from tokenizers import __version__ as version

    parser = argparse.ArgumentParser()
    parser.add_argument("--phial", default="build/release/phial")
    parser.add_argument("--vocab", default="4096,32000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    size = sum(os.path.getsize(f) for f in args.files)
    special = "<|endoftext|>"
    failed = False
    with tempfile.TemporaryDirectory() as tmp:
        peer = os.path.join(tmp, "peer.json")
        for n_vocab in args.vocab.split(","):
            best = {}
            for _ in range(args.rounds):
                for threads, env in (("1", {"RAYON_NUM_THREADS": "1"}), ("all", {})):
                    more = ["--threads", "1"] if threads == "1" else []
                    commands = {
                        "phial": [args.phial, "train", "tokenizer", *args.files, "-o", tmp, "--vocab", n_vocab,
                                  "--special", special, *more],
                        "tokenizers": [sys.executable, "-c", PEER, peer, n_vocab, special, *args.files],
                    }
                    for name, command in commands.items():
                        wall, cpu = run(command, env)
                        old = best.get((name, threads), (wall, cpu))
                        best[name, threads] = min(wall, old[0]), min(cpu, old[1])
            mine, theirs = model_of(os.path.join(tmp, "tokenizer.json")), model_of(peer)
            same = mine == theirs
            failed |= not same
            print(f"{size} bytes, {n_vocab} tokens: {len(mine[0])} merges "
                  f"{'equal to' if same else 'DIFFERENT from'} tokenizers {version}")
            for (name, threads), (wall, cpu) in sorted(best.items(), key=lambda x: x[0][1]):
                base = best["phial", threads]
                print(f"  {name:10s} threads {threads:3s}  wall {wall:7.2f} s ({wall / base[0]:5.1f}x)  "
                      f"CPU {cpu:7.2f} s ({cpu / base[1]:5.1f}x)")
    return 1 if failed else 0


sys.exit(main())
