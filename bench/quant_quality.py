#!/usr/bin/env python3
"""What each quantization mix costs on a text: phial's files beside llama.cpp's of the same model.

    bench/quant_quality.py PHIAL MODEL.gguf TEXT [--mixes Q4_K_M,...] [--windows 2]
                           [--no-peer | --peer FOLDER]
    bench/quant_quality.py PHIAL MODEL.gguf --textbook SEED [--whole] [...]

MODEL is F16, BF16 or F32 and has a tokenizer. --textbook takes, instead of a text, what `phial
textbook write --local --split dev` writes, for models trained on the textbook: its examples that
are plain text, since of the others only the answers were ever learned, apart by blank lines; with
--whole all of its examples, conversations as the preset `chat` has them.

Ours come from the report card of `phial quantize --report`; theirs are made by llama_model_quantize
(as in quant_compare.py) and measured here from the logits of `phial logits --math exact` over the
same tokens, by the same definitions: windows of 512 tokens (or of the model's context, if that is
shorter), the second half of each predicted. Q8_0 has equal bytes in both, and its two rows are the
check of these definitions.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np

from quant_compare import FILE_TYPES, Library

WINDOW = 512


def log_probabilities(phial, model, ids, folder):
    """[n][vocab] of one window, float64"""
    out, listed = os.path.join(folder, "l.npy"), os.path.join(folder, "ids")
    with open(listed, "w", encoding="ascii") as f:
        f.write(" ".join(map(str, ids)))
    subprocess.run([phial, "logits", "-m", model, "--ids-file", listed, "--all", "--math", "exact",
                    "-o", out], check=True)
    x = np.load(out).astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def predicted(ids):
    """The positions in a window whose predictions count."""
    return np.arange(len(ids) // 2 - 1, len(ids) - 1)


def compare(phial, source, result, windows, folder):
    """The members of a report card; source: log_probabilities() of the predicted rows, by window."""
    kl, same, before, after = [], [], [], []
    for ids, p in zip(windows, source):
        rows = predicted(ids)
        q = log_probabilities(phial, result, ids, folder)[rows]
        targets = np.array(ids)[rows + 1]
        kl.append((np.exp(p) * (p - q)).sum(axis=1))
        same.append(p.argmax(axis=1) == q.argmax(axis=1))
        before.append(p[np.arange(len(rows)), targets])
        after.append(q[np.arange(len(rows)), targets])
    kl, same = np.concatenate(kl), np.concatenate(same)
    return {"kl_mean": kl.mean(), "kl_p99": float(np.quantile(kl, 0.99)), "same_top": same.mean(),
            "perplexity_ratio": float(np.exp(np.mean(np.concatenate(before) -
                                                     np.concatenate(after))))}


def textbook(phial, seed, n_bytes, whole):
    """Examples of the textbook as one text."""
    out = subprocess.run([phial, "textbook", "write", "--local", "--split", "dev", "--seed",
                          str(seed), "--bytes", str(n_bytes)], stdout=subprocess.PIPE,
                         check=True).stdout
    texts = []
    for line in out.splitlines():
        d = json.loads(line)
        if "text" in d:
            texts.append(d["text"])
        elif whole:
            said = ((("Alice" if m["role"] == "user" else "Bob"), m["content"])
                    for m in d.get("messages", ()))
            texts.append("".join(f"{who}: {what}\n" for who, what in said) or
                         d["prompt"] + d["completion"])
    return "\n\n".join(text.strip() for text in texts).encode()


def row(mix, who, size, card):
    print(f"| {mix} | {who} | {size} | {card['kl_mean']:.6f} | {card['kl_p99']:.6f} | "
          f"{100 * card['same_top']:.1f}% | {card['perplexity_ratio']:.4f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("phial")
    parser.add_argument("model")
    parser.add_argument("text", nargs="?")
    parser.add_argument("--textbook", type=int, metavar="SEED")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--mixes", default=",".join(FILE_TYPES))
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer", metavar="FOLDER")
    args = parser.parse_args()
    if (args.text is None) == (args.textbook is None):
        parser.error("either TEXT or --textbook SEED")
    peer = None if args.no_peer else Library(args.peer)
    if args.text:
        name = os.path.basename(args.text)
        with open(args.text, "rb") as f:
            text = f.read()
    else:
        name = f"the textbook (seed {args.textbook})"
        n_bytes = args.windows * WINDOW * (8 if args.whole else 32)
        text = textbook(args.phial, args.textbook, n_bytes, args.whole)
    with tempfile.TemporaryDirectory() as folder:
        # As much of the text as fills the windows, cut between two tokens.
        got = json.loads(subprocess.run([args.phial, "tokenize", "-m", args.model, "--json",
                                         "--no-special"], input=text, stdout=subprocess.PIPE,
                                        check=True).stdout)
        n = min(len(got["ids"]), args.windows * WINDOW)
        ids = got["ids"][:n]
        part = os.path.join(folder, "text")
        with open(part, "wb") as f:
            f.write(text[:got["offsets"][n - 1][1]])
        width = min(WINDOW, n)
        windows = [ids[at:at + width] for at in range(0, n - width + 1, width)]
        a, b = os.path.join(folder, "a.gguf"), os.path.join(folder, "b.gguf")
        print(f"{sum(len(w) for w in windows)} tokens of {name}\n")
        print("| mix | | bytes | KL mean | KL 99% | same top | perplexity ratio |")
        print("|---|---|---|---|---|---|---|")
        source = [log_probabilities(args.phial, args.model, ids, folder)[predicted(ids)]
                  for ids in windows] if peer else None
        for mix in args.mixes.split(","):
            out = subprocess.run([args.phial, "quantize", args.model, a, "--type", mix, "--report",
                                  part, "--force", "--json"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, check=True).stdout
            row(mix, "ours", os.path.getsize(a), json.loads(out)["report"])
            if peer:
                peer.quantize(args.model, b, mix)
                row(mix, "llama.cpp", os.path.getsize(b),
                    compare(args.phial, source, b, windows, folder))


if __name__ == "__main__":
    main()
