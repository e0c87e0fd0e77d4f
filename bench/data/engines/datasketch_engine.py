"""datasketch's MinHashLSH over character 3-grams: FILE FOLDER THRESHOLD; writes FOLDER/kept.jsonl."""

import json
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH

file, folder, threshold = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
lsh_sketches = {}
lsh = MinHashLSH(threshold=threshold, num_perm=128)
with open(file, encoding="utf-8") as source, (folder / "kept.jsonl").open("w", encoding="utf-8") as output:
    for line in source:
        row = json.loads(line)
        text = " ".join(row["text"].lower().split())
        sketch = MinHash(num_perm=128)
        sketch.update_batch({text[place : place + 3].encode() for place in range(max(1, len(text) - 2))})
        if any(
            other.jaccard(sketch) >= threshold for other in map(lsh_sketches.__getitem__, lsh.query(sketch))
        ):
            continue
        lsh.insert(row["id"], sketch)
        lsh_sketches[row["id"]] = sketch
        output.write(line)
