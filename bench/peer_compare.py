#!/usr/bin/env python3
"""phial bench beside llama.cpp on the same file, A B A B.

    bench/peer_compare.py PHIAL --model MODEL.gguf [--peer library|FOLDER] [--threads N] [--pairs 5]
                          [--work prefill,1,4,8,16] [--prompt 512] [--generate 32]
                          [--flash off|on|auto] [--peer-args="-rtr 1"] [--batched-args="-rtr"]

Each pair runs `phial bench` once and the peer once for every piece of work, in turn and with the
order of the two turned round from pair to pair. Printed: the medians of both in tokens per second,
their spread, and the median, lowest and highest ratio of the pairs, which is the figure that counts
on a machine that is never quiet.

--peer library   libllama inside llama-cpp-python, driven through llama_decode by a process of its
                 own that opens the model once: prefill is one llama_decode of the whole prompt that
                 asks for the last logits; decoding feeds one token for each sequence a step, with
                 logits, from an empty context. Refuses a library without AVX2, FMA and F16C on a
                 machine that has them.
--peer FOLDER    a folder with llama-bench and llama-batched-bench (llama.cpp's or a fork's), run
                 anew each time; the latter reads one token first and then decodes. --peer-args go
                 to both; --batched-args instead to the latter, since ik_llama.cpp's llama-bench
                 has `-rtr 1` where its llama-batched-bench has `-rtr`.

What is equal: file, threads, f16 keys and values, no warm-up counted, fast arithmetic in both (the
peer knows no other). What is not: the peer lays out its weights anew when it opens a file, which is
not counted.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FLASH = {"auto": -1, "off": 0, "on": 1}


def die(text):
    raise SystemExit(f"peer_compare: {text}")


# --- the peer's library, in a process of its own ---


def check_features(llama_cpp):
    """What the library was built with, against what the CPU has."""
    built = llama_cpp.llama_print_system_info().decode()
    print(f"peer: {' '.join(built.split())}", file=sys.stderr)
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    for flag, name in (("avx2", "AVX2"), ("fma", "FMA"), ("f16c", "F16C"), ("avx512f", "AVX512")):
        if flag in flags and f"{name} = 1" not in built:
            die(f"the peer was built without {name}")


class Library:
    """libllama; prefill() and decode() return seconds."""

    def __init__(self, llama_cpp, args):
        self.lib = llama_cpp
        self.args = args
        self.model = llama_cpp.llama_model_load_from_file(
            args.model.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            die(f"the peer cannot open {args.model}")
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.random = random.Random(1)

    def context(self, n_seq, n_tokens):
        p = self.lib.llama_context_default_params()
        p.n_ctx = n_seq * ((n_tokens + 255) // 256 * 256)
        p.n_batch = p.n_ubatch = max(512, n_seq)
        p.n_seq_max = n_seq
        p.n_threads = p.n_threads_batch = self.args.threads
        p.flash_attn_type = FLASH[self.args.flash]
        p.kv_unified = False
        ctx = self.lib.llama_init_from_model(self.model, p)
        if not ctx:
            die("the peer cannot make a context")
        if self.lib.llama_n_threads(ctx) != self.args.threads:
            die("the peer uses another number of threads")
        return ctx

    def step(self, ctx, batch, rows):
        """rows: (token, position, sequence, wants logits)"""
        batch.n_tokens = len(rows)
        for i, (token, pos, seq, logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = pos
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = logits
        if self.lib.llama_decode(ctx, batch) != 0:
            die("llama_decode failed")

    def ids(self, n):
        return [self.random.randrange(self.n_vocab) for _ in range(n)]

    def prefill(self, n):
        ctx, batch = self.context(1, n), self.lib.llama_batch_init(max(n, 1), 0, 1)
        self.step(ctx, batch, [(t, i, 0, 1) for i, t in enumerate(self.ids(4))])
        self.lib.llama_memory_clear(self.lib.llama_get_memory(ctx), True)
        rows = [[(t, at + i, 0, at + i == n - 1) for i, t in enumerate(self.ids(min(512, n - at)))]
                for at in range(0, n, 512)]
        begin = time.monotonic()
        for part in rows:
            self.step(ctx, batch, part)
        self.lib.llama_synchronize(ctx)
        seconds = time.monotonic() - begin
        self.lib.llama_batch_free(batch)
        self.lib.llama_free(ctx)
        return seconds

    def decode(self, n, n_seq):
        ctx, batch = self.context(n_seq, n), self.lib.llama_batch_init(n_seq, 0, 1)
        self.step(ctx, batch, [(1, 0, s, 1) for s in range(n_seq)])
        self.lib.llama_memory_clear(self.lib.llama_get_memory(ctx), True)
        rows = [[(t, i, s, 1) for s, t in enumerate(self.ids(n_seq))] for i in range(n)]
        begin = time.monotonic()
        for step in rows:
            self.step(ctx, batch, step)
        self.lib.llama_synchronize(ctx)
        seconds = time.monotonic() - begin
        self.lib.llama_batch_free(batch)
        self.lib.llama_free(ctx)
        return seconds


def serve(args):
    """Answers lines "prefill N" and "decode N SEQS" with tokens per second."""
    import llama_cpp
    silence = llama_cpp.llama_log_callback(lambda level, text, user: None)
    llama_cpp.llama_log_set(silence, None)
    check_features(llama_cpp)
    peer = Library(llama_cpp, args)
    print("ready", flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        numbers = [int(x) for x in numbers]
        seconds = peer.prefill(*numbers) if what == "prefill" else peer.decode(*numbers)
        tokens = numbers[0] if what == "prefill" else numbers[0] * numbers[1]
        print(tokens / seconds, flush=True)


class LibraryPeer:
    def __init__(self, args):
        command = [sys.executable, os.path.abspath(__file__), args.phial, "--serve", "--model",
                   args.model, "--threads", str(args.threads), "--flash", args.flash]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "ready\n":
            die("the peer's process did not start")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            die("the peer's process ended")
        return float(answer)

    def prefill(self, n):
        return self.ask(f"prefill {n}")

    def decode(self, n, n_seq):
        return self.ask(f"decode {n} {n_seq}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# --- the peer's own programs ---


def decode_speed(text):
    """Tokens per second of decoding in what a llama-batched-bench printed, None without any: llama.cpp
    writes a line of JSON on stdout if asked to; ik_llama.cpp takes the option, too, but always writes
    a table, and on stderr. The last line counts.

    >>> decode_speed('main: x\\n{"n_kv_max": 1024, "pl": 4, "speed_tg": 28.5, "speed": 28.4}\\n')
    28.5
    >>> decode_speed("\\n".join((
    ...     "main: n_kv_max = 1024, n_batch = 2048, n_threads = 2",
    ...     "|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |",
    ...     "|-------|--------|------|--------|----------|----------|----------|----------|",
    ...     "|     1 |     24 |    4 |    100 |    0.321 |    12.46 |    2.017 |    47.60 |",
    ...     "llama_print_timings: load time = 1 ms | 2 |")))
    47.6
    >>> decode_speed("| S_TG t/s |\\n|----------|\\nllama_decode() failed")
    """
    speed = column = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if line.startswith("{") and "speed_tg" in line:
            speed = json.loads(line)["speed_tg"]
        elif "S_TG t/s" in cells:
            column, width = cells.index("S_TG t/s"), len(cells)
        elif line.startswith("|") and column is not None and len(cells) == width:
            try:
                speed = float(cells[column])
            except ValueError:
                pass  # the rule under the heading
    return speed


class ProgramPeer:
    def __init__(self, args):
        self.args = args
        self.model = os.path.abspath(args.model)
        self.bench, self.batched = (os.path.join(os.path.abspath(args.peer), name)
                                    for name in ("llama-bench", "llama-batched-bench"))
        if not shutil.which(self.bench):
            die(f"{self.bench}: no such program")

    def run(self, command, more):
        """What it printed: stdout, and with stderr behind it."""
        command += ["-m", self.model, "-t", str(self.args.threads), *more.split()]
        with tempfile.TemporaryDirectory() as folder:  # some leave a log where they stand
            r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               check=False, cwd=folder)
        if r.returncode != 0:
            die(f"{' '.join(command)}: {r.stderr.strip().splitlines()[-1:]}")
        return r.stdout, r.stdout + "\n" + r.stderr

    def llama_bench(self, n_prompt, n_gen):
        flash = [] if self.args.flash == "auto" else ["-fa", str(FLASH[self.args.flash])]
        out, _ = self.run([self.bench, "-p", str(n_prompt), "-n", str(n_gen), "-r", "1", "-o",
                           "json", *flash], self.args.peer_args)
        return json.loads(out)[0]["avg_ts"]

    def prefill(self, n):
        return self.llama_bench(n, 0)

    def decode(self, n, n_seq):
        if n_seq == 1:
            return self.llama_bench(0, n)
        more = self.args.peer_args if self.args.batched_args is None else self.args.batched_args
        _, out = self.run([self.batched, "-npp", "1", "-ntg", str(n), "-npl", str(n_seq), "-c",
                           str(n_seq * 256), "-fa", self.args.flash, "--output-format", "jsonl"],
                          more)
        speed = decode_speed(out)
        if speed is None:
            die(f"no figure from {self.batched}: {out.strip().splitlines()[-1:]}")
        return speed

    def close(self):
        pass


# --- phial ---


class Phial:
    def __init__(self, args):
        self.args = args

    def bench(self, *options):
        command = [self.args.phial, "bench", "-m", self.args.model, "-t", str(self.args.threads),
                   "-r", "1", "--json", "--math", "fast", "--kv-type", "f16", *map(str, options)]
        r = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(r.stdout)["results"][0]["tok_s"]

    def prefill(self, n):
        return self.bench("-p", n, "-n", 0)

    def decode(self, n, n_seq):
        return self.bench("-p", 0, "-n", n, "-b", n_seq)


def measure(side, work, args):
    return side.prefill(args.prompt) if work == "prefill" else side.decode(args.generate, int(work))


def spread(values):
    return 100 * (max(values) - min(values)) / statistics.median(values)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("phial")
    parser.add_argument("--model", required=True)
    parser.add_argument("--peer", default="library")
    parser.add_argument("--peer-args", default="")
    parser.add_argument("--batched-args")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work", default="prefill,1,4,8,16")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--flash", choices=FLASH, default="off")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args)
        return
    theirs = LibraryPeer(args) if args.peer == "library" else ProgramPeer(args)
    ours = Phial(args)
    print(f"{os.path.basename(args.model)}, {args.threads} threads, {args.pairs} pairs, "
          f"flash attention of the peer {args.flash}")
    print("| work | phial tokens/s | spread | peer tokens/s | spread | ratio | lowest, highest |")
    print("|---|---|---|---|---|---|---|")
    for work in args.work.split(","):
        pairs = []
        for i in range(args.pairs):
            sides = (ours, theirs) if i % 2 == 0 else (theirs, ours)
            got = [measure(side, work, args) for side in sides]
            pairs.append(got if i % 2 == 0 else got[::-1])
        a, b = [p[0] for p in pairs], [p[1] for p in pairs]
        ratios = [x / y for x, y in pairs]
        name = f"prefill {args.prompt}" if work == "prefill" else \
            f"decode, {work} sequence{'' if work == '1' else 's'}"
        print(f"| {name} | {statistics.median(a):.2f} | {spread(a):.0f}% | "
              f"{statistics.median(b):.2f} | {spread(b):.0f}% | {statistics.median(ratios):.2f} | "
              f"{min(ratios):.2f}, {max(ratios):.2f} |", flush=True)
    theirs.close()


if __name__ == "__main__":
    main()
