#!/usr/bin/env python3
"""Writes the Cranfield collection in BEIR's layout: corpus.jsonl, queries.jsonl, and judgements.

    bench/cranfield_beir.py FOLDER_WITH_CRANFIELD OUT

A query's id in cranqrel is its ordinal, not its number in cran.qry. Code 1 is the most relevant,
4 the least, -1 not at all: qrels.tsv has 5 - code (and 0), binary.tsv has 1 for every code from 1 on.
"""
import json
import os
import re
import sys


def records(path):
    for text in re.split(r"^\.I ", open(path).read(), flags=re.M)[1:]:
        number, rest = text.split("\n", 1)
        fields = {}
        for part in re.split(r"^\.(?=[TABW]\n)", rest, flags=re.M)[1:]:
            fields[part[0]] = part[2:].strip()
        yield int(number), fields


def main():
    source, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/corpus.jsonl", "w") as f:
        for number, r in records(f"{source}/cran.all.1400"):
            title, text = r.get("T", ""), r.get("W", "")
            if text.startswith(title):
                text = text[len(title):].strip()
            print(json.dumps({"_id": str(number), "title": title, "text": text}), file=f)
    with open(f"{out}/queries.jsonl", "w") as f:
        for i, (_, r) in enumerate(records(f"{source}/cran.qry"), 1):
            print(json.dumps({"_id": str(i), "text": r["W"]}), file=f)
    with open(f"{out}/qrels.tsv", "w") as graded, open(f"{out}/binary.tsv", "w") as binary:
        for f in graded, binary:
            print("query-id\tcorpus-id\tscore", file=f)
        for line in open(f"{source}/cranqrel"):
            query, doc, code = line.split()[:3]
            gain = 5 - int(code) if int(code) > 0 else 0
            print(f"{query}\t{doc}\t{gain}", file=graded)
            print(f"{query}\t{doc}\t{int(gain > 0)}", file=binary)


main()
