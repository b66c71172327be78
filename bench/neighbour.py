#!/usr/bin/env python3
"""Decoding beside a neighbour that takes half of one core, A B A B.

    bench/neighbour.py PHIAL --model MODEL.gguf [--threads N] [--pairs 5] [--generate 64]
                       [--share 0.5] [--period-ms 20] [--core 0]

The neighbour is a process pinned to one core that computes for a share of each period and sleeps
for the rest. `phial bench` decodes with it and without it in turn, the order turned round from pair
to pair. Printed: the medians, and the median and the worst slowdown of the pairs. Of two cores the
neighbour leaves one and a half: 25% slower is its fair share; if each thread has a fixed half of the
work and waits for the other, it is 50%.

What the neighbour really got is printed too: a machine that is busy with other things makes the
figures worthless, and shows in it and in the spread.
"""
import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import time


def spin(core, share, period, used):
    os.sched_setaffinity(0, {core})
    begin, cpu = time.monotonic(), time.process_time()
    while True:
        until = time.process_time() + share * period
        start = time.monotonic()
        while time.process_time() < until:
            for _ in range(1000):
                pass
        used.value = (time.process_time() - cpu) / (time.monotonic() - begin)
        time.sleep(max(0.0, period - (time.monotonic() - start)))


def decode(args):
    command = [args.phial, "bench", "-m", args.model, "-t", str(args.threads), "-p", "0", "-n",
               str(args.generate), "-r", "1", "--json"]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(out)["results"][0]["tok_s"]


def beside_neighbour(args, got):
    used = multiprocessing.Value("d", 0.0)
    process = multiprocessing.Process(target=spin, daemon=True,
                                      args=(args.core, args.share, args.period_ms / 1000, used))
    process.start()
    try:
        return decode(args)
    finally:
        got.append(used.value)
        process.terminate()
        process.join()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("phial")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--period-ms", type=float, default=20)
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)))
    args = parser.parse_args()
    alone, beside, got = [], [], []
    for i in range(args.pairs):
        for neighbour in ((False, True) if i % 2 == 0 else (True, False)):
            if neighbour:
                beside.append(beside_neighbour(args, got))
            else:
                alone.append(decode(args))
    slower = [100 * (1 - b / a) for a, b in zip(alone, beside)]
    print("| alone, tokens/s | beside, tokens/s | neighbour's share | slower, median | worst |")
    print("|---|---|---|---|---|")
    print(f"| {statistics.median(alone):.2f} | {statistics.median(beside):.2f} | "
          f"{100 * statistics.median(got):.0f}% of a core | {statistics.median(slower):.0f}% | "
          f"{max(slower):.0f}% |")


if __name__ == "__main__":
    main()
