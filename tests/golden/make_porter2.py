#!/usr/bin/env python3
"""Writes tests/data/porter2.txt: words and their stems by the Snowball project's own English stemmer.

    pip install snowballstemmer
    tests/golden/make_porter2.py WORDS... > tests/data/porter2.txt

WORDS are text files; of their words of a..z every n-th is taken, and what the rules speak of.
"""
import re
import sys

import snowballstemmer

RULES = """skis skies dying lying tying idly gently ugly early only singly sky news howe atlas cosmos
bias andes inning innings outing canning herring earring proceed exceeding succeed generate generic
communism arsenal caresses cries ties gas this gaps kiwis fizzed hoping hopping luxuriated agreed
feed bleeding happily enjoy by say cry relational conditional rational valenci hesitanci digitizer
conformabli radicalli differentli vileli analogousli vietnamization predication operator feudalism
decisiveness hopefulness callousness formaliti sensitiviti sensibiliti apologi hopefulli hopelessli
triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference
airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption
homologou communism activate angulariti homologous effective bowdlerize probate rate cease controll
roll y yes youth boyish sayings bed shed shred bead embed bow box""".split()


def main():
    words = set(RULES)
    for path in sys.argv[1:]:
        found = sorted(set(re.findall(r"[a-z]+", open(path, errors="ignore").read().lower())))
        words.update(found[::max(1, len(found) // 250)])
    stem = snowballstemmer.stemmer("english").stemWord
    for w in sorted(w for w in words if len(w) < 40):
        print(w, stem(w))


main()
