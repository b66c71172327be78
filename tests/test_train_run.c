/* phial train from outside: a run that is killed again and again gives the bits of one that was
 * not; what it leaves behind; bad folders, bad checkpoints, full disks, numbers that are none.
 * labels: slow
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli_run.h"

static char folder[] = "/tmp/phial-train-XXXXXX";

static const cli_result *expect(const char *line, int code, const char *out, const char *message)
{
    return cli_expect_in(folder, line, code, out, message);
}

/* A tokenizer, and 400 examples of three kinds. */
static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    expect("$PHIAL train tokenizer " PHIAL_SOURCE_DIR
           "/tests/data/bpe/text.txt -o words --vocab 300",
           0, "300 tokens", "");
    expect("i=0; while [ $i -lt 400 ]; do i=$((i+1)); case $((i % 3)) in\n"
           "0) echo \"{\\\"text\\\":\\\"number $i is here\\\"}\" ;;\n"
           "1) echo \"{\\\"prompt\\\":\\\"What is $i?\\\",\\\"completion\\\":\\\" $i.\\\"}\" ;;\n"
           "2) echo \"{\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"$i\\\"},"
           "{\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"$i!\\\"}]}\" ;;\n"
           "esac; done >data.jsonl",
           0, "", "");
    /* BASE: options of all runs here; PLAN: of most. */
    setenv("BASE",
           "train data.jsonl --from-scratch --shape tiny --embd 32 --ctx 64 --batch-tokens 256 "
           "--tokenizer words --accumulate 2 --held-out 0.1",
           1);
    setenv("PLAN", "--steps 30 --eval-every 5 --save-every 4", 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return cli_run(line)->code;
}

/* Everything that a run leaves is the same to the byte. */
static const char SAME[] = "for f in run.json state.safetensors log.csv loss.svg "
                           "model/model.safetensors model/config.json model/tokenizer.json; do "
                           "cmp whole/$f parts/$f || exit 1; done; ls parts | wc -l";

static void test_kill(void **state)
{
    (void)state;
    expect("$PHIAL $BASE $PLAN -o whole --json -t 1", 0, "\"event\":\"end\"", "");
    /* Killed without warning behind the 3rd, 9th, ... line of output, on other numbers of threads;
     * each run begins where the last checkpoint was; the first one is killed before there is
     * any, for which a fast machine takes a few tries. */
    expect("run() { : >out; $PHIAL \"$@\" --json >out & pid=$!\n"
           "while [ $(wc -l <out) -lt $lines ] && kill -0 $pid; do sleep 0.002; done\n"
           "kill -9 $pid 2>/dev/null; wait $pid; }\n"
           "for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do\n"
           "rm -rf parts; lines=1; run $BASE $PLAN -o parts -t 2\n"
           "test -e parts/state.safetensors || break; done\n"
           "test ! -e parts/state.safetensors || exit 9\n"
           "for lines in 2 9 4 7 8; do run train --resume -o parts -t $((lines % 3 + 1)); done\n"
           "grep -c '\"event\":\"start\"' out; test -e parts/state.safetensors\n",
           0, "1", "");
    expect("$PHIAL train --resume -o parts --json", 0, "\"event\":\"end\"", "");
    expect(SAME, 0, "6\n", "");
    /* A run that has ended can be asked again, and nothing changes. */
    expect("$PHIAL train --resume -o parts", 0, "parts/model: held-out loss", "");
    expect(SAME, 0, "6\n", "");
}

/* The same in bf16. */
static void test_kill_bf16(void **state)
{
    (void)state;
    expect("$PHIAL $BASE $PLAN --math bf16 -o whole16 -t 1 && ! cmp -s whole16/state.safetensors "
           "whole/state.safetensors",
           0, "whole16/model", "");
    expect("run() { : >out; $PHIAL \"$@\" --json >out & pid=$!\n"
           "while [ $(wc -l <out) -lt $lines ] && kill -0 $pid; do sleep 0.002; done\n"
           "kill -9 $pid 2>/dev/null; wait $pid; }\n"
           "lines=9; run $BASE $PLAN --math bf16 -o parts16 -t 2\n"
           "for lines in 9 6; do run train --resume -o parts16 -t 3; done; "
           "test -e parts16/state.safetensors && $PHIAL train --resume -o parts16 -t 2",
           0, "parts16/model", "");
    expect("for f in state.safetensors log.csv model/model.safetensors; do "
           "cmp whole16/$f parts16/$f || exit 1; done",
           0, "", "");
}

static void test_interrupt(void **state)
{
    (void)state;
    expect("rm -rf parts; : >out; $PHIAL $BASE $PLAN -o parts --json >out 2>err & pid=$!\n"
           "while [ $(wc -l <out) -lt 7 ] && kill -0 $pid; do sleep 0.002; done; kill -INT $pid; "
           "wait $pid\n"
           "test $? -eq 130 && cat err",
           0, "stopped and saved; go on with: phial train --resume -o parts", "");
    expect("$PHIAL train --resume -o parts --json", 0, "\"event\":\"end\"", "");
    expect(SAME, 0, "6\n", "");
}

/* A run that is taken in pieces is the same run. */
static void test_stop_after(void **state)
{
    (void)state;
    expect("$PHIAL $BASE $PLAN -o pieces --stop-after 3", 0, "",
           "step 3 is done; go on with: phial train --resume -o pieces");
    expect("tail -n 1 pieces/log.csv | cut -d, -f1", 0, "3", "");
    expect("$PHIAL train --resume -o pieces && cmp pieces/state.safetensors "
           "whole/state.safetensors",
           0, "pieces/model", "");
}

static void test_result(void **state)
{
    (void)state;
    expect("$PHIAL generate -m whole/model -p 'What is 12?' -n 4 --temp 0", 0, "", "");
    expect("$PHIAL inspect whole/model/model.safetensors --json", 0, "\"F16\"", "");
    expect("head -1 whole/log.csv; wc -l <whole/log.csv", 0,
           "step,epoch,tokens,lr,loss,grad_norm,held_out_loss\n31\n", "");
    expect("grep -c polyline whole/loss.svg; tail -1 whole/loss.svg", 0, "2\n</svg>\n", "");
    expect("awk -F, 'NR==2{a=$5} END{print (a > $5 + 1)}' whole/log.csv", 0, "1\n", "");
    /* From that model on, in other types, with a GGUF file. */
    expect("$PHIAL train data.jsonl --from whole/model -o more --steps 2 --lr 1e-4 --type F32 "
           "--gguf --batch-tokens 512 --math bf16 --recompute",
           0, "more/model", "");
    expect("$PHIAL generate -m more/model.gguf -p 'What is 12?' -n 4 --temp 0", 0, "", "");
    expect("$PHIAL train data.jsonl --from more/model.gguf -o third --steps 1 --held-out 0", 0,
           "third/model\n", "nothing is held out");
    expect("$PHIAL generate -m third/model -p 'What is 12?' -n 4 --temp 0", 0, "", "");
}

static void test_early_stop(void **state)
{
    (void)state;
    expect("$PHIAL $BASE --steps 30 -o early --eval-every 1 --patience 2 --lr 0.9 --lr-end 0.9 "
           "--warmup 0 "
           "--clip 0 --json",
           0, "\"reason\":\"no_better\"", "");
    expect("$PHIAL train --resume -o early", 0, "early/model", "");
}

static void test_not_a_number(void **state)
{
    (void)state;
    expect(
        "$PHIAL $BASE --steps 30 -o nan --lr 1e25 --lr-end 0 --warmup 12 --clip 0 --eval-every 30 "
        "--save-every 1 --weight-decay 0 || { c=$?; ls nan; exit $c; }",
        1, "state.safetensors", "examples data.jsonl:");
    const cli_result *r = expect("$PHIAL train --resume -o nan", 1, "", "examples data.jsonl:");
    assert_non_null(strstr(r->err, "the checkpoint of step "));
    assert_null(strstr(r->err, "damaged"));
}

/* The disk is full in the middle of the third checkpoint. */
static void test_full_disk(void **state)
{
    (void)state;
    expect(": >out; $PHIAL $BASE $PLAN -o full --json >out & pid=$!\n"
           "while [ $(wc -l <out) -lt 12 ] && kill -0 $pid; do sleep 0.002; done; kill -INT $pid; "
           "wait $pid\n"
           "cp full/state.safetensors before",
           0, "", "");
    const cli_result *r = expect("trap '' XFSZ; ulimit -f $(($(stat -c %s before) / 2048)); "
                                 "$PHIAL train --resume -o full",
                                 1, "", "is whole; then");
    assert_non_null(strstr(r->err, "state.safetensors"));
    expect("cmp before full/state.safetensors && ls full | grep -c state", 0, "1\n", "");
    expect("$PHIAL train --resume -o full && cmp full/state.safetensors whole/state.safetensors", 0,
           "", "");
}

static void test_folder(void **state)
{
    (void)state;
    expect("$PHIAL $BASE $PLAN -o whole", 2, "", "there is a run in it already");
    expect("$PHIAL train --resume -o nowhere", 2, "", "there is no run in it to go on with");
    expect("test ! -e nowhere", 0, "", "");
    expect("$PHIAL train --resume -o whole data.jsonl", 2, "", "give none");
    /* Two on one folder. */
    expect(": >out; $PHIAL $BASE --steps 100000 -o two --json >out & pid=$!\n"
           "while [ $(wc -l <out) -lt 2 ] && kill -0 $pid; do sleep 0.002; done\n"
           "$PHIAL train --resume -o two; c=$?; $PHIAL $BASE $PLAN -o two --force; d=$?\n"
           "kill -9 $pid; wait $pid; echo $c $d",
           0, "1 1\n", "another process holds the lock");
    /* Begun anew. */
    expect("$PHIAL $BASE $PLAN -o two --force && cmp two/state.safetensors whole/state.safetensors",
           0, "", "");
}

static void test_bad_checkpoint(void **state)
{
    (void)state;
    expect("$PHIAL train data.jsonl --from-scratch --shape tiny --ctx 64 --tokenizer words --steps "
           "4 -o other && cp -r whole mixed && "
           "cp other/state.safetensors mixed && $PHIAL train --resume -o mixed",
           3, "", "a checkpoint of another shape");
    expect("cp -r whole damaged && printf X | dd of=damaged/state.safetensors bs=1 conv=notrunc "
           "seek=20000 2>/dev/null && $PHIAL train --resume -o damaged",
           3, "", "damaged");
    expect("cp -r whole short && truncate -s 9000 short/state.safetensors && "
           "$PHIAL train --resume -o short",
           3, "", "state.safetensors");
    expect("cp -r whole model_only && cp whole/model/model.safetensors "
           "model_only/state.safetensors && $PHIAL train --resume -o model_only",
           3, "", "no checkpoint of this version");
    expect("cp -r whole edited && cp data.jsonl kept.jsonl && echo '{\"text\":\"new\"}' "
           ">>data.jsonl && $PHIAL train --resume -o edited; c=$?; mv kept.jsonl data.jsonl; "
           "exit $c",
           3, "", "not those that the run began with");
    expect("cp -r whole options && sed -i 's/\"n_ctx\": 64/\"n_ctx\": -1/' options/run.json && "
           "$PHIAL train --resume -o options",
           3, "", "\"n_ctx\" is missing or will not do");
}

static void test_bad_input(void **state)
{
    (void)state;
    static const char SHORT[] =
        "--from-scratch --shape tiny --ctx 24 --batch-tokens 64 --tokenizer "
        "words --steps 1 --held-out 0";
    setenv("SHORT", SHORT, 1);
    expect("{ head -2 data.jsonl; echo; echo nonsense; echo '{\"prompt\":\"a very long question it "
           "is indeed, so long\",\"completion\":\" y\"}'; } >bad.jsonl; $PHIAL train bad.jsonl "
           "$SHORT -o b1",
           0, "b1/model", "bad.jsonl: line 3 skipped: it is empty\n");
    expect("$PHIAL train bad.jsonl $SHORT -o b2", 0, "b2/model", "bad.jsonl: line 4 skipped: ");
    expect("$PHIAL train bad.jsonl $SHORT -o b3", 0, "b3/model",
           "1 lines empty, 1 malformed; 1 examples too long and left out");
    expect("$PHIAL train bad.jsonl $SHORT -o b4 --json", 0, "\"n_too_long\":1", "line 5: ");
    expect("$PHIAL train bad.jsonl $SHORT -o b5 --strict", 3, "", "bad.jsonl: line 3: it is empty");
    expect(": >none.txt; $PHIAL train none.txt $SHORT -o b6", 3, "", "no example to learn from");
    expect("$PHIAL train missing.txt $SHORT -o b7", 1, "", "missing.txt");
    expect("$PHIAL train data.jsonl -o b8", 2, "", "either --from MODEL, or --from-scratch");
    expect("$PHIAL train data.jsonl --from-scratch -o b9", 2, "", "needs a tokenizer");
    expect("$PHIAL train data.jsonl $SHORT --heads 3 -o b10", 2, "", "cannot be shared by 3 heads");
    expect("$PHIAL train $SHORT -o b11", 2, "", "no file to learn from");
    expect("$PHIAL train data.jsonl --from-scratch --tokenizer words --batch-tokens 64 -o b12", 2,
           "", "must be from the context's 1024");
    expect("$PHIAL train data.jsonl $SHORT --epochs 2 -o b13", 2, "",
           "--steps and --epochs exclude");
    expect("$PHIAL train data.jsonl --from b1/model --layers 3 -o b14", 2, "",
           "--layers is for a model from scratch");
    expect("$PHIAL train data.jsonl $SHORT --lr 1e20 -o b15", 2, "", "must not be above 1");
    expect("$PHIAL train --resume -o b1 --steps 9", 2, "", "--steps cannot be given");
    expect("$PHIAL train --resume -o b1 -t 1 --json", 0, "\"event\":\"end\"", "");
    expect("$PHIAL train data.jsonl $SHORT -o data.jsonl", 1, "", "is in the way");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),         cmocka_unit_test(test_kill_bf16),
        cmocka_unit_test(test_interrupt),    cmocka_unit_test(test_stop_after),
        cmocka_unit_test(test_result),       cmocka_unit_test(test_early_stop),
        cmocka_unit_test(test_not_a_number), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_folder),       cmocka_unit_test(test_bad_checkpoint),
        cmocka_unit_test(test_bad_input),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
