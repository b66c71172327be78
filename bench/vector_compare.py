#!/usr/bin/env python3
"""Vector search beside faiss-cpu and hnswlib, one thread, the same vectors, in turns.

    bench/vector_compare.py BENCH_VINDEX [--rows 100000] [--dim 384] [--clusters 1000] [--spread 0.7]
                            [--rounds 3] [--folder DIR] [--no-hnsw]

BENCH_VINDEX is the program built from bench/bench_vindex.c; it makes the vectors, writes them for
the others, and is run once in each round, the others before and after it (A B A B). What counts is
the thread's CPU time, so that waiting for a core does not; what a neighbour on the same core takes
away still does, which is why the ratios of each round are shown and not only the best figures.
FAISS's batches are matrix products of its OpenBLAS, which chooses its kernels by a list of CPUs that
it was made with; on one that it does not know, OPENBLAS_CORETYPE in the environment decides
(SkylakeX is best where there is AVX-512), and what it chose is printed with threadpoolctl.
Recall is counted against FAISS's flat index. Equal order is checked too: ids that differ from
FAISS's at a place must have distances within 1e-6 of each other.
"""
import argparse
import os
import re
import statistics
import subprocess
import time

import faiss
import hnswlib
import numpy

LINE = re.compile(r"(\w+)\s+wanted (\S+)\s+batch (\d+)\s+best\s+(\S+) q/s\s+median\s+(\S+)\s+"
                  r"recall@\d+ (\S+)")


def ours(args, write=False):
    command = [args.bench, "-n", str(args.rows), "-d", str(args.dim), "-c", str(args.clusters),
               "-s", str(args.spread), "-w", args.folder, "-r", "0.5,0.8,0.95,0.99"]
    if write:
        command += ["--write", os.path.join(args.folder, "compare")]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    if write:
        print(out)
    return {(m[1], m[2], int(m[3])): (float(m[5]), float(m[6])) for m in LINE.finditer(out)}


def timed(function, n):
    begin = time.thread_time()
    result = function()
    return n / (time.thread_time() - begin), result


def faiss_single(index, queries, k):
    return [index.search(queries[i:i + 1], k)[1][0] for i in range(len(queries))]


def same_order(rows, queries, want, got):
    """Places where ids differ although the distances do."""
    wrong = 0
    for i, j in zip(*numpy.nonzero(want != got)):
        a, b = (float(((rows[x] - queries[i]).astype("f8") ** 2).sum())
                for x in (want[i, j], got[i, j]))
        wrong += abs(a - b) > 1e-6 * max(a, b)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--spread", type=float, default=0.7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=".")
    parser.add_argument("--no-hnsw", action="store_true")
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    k = 10
    ours(args, write=True)
    prefix = os.path.join(args.folder, "compare.")
    rows = numpy.fromfile(prefix + "rows.f32", "f4").reshape(-1, args.dim)
    queries = numpy.fromfile(prefix + "queries.f32", "f4").reshape(-1, args.dim)
    truth = numpy.fromfile(prefix + "truth.i64", "i8").reshape(len(queries), k)
    flat = faiss.IndexFlatL2(args.dim)
    flat.add(rows)
    one_by_one = numpy.array(faiss_single(flat, queries[:200], k))
    print("places where ids differ from FAISS's flat index, of", one_by_one.size, "-",
          int((one_by_one != truth[:200]).sum()), "- with distances apart by more than 1e-6:",
          same_order(rows, queries, one_by_one, truth[:200]))
    try:
        import threadpoolctl
        print("BLAS:", ", ".join(f"{x['filepath'].split('/')[-1]} {x.get('architecture')}"
                                 for x in threadpoolctl.threadpool_info() if x["user_api"] == "blas"))
    except ImportError:
        pass
    graph = None
    if not args.no_hnsw:
        graph = hnswlib.Index("l2", args.dim)
        graph.init_index(len(rows), M=16, ef_construction=100)
        speed, _ = timed(lambda: graph.add_items(rows, num_threads=1), 1)
        print(f"hnswlib built in {1 / speed:.1f} s of CPU")
    figures = {}

    def note(name, speed, recall):
        figures.setdefault(name, []).append((speed, recall))

    def others():
        speed, _ = timed(lambda: faiss_single(flat, queries[:50], k), 50)
        note("faiss flat, single", speed, 1.0)
        speed, (_, ids) = timed(lambda: flat.search(queries, k), len(queries))
        note("faiss flat, batch", speed, 1.0)
        for ef in (10, 14, 16, 18, 20, 30, 40, 80) if graph else ():
            graph.set_ef(ef)
            speed, found = timed(lambda: [graph.knn_query(q, k, num_threads=1)[0][0]
                                          for q in queries], len(queries))
            hits = sum(len(set(a) & set(b)) for a, b in zip(found, truth))
            note(f"hnswlib ef {ef}, single", speed, hits / truth.size)

    for _ in range(args.rounds):
        others()
        for (kind, wanted, batch), (speed, recall) in ours(args).items():
            note(f"{kind} {wanted}, {'single' if batch == 1 else 'batch'}", speed, recall)
        others()
    for name, values in figures.items():
        speeds = [v[0] for v in values]
        print(f"{name:28} {statistics.median(speeds):9.1f} q/s ({min(speeds):.1f} - "
              f"{max(speeds):.1f})  recall {values[0][1]:.4f}")
    for suffix in ("rows.f32", "queries.f32", "truth.i64"):
        os.unlink(prefix + suffix)


if __name__ == "__main__":
    main()
