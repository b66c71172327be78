#!/usr/bin/env python3
"""Writes tests/data/trec: a random run with ties, judgements, and what trec_eval says of them.

    pip install pytrec_eval-terrier
    tests/golden/make_trec_eval.py tests/data/trec

There are judgements below 0 and above 1, documents without a judgement, queries that only one file
has, and queries without anything relevant.
"""
import random
import sys

import pytrec_eval

MEASURES = {"ndcg_cut_10": "ndcg_cut.10", "recall_10": "recall.10", "recall_100": "recall.100",
            "recip_rank": "recip_rank", "map": "map"}


def main():
    out = sys.argv[1]
    random.seed(6)
    qrels, run = {}, {}
    for q in range(24):
        name = f"q{q}"
        docs = [f"d{random.randrange(400)}" for _ in range(150)]
        if q % 8 != 3:
            levels = [0, 0, 0, -1] if q % 8 == 5 else [-1, 0, 0, 1, 1, 2, 3]
            qrels[name] = {d: random.choice(levels) for d in docs[:60]}
        if q % 8 != 6:
            run[name] = {d: round(random.random() * 6, 1) for d in docs[30:]}
    with open(f"{out}/qrels", "w") as f:
        for q in qrels:
            for d in qrels[q]:
                print(q, 0, d, qrels[q][d], file=f)
    with open(f"{out}/run", "w") as f:
        for q in run:
            for rank, d in enumerate(run[q], 1):
                print(q, "Q0", d, rank, run[q][d], "random", file=f)
    scores = pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES.values())).evaluate(run)
    with open(f"{out}/expected", "w") as f:
        for q in sorted(scores):
            print(q, *(f"{scores[q][m]:.9f}" for m in MEASURES), file=f)


main()
