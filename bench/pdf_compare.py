#!/usr/bin/env python3
"""Text of PDFs: Phial beside pdftotext (plain and -layout) and mutool, over a folder of samples.

    bench/pdf_compare.py FOLDER [--build build/release] [--time FILE --rounds 7]

For each file, characters that are not blanks and the share of them in common with the truth: the
.fountain beside a screenplay, otherwise all words that at least two of the tools agree on (bags of
words, so that order does not count; words cut by a hyphen at a line's end are joined for all).
Order: of the words that occur once in the truth and in the tool's text, the share of neighbouring
pairs that the tool has in the same order; the truth is the .fountain, or, where the file is named
in ORDER, phrases that must follow each other. Times are CPU seconds of the whole process tree (with
--time also seconds by the clock), the tools in turns, best and median of the rounds.
"""
import argparse
import collections
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

PASSWORDS = {"encrypted_libreoffice_pw_openpassword.pdf": "openpassword",
             "encrypted_rc4_128_user_view.pdf": "view", "qpdf_20-pages.pdf": "user"}
# Phrases in reading order: what ends a left column and what begins the right one.
ORDER = {
    "two_column_latex_multicolumn.pdf": [
        "Two-Column Document", "Abstract", "consectetuer adipiscing elit. Ut purus",
        "Nam dui ligula", "Nulla malesuada", "Quisque ullamcorper", "Fusce mauris",
        "Suspendisse vel felis", "Sed commodo posuere",
        "Austria", "Belgium", "Finland"],
    "rotated_pages.pdf": ["first page", "second line", "second page", "Second line here"],
    "table_form_irs_f1040.pdf": ["Filing Status", "Wages, salaries", "Taxable interest",
                                 "Alimony received", "Business income"],
}


def commands(path, build):
    password = PASSWORDS.get(path.name)
    pop = ["-upw", password] if password else []
    return {
        "phial": [f"{build}/bench/bench_extract", str(path)] + ([password] if password else []),
        "pdftotext": ["pdftotext", *pop, str(path), "-"],
        "-layout": ["pdftotext", "-layout", *pop, str(path), "-"],
        "mutool": ["mutool", "draw", "-q", *(["-p", password] if password else []), "-F", "txt",
                   str(path)],
    }


def run(command, limit=300):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        try:
            code = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL,
                                  timeout=limit).returncode
        except subprocess.TimeoutExpired:
            code = -1
        wall = time.monotonic() - begun
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return code, text, cpu, wall


LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st"}


def words_of(text):
    for form, letters in LIGATURES.items():
        text = text.replace(form, letters)
    text = re.sub(r"[\u00ad\u200b-\u200f\u202a-\u202e\ufeff]", "", text)
    text = re.sub(r"(\w)[-\u2010]\s*\n\s*(\w)", r"\1\2", text)
    return re.findall(r"\w+", text.replace("-", " "))


def fountain_words(path):
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    kept = []
    for line in text.splitlines():
        line = re.sub(r"^\s*(Title|Credit|Author|Source|Draft date|Contact):\s*", "", line)
        kept.append(re.sub(r"[_*]|^\s*[.>@!#=~]+|[<^]\s*$", "", line))
    return words_of("\n".join(kept))


def agreed(bags):
    total = collections.Counter()
    for word in set().union(*bags):
        counts = sorted((bag[word] for bag in bags), reverse=True)
        total[word] = counts[1] if len(counts) > 1 else 0
    return total


def recall(bag, truth):
    chars = sum(n * len(w) for w, n in truth.items())
    found = sum(min(n, bag[w]) * len(w) for w, n in truth.items())
    return found / chars if chars else None


def pairs_in_order(words, truth):
    once = collections.Counter(truth)
    mine = collections.Counter(words)
    place = {w: i for i, w in enumerate(words) if mine[w] == 1}
    kept = [w for w in truth if once[w] == 1 and w in place]
    if len(kept) < 2:
        return None
    return sum(place[a] < place[b] for a, b in zip(kept, kept[1:])) / (len(kept) - 1)


def phrases_in_order(text, phrases):
    flat = re.sub(r"\s+", " ", text)
    places = [flat.find(re.sub(r"\s+", " ", p)) for p in phrases]
    good = sum(0 <= a < b for a, b in zip(places, places[1:]))
    return good / (len(phrases) - 1)


def show(value):
    return "-" if value is None else f"{value:.3f}"


def compare(folder, build):
    print("| file | tool | exit | characters | found | in order | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("*.pdf")):
        results = {name: run(c) for name, c in commands(path, build).items()}
        words = {name: words_of(text) for name, (_, text, _, _) in results.items()}
        fountain = path.with_suffix(".fountain")
        truth = fountain_words(fountain) if fountain.exists() else None
        bag = (collections.Counter(truth) if truth else
               agreed([collections.Counter(words[n]) for n in ("phial", "pdftotext", "mutool")]))
        for name, (code, text, cpu, _) in results.items():
            order = pairs_in_order(words[name], truth) if truth else None
            if path.name in ORDER:
                order = phrases_in_order(text, ORDER[path.name])
            chars = len(re.sub(r"\s", "", text))
            print(f"| {path.name} | {name} | {code} | {chars} | "
                  f"{show(recall(collections.Counter(words[name]), bag))} | {show(order)} | "
                  f"{cpu:.3f} |", flush=True)


def times(path, build, rounds):
    seconds = {"CPU": collections.defaultdict(list), "wall": collections.defaultdict(list)}
    for _ in range(rounds):
        for name, command in commands(path, build).items():
            # With a limit Python looks every 50 ms whether the program has ended.
            _, _, cpu, wall = run(command, None)
            seconds["CPU"][name].append(cpu)
            seconds["wall"][name].append(wall)
    for kind, tools in seconds.items():
        ratios = sorted(a / b for a, b in zip(tools["phial"], tools["pdftotext"]))
        for name, values in tools.items():
            values.sort()
            print(f"{kind} {name}: best {values[0]:.3f} s, median {values[len(values) // 2]:.3f} s")
        print(f"{kind} phial / pdftotext, round by round: median {ratios[len(ratios) // 2]:.3f} "
              f"({ratios[0]:.3f} .. {ratios[-1]:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--time", type=pathlib.Path, help="only time the tools on this file")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    if args.time:
        times(args.time, os.path.abspath(args.build), args.rounds)
    else:
        compare(args.folder, os.path.abspath(args.build))


if __name__ == "__main__":
    sys.exit(main())
