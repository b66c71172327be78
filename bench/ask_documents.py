#!/usr/bin/env python3
"""Asks a model questions about documents through phial ask, and writes docs/RAG.md's tables.

    bench/ask_documents.py PHIAL MODEL FOLDER_OF_PDFS

First ten questions on a screenplay and on a table of a PDF, which anybody can look up, and two that
the documents do not answer: what the model wrote by itself, and what phial ask makes of it. Then
tests/data/nano_passages.jsonl (50 passages by hand): each question over its own passage, and over
what is found among all fifty. Right is SQuAD's exact match.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

QUESTIONS = [
    ("screenplay_brick_and_steel", "Who is the retired police detective?", "Brick Braddock"),
    ("screenplay_brick_and_steel", "What does Steel bring?", "two cold beers"),
    ("screenplay_brick_and_steel", "Who are the Boy Band?", "Dan and Jack"),
    ("screenplay_brick_and_steel", "Who is the criminal mastermind?", "Cognito"),
    ("screenplay_brick_and_steel", "Whose Porsche do Brick and Steel get into?", "Mom's"),
    ("screenplay_brick_and_steel", "Who wrote Brick & Steel?", "Stu Maschwitz"),
    ("screenplay_brick_and_steel", "Who drinks a beer without a shirt?", "a handsome man"),
    ("screenplay_brick_and_steel", "What language does Jack speak?", "Vietnamese"),
    ("two_column_latex_multicolumn", "What is the capital of Austria?", "Vienna"),
    ("two_column_latex_multicolumn", "What is the official language of Denmark?", "Danish"),
    ("screenplay_brick_and_steel", "What is the name of the dog?", None),
    ("two_column_latex_multicolumn", "What is the capital of Spain?", None),
]
WAYS = [
    ("its own passage, thresholds open", True,
     ["--max-not-told", "1", "--min-support", "0", "--min-about", "0"]),
    ("its own passage", True, []),
    ("found among 50, -k 1", False, ["-k", "1"]),
    ("found among 50, -k 2", False, ["-k", "2"]),
    ("found among 50, -k 4 (default)", False, []),
]


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def normalised(text):
    text = re.sub(r"\b(a|an|the)\b", " ", re.sub(r"[^\w\s]", "", text.lower()))
    return " ".join(text.split())


def cell(text):
    return " ".join(text.split()).replace("|", "\\|")[:80]


def main():
    phial, model, pdfs = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        def ask(collection, question, *options):
            return json.loads(run(phial, "ask", f"{folder}/{collection}.phial", question, "-m",
                                  model, "--json", *options))

        print("| question | in the document | the model by itself | `phial ask` |\n|---|---|---|---|")
        for doc, question, truth in QUESTIONS:
            if not os.path.exists(f"{folder}/{doc}.phial"):
                run(phial, "index", f"{folder}/{doc}.phial", f"{pdfs}/{doc}.pdf")
            open_ = ask(doc, question, "--max-not-told", "1", "--min-support", "0",
                        "--min-about", "0")
            checked = ask(doc, question)
            pages = [f"p. {c['page']}" for s in checked["sentences"] for c in s["citations"]]
            print(f"| {question} | {truth or '-'} | {cell(open_['said'])} | "
                  f"{cell(' '.join([checked['answer']] + pages))} |")

        here = os.path.dirname(os.path.abspath(__file__))
        rows = [json.loads(line) for line in open(f"{here}/../tests/data/nano_passages.jsonl")]
        with open(f"{folder}/hand.jsonl", "w") as f:
            for i, row in enumerate(rows):
                print(json.dumps({"_id": f"h{i}", "text": row["passage"]}), file=f)
        run(phial, "index", f"{folder}/hand.phial", "--jsonl", f"{folder}/hand.jsonl")
        print("\n| passages by hand | right | not answered, though told | rightly not answered |\n"
              "|---|---|---|---|")
        for name, own, options in WAYS:
            right = silent = declined = 0
            for i, row in enumerate(rows):
                filtered = options + (["--filter", f"doc=h{i}"] if own else [])
                a = ask("hand", row["question"], *filtered)
                right += normalised(a["answer"]) in map(normalised, row["answers"])
                silent += bool(a["abstained"])
                declined += bool(ask("hand", row["absent"], *filtered)["abstained"])
            print(f"| {name} | {right} of {len(rows)} | {silent} | {declined} of {len(rows)} |",
                  flush=True)


main()
