#!/bin/sh
# Makes nano again: models/nano/make.sh WORK
# WORK is an empty folder for 1.3 GB of examples and the runs. Everything comes from the textbook
# writer of this program and its seeds; README.md tells what each stage is for and what came out.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
phial=${PHIAL:-$here/../../build/release/phial}
[ $# -eq 1 ] || {
    echo "usage: models/nano/make.sh WORK" >&2
    exit 2
}
mkdir -p "$1"
cd "$1"

write() { # write FILE SPLIT SEED --bytes|-n SIZE ABSENT KINDS
    [ -e "$1" ] || "$phial" textbook write --local --split "$2" --seed "$3" "$4" "$5" \
        --absent "$6" --kinds "$7" >"$1.part"
    [ -e "$1" ] || mv "$1.part" "$1"
}

learn() { # learn RUN EXAMPLES HELD_OUT STEPS [OPTIONS]: goes on with a run that was stopped
    run=$1 examples=$2 held=$3 steps=$4
    shift 4
    [ -e "$run/done" ] && return
    if [ -e "$run/run.json" ]; then
        "$phial" train --resume -o "$run" --stop-after "$steps"
    else
        "$phial" train "$examples" --preset chat --batch-tokens 2048 --held-out-file "$held" \
            --save-every 500 -o "$run" --stop-after "$steps" "$@"
    fi
    : >"$run/done"
}

# The tokenizer: 4,096 tokens, a token for each digit.
[ -e words/tokenizer.json ] || {
    "$phial" textbook write --local --bytes 30000000 --seed 5 --tokenizer >tok.txt
    "$phial" train tokenizer tok.txt -o words --vocab 4096
}

# 1. Looking back: words in no order, once more.
write train0.jsonl train 11 -n 50000 30 words
write dev0.jsonl dev 12 -n 200 30 words
learn run0 train0.jsonl dev0.jsonl 800 --from-scratch --layers 6 --tokenizer words --lr 3e-3 \
    --lr-end 1.5e-3 --warmup 50 --steps 1000 --eval-every 100 --eval-tokens 0

# 2. A little of everything.
mix="answer=190,absent=70,dialog=220,passages=90,pages=25,reading=120,sum=120,story=45,haiku=45,"
mix="${mix}joke=35,explain=25,code=15,chat=12,prose=5,copy=45,words=15"
write train1.jsonl train 21 --bytes 150000000 31 "$mix"
write dev1.jsonl dev 3 -n 3000 31 "$mix"
learn run1 train1.jsonl dev1.jsonl 1500 --from run0/model --lr 2e-3 --lr-end 1.5e-3 --warmup 100 \
    --steps 30000 --eval-every 500 --eval-tokens 16384
learn run2 train1.jsonl dev1.jsonl 3000 --from run1/model --math bf16 --lr 2e-3 --lr-end 2e-3 \
    --warmup 50 --steps 60000 --seed 2 --eval-every 1000 --eval-tokens 16384

# 3. Finding: hardly any question without an answer, which is what one says who cannot find it.
mix="answer=300,absent=10,dialog=260,passages=80,pages=15,reading=110,sum=110,story=28,haiku=32,"
mix="${mix}joke=25,explain=14,code=8,chat=6,prose=4,copy=50,words=30"
write train2.jsonl train 31 --bytes 150000000 6 "$mix"
write dev2.jsonl dev 4 -n 3000 6 "$mix"
learn run3 train2.jsonl dev2.jsonl 3000 --from run2/model --math bf16 --lr 2e-3 --lr-end 2e-3 \
    --warmup 50 --steps 60000 --seed 3 --eval-every 500 --eval-tokens 16384

# 4. The same with many more sums.
mix="answer=300,absent=20,dialog=240,passages=70,pages=10,reading=90,sum=400,story=35,haiku=60,"
mix="${mix}joke=45,explain=14,code=8,chat=6,prose=3,copy=60,words=60"
write train3.jsonl train 41 --bytes 150000000 12 "$mix"
write dev3.jsonl dev 6 -n 4000 12 "$mix"
learn run4 train3.jsonl dev3.jsonl 5000 --from run3/model --math bf16 --lr 2e-3 --lr-end 1e-3 \
    --warmup 50 --steps 5000 --seed 4 --eval-every 500 --eval-tokens 16384

# 5. All of it, with questions that have no answer, while the rate falls.
mix="answer=260,absent=70,dialog=220,passages=100,pages=20,reading=70,sum=220,story=90,haiku=85,"
mix="${mix}joke=80,explain=20,code=12,chat=12,prose=3,copy=50,words=50"
write train4.jsonl train 61 --bytes 120000000 26 "$mix"
write dev4.jsonl dev 8 -n 4000 26 "$mix"
learn run5 train4.jsonl dev4.jsonl 7000 --from run4/model --math bf16 --lr 1e-3 --lr-end 2e-5 \
    --warmup 50 --steps 7000 --seed 5 --eval-every 500 --eval-tokens 16384

# 6. A richer writer: long conversations, words that nobody knows.
mix="answer=260,absent=30,dialog=560,passages=130,pages=20,reading=4,sum=110,story=60,haiku=60,"
mix="${mix}joke=75,explain=8,code=5,chat=6,copy=30,words=30"
write train5.jsonl train 201 --bytes 60000000 14 "$mix"
write dev5.jsonl test 202 -n 1200 14 "$mix"
learn run6 train5.jsonl dev5.jsonl 2200 --from run5/model --lr 1.5e-3 --lr-end 1.5e-3 \
    --warmup 100 --steps 100000 --seed 11 --eval-every 550 --eval-tokens 40000

# 7. With sentences that are put together by rules; the rate falls.
mix="answer=200,absent=25,dialog=620,passages=120,pages=15,sum=80,story=60,haiku=60,joke=80,"
mix="${mix}explain=6,code=4,chat=5,copy=25,words=25"
write train6.jsonl train 301 --bytes 120000000 15 "$mix"
write dev6.jsonl test 302 -n 1000 15 "$mix"
learn run7 train6.jsonl dev6.jsonl 6000 --from run6/model --lr 1.5e-3 --lr-end 3e-5 \
    --warmup 60 --steps 6000 --seed 21 --eval-every 600 --eval-tokens 40000

# 8. Declining again, and more to tell.
mix="answer=220,absent=110,dialog=560,passages=120,pages=15,sum=130,story=85,haiku=85,joke=95,"
mix="${mix}explain=8,code=6,chat=6,copy=15,words=10"
write train7.jsonl train 401 --bytes 16000000 27 "$mix"
write dev7.jsonl test 402 -n 800 27 "$mix"
learn run8 train7.jsonl dev7.jsonl 1200 --from run7/model --lr 4e-4 --lr-end 2e-5 \
    --warmup 30 --steps 1200 --seed 31 --eval-every 300 --eval-tokens 30000

# 9. Words that are nearly real ones: rare tokens in answers, too.
mix="answer=110,absent=15,dialog=640,passages=110,pages=10,sum=70,story=60,haiku=60,joke=75,"
mix="${mix}explain=5,code=4,chat=5,copy=18,words=100"
for seed in 603 604 605 606; do
    write train8-$seed.jsonl train $seed --bytes 60000000 15 "$mix"
done
cat train8-60[3-6].jsonl >train8.jsonl
write dev8.jsonl test 602 -n 1000 15 "$mix"
learn run9 train8.jsonl dev8.jsonl 17000 --from run8/model --math bf16 --lr 1.5e-3 --lr-end 3e-5 \
    --warmup 100 --steps 17000 --seed 61 --eval-every 1000 --eval-tokens 40000

# 10. Declining once more, and a quarter of that.
mix="answer=220,absent=110,dialog=560,passages=120,pages=15,sum=130,story=85,haiku=85,joke=95,"
mix="${mix}explain=8,code=6,chat=6,copy=15,words=30"
write train9.jsonl train 701 --bytes 24000000 27 "$mix"
write dev9.jsonl test 702 -n 800 27 "$mix"
learn run10 train9.jsonl dev9.jsonl 1200 --from run9/model --math bf16 --lr 4e-4 --lr-end 2e-5 \
    --warmup 30 --steps 1200 --seed 71 --eval-every 300 --eval-tokens 30000
python3 "$here/average.py" run9/model run10/model 0.25 nano
"$phial" convert nano nano.gguf # the folder's name becomes the model's
