#!/usr/bin/env python3
"""The pipeline that tutorials begin with, step by step in Phial and in FAISS, on the same vectors.

    bench/tutorial_compare.py --phial P --model M --pooling mean-logits --corpus C.jsonl
        --queries Q.jsonl [-n 100] [-k 3] [--work FOLDER]

1. every passage is embedded by the model (for Phi-2: the mean of its 51,200 logits), unit vectors
2. they go into FAISS's IndexFlatL2, and the same vectors are what phial's collection keeps
3. the query is embedded in the same way; the top k by L2 are taken

Told are places where the ids differ though the distances do by more than 1e-6 (relative): there
must be none. Needs numpy and faiss (pip: faiss-cpu).
"""
import argparse
import json
import os
import subprocess
import sys
import time

import faiss
import numpy as np


def run(*args, **more):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, **more).stdout


def main():
    a = argparse.ArgumentParser()
    for name in "phial", "model", "corpus", "queries":
        a.add_argument("--" + name, required=True)
    a.add_argument("--pooling", default="mean-logits")
    a.add_argument("--work", default=".")
    a.add_argument("-n", type=int, default=100)
    a.add_argument("-k", type=int, default=3)
    a = a.parse_args()
    c, npy, ids = (os.path.join(a.work, "tutorial" + e) for e in (".phial", ".npy", ".jsonl"))
    how = ["--pooling", a.pooling, "--normalize"]

    print(run(a.phial, "index", c, "--jsonl", a.corpus, "--embedder", a.model, *how).decode(), end="")
    run(a.phial, "collection", "export", c, "--npy", npy, "--ids", ids)
    vectors = np.load(npy)
    places = [json.loads(line) for line in open(ids)]
    print(f"vectors {vectors.shape}, lengths {np.linalg.norm(vectors, axis=1).min():.6f} to "
          f"{np.linalg.norm(vectors, axis=1).max():.6f}")

    texts = [json.loads(line)["text"].replace("\n", " ") for line in open(a.queries)][: a.n]
    lines = run(a.phial, "embed", "-m", a.model, *how, "--prefix", "query",
                input="\n".join(texts).encode())
    queries = np.array([json.loads(line) for line in lines.splitlines()], dtype=np.float32)

    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    distances, rows = index.search(queries, a.k)

    same = near = bad = 0
    began = time.time()
    for q, text in enumerate(texts):
        out = run(a.phial, "search", c, text, "--mode", "dense", "--metric", "l2", "--exact", "-k",
                  str(a.k), "--json", "--embedder", a.model)
        for rank, hit in enumerate(json.loads(out)["results"]):
            want = places[rows[q, rank]]
            if all(hit[key] == want[key] for key in ("doc", "page", "start", "end")):
                same += 1
            elif abs(-hit["score"] - distances[q, rank]) <= 1e-6 * max(distances[q, rank], 1e-30):
                near += 1
            else:
                bad += 1
                print(f"query {q + 1} rank {rank + 1}: {hit['doc']} ({-hit['score']:.9g}), "
                      f"FAISS {want['doc']} ({distances[q, rank]:.9g})")
    print(f"{len(texts)} queries, top {a.k}: {same} places with FAISS's id, {near} with another at "
          f"the same distance, {bad} wrong; {time.time() - began:.1f} s")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
