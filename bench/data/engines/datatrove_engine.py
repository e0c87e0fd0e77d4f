"""datatrove's MinHash on a file of rows: FILE FOLDER THRESHOLD TOKENS; writes FOLDER/kept.jsonl.

It compares words. With ``characters`` for TOKENS the characters are set apart, and three of them make an n-gram;
with ``words``, two words do. It takes no threshold: buckets and hashes per bucket are those that text-dedup and
datasketch choose for it out of 128 hashes.
"""

import json
import sys
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig


def main() -> None:
    """Run its four stages, each over two processes where it can."""
    file, folder, threshold, tokens = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    is_apart = tokens == "characters"
    lines = Path(file).read_text(encoding="utf-8").split("\n")[:-1]
    source = folder / "source"
    source.mkdir()
    for part in range(2):  # a task reads whole files
        with (source / f"{part}.jsonl").open("w", encoding="utf-8") as output:
            for line in lines[part * len(lines) // 2 : (part + 1) * len(lines) // 2]:
                row = json.loads(line)
                text = " ".join(row["text"].replace(" ", "_")) if is_apart else row["text"]
                output.write(json.dumps({"id": str(row["id"]), "text": text}, ensure_ascii=False) + "\n")
    buckets, hashes = {0.7: (14, 9), 0.8: (9, 13)}.get(threshold, (14, 9))
    config = MinhashConfig(
        n_grams=3 if is_apart else 2,
        num_buckets=buckets,
        hashes_per_bucket=hashes,
        hash_config=HashConfig(precision=64),
    )
    reader = JsonlReader(str(source))
    stages = [
        ([reader, MinhashDedupSignature(str(folder / "signatures"), config)], 2),
        ([MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)], buckets),
        ([MinhashDedupCluster(str(folder / "buckets"), str(folder / "remove"), config=config)], 1),
        (
            [
                reader,
                MinhashDedupFilter(str(folder / "remove")),
                JsonlWriter(str(folder / "out"), compression=None),
            ],
            2,
        ),
    ]
    for number, (pipeline, tasks) in enumerate(stages):
        logs = str(folder / f"logs-{number}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=logs).run()
    kept = {
        int(json.loads(line)["id"])
        for path in (folder / "out").glob("*.jsonl")
        for line in path.open(encoding="utf-8")
    }
    with (folder / "kept.jsonl").open("w", encoding="utf-8") as output:
        output.writelines(f"{line}\n" for number, line in enumerate(lines) if number in kept)


if __name__ == "__main__":
    main()
