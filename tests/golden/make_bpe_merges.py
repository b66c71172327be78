#!/usr/bin/env python3
"""Makes tests/data/bpe: a small text and the tokenizers that Hugging Face `tokenizers` trains on it.

    pip install tokenizers
    tests/golden/make_bpe_merges.py

The text has what makes trainers differ: many pairs of equal frequency, runs of one character, words of many
scripts, white space of all kinds, lines without end. lines.json was trained from the file (each line is a
text), whole.json from the text as one; rare.json with a least frequency and two special tokens.
"""
import os
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.join(os.path.dirname(__file__), "..", "data", "bpe")


def text():
    rng = random.Random(7)
    syllables = ["ba", "lo", "ri", "tan", "mu", "sel", "ko", "an", "th", "e", "ing", "q"]
    words = ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(160)]
    words += ["naïve", "Straße", "ελληνικά", "русский", "日本語の文", "한국어", "🙂🙂", "e\u0301", "ﬁn", "\u00a0x"]
    words += ["12", "2024", "1_000", "x=y+1;", "don't", "we'll", "----------", "aaaaaaa", "=====", "....", "((()))"]
    parts = []
    for i in range(900):
        parts.append(rng.choice(words[: 20 + i // 4]))
        parts.append(rng.choice([" "] * 14 + ["\n", "\n\n", "  ", "\n    ", "\t", " \n", "\r\n"]))
    return "".join(parts) + "the end without a newline"


def train(name, feed, n_vocab, **options):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    options.setdefault("special_tokens", ["<|endoftext|>"])
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    feed(t, trainer)
    t.save(os.path.join(HERE, name), pretty=False)


def main():
    os.makedirs(HERE, exist_ok=True)
    path = os.path.join(HERE, "text.txt")
    sample = text()
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(sample)
    train("lines.json", lambda t, tr: t.train([path], tr), 700)
    train("whole.json", lambda t, tr: t.train_from_iterator([sample], tr), 5000)
    train("rare.json", lambda t, tr: t.train([path], tr), 5000, min_frequency=5,
          special_tokens=["<|end|>", "an"])


main()
