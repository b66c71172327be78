#!/bin/sh
# Lexical search as docs/RAG.md has it: quality on SciFact and Cranfield by the programs a user has,
# and the time of a query on SciFact and on about 100,000 chunks (SciFact eleven times over, 64 abstracts
# a document).
#
#   bench/retrieval.sh BUILD DATA FOLDER
#
# BUILD: the build's folder, DATA: the one with scifact and cranfield, FOLDER is made and removed.
set -eu
phial=$1/phial bench=$1/bench/bench_lexical data=$2 folder=$3
here=$(dirname "$0")
mkdir "$folder"
trap 'rm -rf "$folder"' EXIT

python3 "$here/cranfield_beir.py" "$data/cranfield" "$folder/cranfield" >&2
ln -s "$(realpath "$data/scifact")" "$folder/scifact"

quality() {
    name=$1 queries=$2 qrels=$3
    "$phial" search "$folder/$name.phial" --queries "$queries" --run "$folder/run" -k 100 \
        --mode lexical >&2
    echo "$name, $(basename "$qrels"):"
    "$phial" eval retrieval --run "$folder/run" --qrels "$qrels"
}

for name in scifact cranfield; do
    "$phial" index "$folder/$name.phial" --jsonl "$folder/$name/corpus.jsonl" >&2
done
scifact=$folder/scifact/queries.jsonl judged=$folder/scifact/qrels/test.tsv
quality scifact "$scifact" "$judged"
quality cranfield "$folder/cranfield/queries.jsonl" "$folder/cranfield/qrels.tsv"
quality cranfield "$folder/cranfield/queries.jsonl" "$folder/cranfield/binary.tsv"

python3 - "$folder/scifact/corpus.jsonl" "$folder/large.jsonl" <<'END'
import json
import sys

texts = [json.loads(line) for line in open(sys.argv[1])] * 11
with open(sys.argv[2], "w") as out:
    for i in range(0, len(texts), 64):
        text = "\n\n".join(t["title"] + "\n\n" + t["text"] for t in texts[i:i + 64])
        print(json.dumps({"_id": str(i // 64), "text": text}), file=out)
END
"$phial" index "$folder/large.phial" --jsonl "$folder/large.jsonl" >&2
echo "nDCG@10 odd, even, all; Recall@100; ms median, 99th percentile:"
for name in scifact large; do
    echo "$name: $("$phial" collection list "$folder/$name.phial" | tail -1)"
    for round in 1 2 3; do
        echo "1.2 0.75 3 0.5 1.2 0.75" | "$bench" "$folder/$name.phial" "$scifact" "$judged"
    done
done
