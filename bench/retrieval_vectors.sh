#!/bin/sh
# The quality of search by words, by vectors and by both on SciFact and Cranfield, as docs/RAG.md has
# it, by the programs a user has.
#
#   bench/retrieval_vectors.sh BUILD DATA FOLDER 'OPTIONS'...
#
# BUILD: the build's folder, DATA: the one with scifact and cranfield, OPTIONS: of phial index, such as
# '--embedder MODEL --math fast'. FOLDER keeps the collections and what is made of them: what is
# embedded there already is not embedded again. A line is nDCG@10 (Recall@100, MRR); behind hybrid
# stands how much its nDCG@10 is above that of the better of the two others.
set -eu
phial=$1/phial data=$2 folder=$3
shift 3
here=$(dirname "$0")
mkdir -p "$folder"
folder=$(realpath "$folder")
export XDG_CACHE_HOME="$folder/cache"
python3 "$here/cranfield_beir.py" "$data/cranfield" "$folder/cranfield" >&2

# Sets $ndcg and $scores.
search() {
    "$phial" search "$1" --queries "$2" --run "$folder/run" -k 100 --mode "$4" >&2
    "$phial" eval retrieval --run "$folder/run" --qrels "$3" --complete --json >"$folder/scores"
    ndcg=$(score ndcg@10)
    scores="$ndcg ($(score recall@100), $(score mrr))"
}

score() {
    python3 -c 'import json, sys
print("%.4f" % json.load(open(sys.argv[1]))[sys.argv[2]])' "$folder/scores" "$1"
}

for options; do
    for name in scifact cranfield; do
        case $name in
        scifact) corpus=$data/scifact queries=$corpus/queries.jsonl judged=$corpus/qrels/test.tsv ;;
        cranfield) corpus=$folder/cranfield queries=$corpus/queries.jsonl judged=$corpus/qrels.tsv ;;
        esac
        collection=$folder/$name$(printf %s "$options" | tr -c '[:alnum:]' _).phial
        # shellcheck disable=SC2086 # options are words
        "$phial" index "$collection" --jsonl "$corpus/corpus.jsonl" $options >&2
        best=0
        for mode in lexical dense hybrid; do
            search "$collection" "$queries" "$judged" $mode
            more=
            if [ $mode = hybrid ]; then
                more=" $(python3 -c "print('%+.4f' % ($ndcg - $best))")"
            else
                best=$(python3 -c "print(max($best, $ndcg))")
            fi
            echo "$name, $options, $mode: $scores$more"
        done
    done
done
