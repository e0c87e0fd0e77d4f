"""Every key that says which rows there are changes them, or what is told of them; a new key fails in test_every_key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.data.curate import flow
from luthier.data.curate.flow import Models
from luthier.data.versions.store import Store
from luthier.pipeline import rows as pipeline_rows
from luthier.recipe.load import load_data

Change = tuple[tuple[str, ...], tuple[str, ...]]
"""What both recipes set, and what the second sets besides."""


def _change(after: str | tuple[str, ...], *before: str) -> Change:
    return before, (after,) if isinstance(after, str) else after


def _clean(key: str, value: str, *others: str) -> Change:
    """A key of `data.clean`, on rows that have everything to clean."""
    return _change(f"data.clean.{key}={value}", MESSY, *(f"data.clean.{other}" for other in others))


def _operation(kind: str, key: str, value: str, **fixed: str) -> Change:
    """A key of one augmentation, beside the same augmentation without it."""
    given = {"kind": kind, "share": "0.3", **fixed}
    return _change(_operations(given | {key: value}), CLASSES, _operations(given))


def _operations(operation: dict[str, str]) -> str:
    """An override that asks for one augmentation."""
    pairs = ", ".join(f"{key}: {value}" for key, value in operation.items())
    return f"data.augment.operations=[{{{pairs}}}]"


MESSY = "data.train=[{path: messy.jsonl}]"
CLASSES = "data.train=[{path: classes.jsonl, attributes: [topic]}]"
TWINS = "data.train=[{path: twins.jsonl}]"
PRIVATE = "data.train=[{path: private.jsonl}]"
DOMAIN = "data.eval.out_of_domain={field: topic, values: [water]}"
FOLDS = "data.eval.folds={folds: 3}"
NEAR, SEMANTIC = "data.clean.deduplicate=near", "data.clean.deduplicate={kind: semantic}"
MASK, PSEUDONYMS = "data.clean.pii={action: mask}", "data.clean.pii={action: pseudonymise}"
SUSPECTS = "data.label_errors.action=report"
AGAINST = "data.decontaminate={enabled: true, against: [held.jsonl]}"
LETTERS = "data.augment.embedder=letters"
TYPING = "data.augment.operations=[{kind: typing, share: 0.5}]"
PARAPHRASE = {"model": "writer"}
WEIGHTS = "data.balance={by: label}"
OVER, UNDER = "data.balance={by: label, method: oversample}", "data.balance={by: label, method: undersample}"
STRATIFIED = "data.balance={by: label, method: stratified, share: 0.5}"
SNAPSHOT = "data.snapshot={dataset: one, store: store}"
PROFILE = "data.profile.enabled=true"
NA = "data.clean.missing=[{field: attributes.age, action: drop}]"
AGED = "data.train=[{path: classes.jsonl, attributes: [topic, age]}]"

WITH_RATE = ("synonyms", "insertion", "deletion", "swap", "typing", "ocr", "homophones", "masking")
KINDS = {
    "synonyms": "SynonymsAugment",
    "insertion": "InsertionAugment",
    "deletion": "DeletionAugment",
    "swap": "SwapAugment",
    "typing": "TypingAugment",
    "ocr": "OcrAugment",
    "homophones": "HomophonesAugment",
    "masking": "MaskingAugment",
    "prefix": "PrefixAugment",
    "suffix": "SuffixAugment",
    "sentence_order": "SentenceOrderAugment",
    "back_translation": "BackTranslationAugment",
    "paraphrase": "ParaphraseAugment",
}
NEEDS: dict[str, dict[str, str]] = {
    "synonyms": {"file": "synonyms.txt"},
    "insertion": {"file": "synonyms.txt"},
    "back_translation": PARAPHRASE,
    "paraphrase": PARAPHRASE,
}
"""What a kind cannot do without here."""

DATA_CHANGES: dict[str, Change] = {
    "data.train[].attributes": _change("data.train.0.attributes=[topic, age]", CLASSES, WEIGHTS),
    "data.eval.sources[].attributes": _change(
        "data.eval.sources.0.attributes=[topic]", TWINS, "data.eval.sources=[{path: held.jsonl}]"
    ),
    "data.eval.folds.folds": _change("data.eval.folds.folds=4", CLASSES, FOLDS),
    "data.eval.folds.hold_out": _change("data.eval.folds.hold_out=2", CLASSES, FOLDS),
    "data.eval.out_of_domain.field": _change(
        "data.eval.out_of_domain.field=age",
        AGED,
        "data.eval.out_of_domain={field: topic, values: [water, '7']}",
    ),
    "data.eval.out_of_domain.values": _change("data.eval.out_of_domain.values=[fire]", CLASSES, DOMAIN),
    "data.eval.near_duplicates": _change(
        "data.eval.near_duplicates=together", TWINS, "data.eval.split=0.4", "data.clean.deduplicate=off"
    ),
    "data.clean.unicode": _clean("unicode", "true"),
    "data.clean.control_characters": _clean("control_characters", "true"),
    "data.clean.markup": _clean("markup", "html"),
    "data.clean.white_space": _clean("white_space", "one_line"),
    "data.clean.urls": _clean("urls", "mask"),
    "data.clean.emoji": _clean("emoji", "describe"),
    "data.clean.emoji_language": _clean("emoji_language", "zh", "emoji=describe"),
    "data.clean.width": _clean("width", "all"),
    "data.clean.chinese_script": _clean("chinese_script", "t2s"),
    "data.clean.lowercase": _clean("lowercase", "true"),
    "data.clean.stop_words": _clean("stop_words", "[en]"),
    "data.clean.more_stop_words": _clean("more_stop_words", "[quick]"),
    "data.clean.segment": _clean("segment", "true"),
    "data.clean.missing[].field": _change("data.clean.missing.0.field=attributes.topic", AGED, NA),
    "data.clean.missing[].action": _change("data.clean.missing.0.action=mode", AGED, NA),
    "data.clean.missing[].value": _change(
        "data.clean.missing.0.value='9'",
        AGED,
        "data.clean.missing=[{field: attributes.age, action: constant, value: '8'}]",
    ),
    "data.clean.missing_tokens": _change("data.clean.missing_tokens=['7']", AGED, NA),
    "data.clean.languages": _clean("languages", "[zh]"),
    "data.clean.min_language_score": _clean("min_language_score", "0.9", "languages=[en]"),
    "data.clean.quality.min_characters": _clean("quality.min_characters", "30"),
    "data.clean.quality.max_characters": _clean("quality.max_characters", "30"),
    "data.clean.quality.min_words": _clean("quality.min_words", "5"),
    "data.clean.quality.max_words": _clean("quality.max_words", "5"),
    "data.clean.quality.max_symbol_share": _clean("quality.max_symbol_share", "0.1"),
    "data.clean.quality.rules": _clean("quality.rules", "[gopher_repetition]"),
    "data.clean.deduplicate.kind": _change("data.clean.deduplicate.kind=near", TWINS),
    "data.clean.deduplicate.threshold": _change(
        "data.clean.deduplicate={kind: near, threshold: 0.99}", TWINS, NEAR
    ),
    "data.clean.deduplicate.ngram": _change("data.clean.deduplicate={kind: near, ngram: 12}", TWINS, NEAR),
    "data.clean.deduplicate.encoder": _change("data.clean.deduplicate.encoder=constant", TWINS, SEMANTIC),
    "data.clean.deduplicate.keep": _change("data.clean.deduplicate={kind: near, keep: longest}", TWINS, NEAR),
    "data.clean.pii.action": _change("data.clean.pii.action=drop", PRIVATE, MASK),
    "data.clean.pii.kinds": _change("data.clean.pii.kinds=[phone]", PRIVATE, MASK),
    "data.clean.pii.actions": _change("data.clean.pii.actions={email: drop}", PRIVATE, MASK),
    "data.clean.pii.min_certainty": _change("data.clean.pii.min_certainty=checked", PRIVATE, MASK),
    "data.clean.pii.key_env": _change("data.clean.pii.key_env=OTHER_KEY", PRIVATE, PSEUDONYMS),
    "data.clean.pii.keep_map": _change("data.clean.pii.keep_map=true", PRIVATE, PSEUDONYMS),
    "data.label_errors.action": _change("data.label_errors.action=drop", CLASSES, SUSPECTS),
    "data.label_errors.base": _change("data.label_errors.base=constant", CLASSES, SUSPECTS),
    "data.label_errors.label_field": _change("data.label_errors.label_field=task", CLASSES, SUSPECTS),
    "data.label_errors.num_folds": _change("data.label_errors.num_folds=13", CLASSES, SUSPECTS),
    "data.label_errors.filter_by": _change(
        "data.label_errors.filter_by=predicted_neq_given",
        CLASSES,
        "data.label_errors={action: report, filter_by: both}",
    ),
    "data.decontaminate.enabled": _change(AGAINST, TWINS),
    "data.decontaminate.against": _change("data.decontaminate.against=[messy.jsonl]", TWINS, AGAINST),
    "data.decontaminate.ngram": _change("data.decontaminate.ngram=40", TWINS, AGAINST),
    "data.decontaminate.cjk_ngram": _change("data.decontaminate.cjk_ngram=40", TWINS, AGAINST),
    **{
        f"data.augment.operations[]<{section}>.{key}": _operation(kind, key, value, **NEEDS.get(kind, {}))
        for kind, section in KINDS.items()
        for key, value in (("share", "0.6"), *((("rate", "0.9"),) if kind in WITH_RATE else ()))
    },
    **{
        f"data.augment.operations[]<{section}>.kind": _change(
            _operations({"kind": kind, **NEEDS.get(kind, {})}), CLASSES
        )
        for kind, section in KINDS.items()
    },
    **{
        f"data.augment.operations[]<{KINDS[kind]}>.{key}": _operation(kind, key, value, **fixed)
        for kind, key, value, fixed in (
            ("synonyms", "file", "others.txt", {"file": "synonyms.txt"}),
            ("insertion", "file", "others.txt", {"file": "synonyms.txt"}),
            ("synonyms", "wordnet", "wordnet_two", {"wordnet": "wordnet_one"}),
            ("insertion", "wordnet", "wordnet_two", {"wordnet": "wordnet_one"}),
            ("masking", "mask", "GAP", {}),
            ("prefix", "phrases", "[Listen]", {}),
            ("suffix", "phrases", "[Goodbye]", {}),
            ("back_translation", "pivot", "deu", PARAPHRASE),
            ("back_translation", "model", "poet", PARAPHRASE),
            ("paraphrase", "model", "poet", PARAPHRASE),
            ("paraphrase", "prompt", "'Sing {text}'", PARAPHRASE),
        )
    },
    "data.augment.max_share": _change("data.augment.max_share=0.1", CLASSES, TYPING),
    "data.augment.label_field": _change(
        "data.augment={label_field: label, per_class: true}", CLASSES, TYPING, "data.augment.max_share=0.2"
    ),
    "data.augment.per_class": _change(
        "data.augment={label_field: label, per_class: true}", CLASSES, TYPING, "data.augment.max_share=0.2"
    ),
    "data.augment.min_per_class": _change(
        ("data.augment.label_field=label", "data.augment.min_per_class=20"), CLASSES, TYPING
    ),
    "data.augment.min_similarity": _change(
        "data.augment.min_similarity=0.99999",
        CLASSES,
        TYPING,
        "data.augment.min_similarity=0.01",
        LETTERS,
    ),
    "data.augment.embedder": _change(
        "data.augment.embedder=constant",
        CLASSES,
        TYPING,
        "data.augment.min_similarity=0.99999",
        LETTERS,
    ),
    "data.augment.max_edit_distance": _change("data.augment.max_edit_distance=0.01", CLASSES, TYPING),
    "data.augment.attempts": _change(
        "data.augment.attempts=1", CLASSES, TYPING, "data.augment.max_edit_distance=0.025"
    ),
    "data.balance.by": _change("data.balance.by=topic", CLASSES, WEIGHTS),
    "data.balance.method": _change("data.balance.method=undersample", CLASSES, WEIGHTS),
    "data.balance.weighting": _change("data.balance.weighting=inverse_sqrt", CLASSES, WEIGHTS),
    "data.balance.beta": _change(
        "data.balance.beta=0.5", CLASSES, "data.balance={by: label, weighting: effective_number}"
    ),
    "data.balance.max_weight": _change("data.balance.max_weight=1.1", CLASSES, WEIGHTS),
    "data.balance.max_ratio": _change("data.balance.max_ratio=1.5", CLASSES, UNDER),
    "data.balance.max_copies": _change("data.balance.max_copies=1", CLASSES, OVER),
    "data.balance.share": _change("data.balance.share=0.25", CLASSES, STRATIFIED),
    "data.balance.rows": _change(
        "data.balance={by: label, method: stratified, rows: 9}", CLASSES, STRATIFIED
    ),
    "data.profile.enabled": _change(PROFILE, CLASSES),
    "data.profile.languages": _change("data.profile.languages=false", CLASSES, PROFILE),
    "data.profile.bins": _change("data.profile.bins={age: [3, 6]}", AGED, PROFILE),
    "data.snapshot.dataset": _change("data.snapshot.dataset=two", TWINS, SNAPSHOT),
    "data.snapshot.store": _change("data.snapshot.store=elsewhere", TWINS, SNAPSHOT),
    "data.snapshot.tag": _change("data.snapshot.tag=clean", TWINS, SNAPSHOT),
    "data.snapshot.message": _change("data.snapshot.message=first", TWINS, SNAPSHOT),
    "data.snapshot.encrypt": _change("data.snapshot.encrypt=true", TWINS, SNAPSHOT),
    "data.snapshot.reference_fields": _change(
        "data.snapshot.reference_fields=[picture]",
        "data.train=[{path: pictures.jsonl, attributes: [picture]}]",
        SNAPSHOT,
    ),
}

REFUSED = {key for key in DATA_CHANGES if key.endswith(".wordnet")}
"""Keys whose effect shows in what is refused: no folder of WordNet is there, and the fault names the one looked for."""


def _letters(texts: Sequence[str]) -> NDArray[np.float32]:
    counts = np.array(
        [[text.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts], np.float32
    )
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def _load_embed(name: str) -> Any:
    return _letters if name != "constant" else lambda texts: np.full((len(texts), 4), 0.5, np.float32)


def _load_write(name: str) -> Any:
    return lambda prompts, seeds: [
        f"{name} says {prompt[:60]} {seed}" for prompt, seed in zip(prompts, seeds, strict=True)
    ]


_MESSY = [
    "The quick brown fox jumps over the lazy dog â€œand saysâ€\x9d so.",
    "A bell\x07 rings in the tower every morning at seven o'clock.",
    "<p>Bold <b>words</b> &amp; plain ones stand in this paragraph.</p>",
    "Blanks   and\n\nline breaks   stand between these words here.",
    "Look at https://example.org/page?x=1 for the whole story, please.",
    "A thumb goes up 👍 when the work is done well and in time.",
    "ＡＢＣ１２３，full width letters stand here among the others！",
    "這個電腦的軟體很好用，我們都喜歡它。",
    "我们在北京学习自然语言处理，今天天气很好。",
    "Le renard brun saute par-dessus le chien paresseux dans la forêt.",
    "!!! ??? *** ### short",
    "ok then",
    " ".join(["again and"] * 60),
]
_SENTENCES = [
    "The river carries water from the high mountains down to the sea.",
    "A fire burned all night beside the tents of the sleeping travellers.",
    "Rain fell on the roof while she read a long book about the ocean.",
    "He lit the candle and watched the small flame dance in the wind.",
]


def _classes() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(52):
        kind = number % 4
        label = "wet" if kind in (0, 2) else "hot"
        if number >= 40:
            label = "wet" if number != 45 else "hot"
        text = f"{_SENTENCES[kind]} Then came visitor number {number}, who said little and stayed."
        row = {
            "text": text,
            "label": label,
            "topic": ("water", "fire", "rain")[number % 3],
            "task": ("one", "two")[number // 26],
        }
        rows.append(row | ({"age": str(number % 9)} if number % 5 else {}))
    return rows


def _twins() -> list[dict[str, Any]]:
    rows = []
    for number in range(12):
        journey = f"It was day {number} of a long and quiet journey through the land of {number * 7}."
        text = f"{_SENTENCES[number % 4]} {journey}"
        rows += [{"text": text}, {"text": f"{text} Indeed so."}]
    return [*rows, {"text": "我们一起在北京学习自然语言处理，今天天气很好，大家都很高兴，明天再来。"}]


def _write(folder: Path) -> None:
    files: dict[str, list[dict[str, Any]]] = {
        "messy": [{"text": text} for text in _MESSY],
        "classes": _classes(),
        "twins": _twins(),
        "held": [
            {
                "text": f"Before: {_SENTENCES[0]} It was day 0 of a long and quiet journey through the land.",
                "topic": "x",
            },
            {"text": "听说我们一起在北京学习自然语言处理，今天天气很好，大家都很高兴，真的。", "topic": "y"},
        ],
        "private": [
            {"text": "Call me on 13812345678 after work, please, or in the evening."},
            {"text": "My mail is anna.berg@mail.example-shop.com and I answer quickly."},
            {"text": "The card 4111 1111 1111 1111 was used for the order yesterday."},
            {"text": "Nothing private stands in this sentence about the weather."},
        ],
        "pictures": [{"text": f"A picture of a tree, number {n}.", "picture": "tree.txt"} for n in range(4)],
    }
    for name, rows in files.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "tree.txt").write_text("a tree")
    (folder / "synonyms.txt").write_text(
        "water, liquid\nlong, lengthy\nfire, blaze\nbook, volume\nsmall, little\n"
    )
    (folder / "others.txt").write_text(
        "water, fluid\nlong, extended\nfire, inferno\nbook, tome\nsmall, tiny\n"
    )
    recipe = "name: rows\ndata:\n  train: [{path: messy.jsonl}]\n  eval: {}\n"
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")


def _seen(folder: Path, runs: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Everything that the rows stage leaves behind, but for names that are drawn anew in every run."""
    loaded = load_data(folder / "recipe.yaml", [f"runs_dir={runs}", *overrides])
    run, rows = pipeline_rows.prepare_rows(loaded)
    names = (
        "train.jsonl",
        "eval.jsonl",
        "rejected.jsonl",
        "changes.jsonl",
        "label_errors.jsonl",
        "steps.json",
        "profile.json",
    )
    seen: dict[str, Any] = {
        name: (rows.folder / name).read_text(encoding="utf-8")
        for name in names
        if (rows.folder / name).is_file()
    }
    seen["has_map"] = (rows.folder / "pii_map.jsonl").is_file()
    if snapshot := loaded.recipe.data.snapshot:
        store = folder / (snapshot.store or "")
        dataset = Store(str(store)).dataset(snapshot.dataset)
        state = dataset.state("read")
        version = state.versions[int((rows.version or "").partition("@")[2])]
        manifest = dataset.manifest(version)
        seen["version"] = (
            rows.version, str(store), version.entries, version.key, dict(state.tags), len(manifest.references),
        )  # fmt: skip
    return {"seen": seen, "fingerprint": rows.fingerprint, "run": run.path}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of every kind and a recipe over them; models are replaced by functions."""
    _write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTHIER_PII_KEY", "one key of sixteen bytes and more")
    monkeypatch.setenv("OTHER_KEY", "another key of sixteen bytes and more")
    monkeypatch.setenv("LUTHIER_DATA_KEY", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=")
    monkeypatch.setattr(pipeline_rows, "DATA_MODELS", Models(_load_embed, _load_write))
    return tmp_path


@pytest.mark.parametrize("key", DATA_CHANGES)
def test_a_key_takes_effect(key: str, folder: Path) -> None:
    before, after = DATA_CHANGES[key]
    if key in REFUSED:
        faults = []
        for overrides in (before, (*before, *after)):
            with pytest.raises(DataError) as caught:
                _seen(folder, folder / "runs", overrides)
            faults.append(caught.value.where)
        assert faults[0] != faults[1]
        return
    old = _seen(folder, folder / "old", before)
    new = _seen(folder, folder / "new", (*before, *after))
    assert new["seen"] != old["seen"], "nothing that is done depends on this key"
    assert new["fingerprint"] != old["fingerprint"]


def test_processes_change_nothing_but_who_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    apply = flow.apply

    def watched(batches: Any, operators: Any, *, num_processes: int) -> Any:
        asked.append(num_processes)
        return apply(batches, operators)

    monkeypatch.setattr(flow, "apply", watched)
    overrides = (MESSY, "data.clean.unicode=true")
    one = _seen(folder, folder / "one", overrides)
    two = _seen(folder, folder / "two", (*overrides, "data.processes=2"))
    assert set(asked) == {1, 2}
    assert one["seen"] == two["seen"] and one["fingerprint"] == two["fingerprint"]


def test_rows_that_are_there_are_not_made_again(folder: Path) -> None:
    first = _seen(folder, folder / "runs", (TWINS,))
    (first["run"] / "rows" / "train.jsonl").write_text("kept")
    assert _seen(folder, folder / "runs", (TWINS,))["seen"]["train.jsonl"] == "kept"
    assert read_json(first["run"] / "rows" / "artifact.json")["stage"] == "rows"
