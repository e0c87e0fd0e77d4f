"""text-dedup's MinHash on a file of rows: FILE FOLDER THRESHOLD TOKENS; writes FOLDER/kept.jsonl.

It compares words. With ``characters`` for TOKENS the characters are set apart, and three of them make an n-gram;
with ``words``, two words do.
"""

import json
import sys
from pathlib import Path

from datasets import load_from_disk
from text_dedup.minhash import main

file, folder, threshold, tokens = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").split("\n")[:-1]]
if tokens == "characters":
    source = folder / "spaced.jsonl"
    with source.open("w", encoding="utf-8") as output:
        for row in rows:
            output.write(
                json.dumps({**row, "text": " ".join(row["text"].replace(" ", "_"))}, ensure_ascii=False)
                + "\n"
            )
else:
    source = Path(file)
options = {
    "--path": "json", "--data_files": str(source), "--split": "train", "--column": "text",
    "--output": str(folder / "out"), "--cache_dir": str(folder / "cache"), "--threshold": threshold,
    "--ngram": "3" if tokens == "characters" else "2", "--min_length": "1", "--num_perm": "128",
    "--hash_func": "xxh3", "--num_proc": "2",
}  # fmt: skip
main([part for pair in options.items() for part in pair], standalone_mode=False)
kept = set(load_from_disk(str(folder / "out"))["id"])
with (folder / "kept.jsonl").open("w", encoding="utf-8") as output:
    for row in rows:
        if row["id"] in kept:
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
