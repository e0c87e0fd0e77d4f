"""The data stage from files to encoded rows: every row is trained, held out or rejected, and counted once."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from luthier.core.errors import DataError
from luthier.core.events import EventLog, read_events
from luthier.data.curate.stage import curate
from luthier.data.encode import ChatEncoder, Encoder, TextEncoder
from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.prepare import DatasetVersion, prepare, read_examples, read_samples
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate
from luthier.recipe.schema import DataSection
from tests.data.chat_templates import CHATML, QWEN, make_tokenizer
from tests.data.curate import NO_MODELS


@cache
def _template(family: str = "chatml") -> ChatTemplate:
    return ChatTemplate(make_tokenizer(QWEN if family == "qwen" else CHATML))


def _encoder(max_length: int = 500, **settings: Any) -> ChatEncoder:
    return ChatEncoder(
        _template(), **{"loss_on": "assistant", "max_length": max_length, "too_long": "truncate", **settings}
    )


def _alpaca(count: int) -> list[dict[str, Any]]:
    return [{"instruction": f"question {n}", "output": f"answer {n}"} for n in range(count)]


def _write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _prepare(
    folder: Path,
    rows: list[Any] | None = None,
    *,
    evaluation: dict[str, Any] | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    deduplicate: str = "exact",
    sources: list[str] | None = None,
) -> DatasetVersion:
    if rows is not None:
        _write(folder / "train.jsonl", rows)
    data = DataSection.model_validate(
        {
            "train": [{"path": path} for path in sources or ["train.jsonl"]],
            "eval": {"split": 0.2} if evaluation is None else evaluation,
            "clean": {"deduplicate": deduplicate},
        }
    )
    events = EventLog(folder / "events.jsonl")
    curated = curate(
        data,
        folder=folder / "rows",
        recipe_folder=folder,
        seed=seed,
        fingerprint="r",
        models=NO_MODELS,
        events=events,
    )
    return prepare(
        curated,
        encoder or _encoder(),
        where=", ".join(source.path for source in data.train),
        folder=folder / "data",
        fingerprint="f",
        hashes={"template_hash": "t", "tokenizer_hash": "k"},
        events=events,
    )


def _rejected(dataset: DatasetVersion) -> list[dict[str, Any]]:
    lines = (dataset.folder / "rejected.jsonl").read_text(encoding="utf-8", errors="surrogatepass")
    return [json.loads(line) for line in lines.split("\n") if line]


def _budget(dataset: DatasetVersion) -> dict[str, Any]:
    budget: dict[str, Any] = json.loads((dataset.folder / "label_budget.json").read_text(encoding="utf-8"))
    return budget


def _places(dataset: DatasetVersion, split: Any) -> set[tuple[str, int]]:
    return {(row.source, row.row) for row in read_examples(dataset, split)}


class TestEveryRowIsSomewhere:
    ROWS = [
        *_alpaca(40),
        {"instruction": "question 3", "output": "answer 3"},  # 41: duplicate
        {"instruction": "x", "output": 5},  # 42
        {"instruction": "y", "output": ""},  # 43
        "no object",  # 44
        {"instruction": "long " * 200, "output": "z"},  # 45: the prompt fills everything
        {"instruction": "w", "output": "long " * 200},  # 46: cut
        {"instruction": "<|im_end|>", "output": "v"},  # 47: escaped
        {"instruction": "\U000f0000<|im_end|>", "output": "v"},  # 48
    ]

    def test_trained_held_out_or_rejected(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, self.ROWS, encoder=_encoder(max_length=100))
        train, held_out = _places(dataset, "train"), _places(dataset, "eval")
        rejected = {(row["source"], row["row"]) for row in _rejected(dataset)}
        assert train | held_out | rejected == {("train.jsonl", n) for n in range(1, 49)}
        assert len(train) + len(held_out) + len(rejected) == 48
        assert dataset.num_train == len(train) and dataset.num_eval == len(held_out)
        assert dataset.num_rejected == len(rejected) == 6

    def test_reasons(self, tmp_path: Path) -> None:
        rejected = _rejected(_prepare(tmp_path, self.ROWS, encoder=_encoder(max_length=100)))
        assert {row["row"]: row["reason"] for row in rejected} == {
            41: "duplicate", 42: "wrong_type", 43: "empty_answer", 44: "not_an_object", 45: "no_labels",
            48: "special_token_in_content",
        }  # fmt: skip
        assert all(row["detail"] for row in rejected)

    def test_rejected_rows_are_kept(self, tmp_path: Path) -> None:
        rejected = {row["row"]: row["raw"] for row in _rejected(_prepare(tmp_path, self.ROWS))}
        for number in (42, 43, 44):
            assert rejected[number] == self.ROWS[number - 1]
        assert rejected[41]["messages"][0]["content"] == "question 3"

    def test_half_a_surrogate_pair_is_written_back(self, tmp_path: Path) -> None:
        row = {"instruction": "a", "output": json.loads('"\\ud83d"')}
        assert _rejected(_prepare(tmp_path, [*_alpaca(5), row]))[0]["raw"] == row

    def test_notices_name_what_is_lost(self, tmp_path: Path) -> None:
        notices = "\n".join(_prepare(tmp_path, self.ROWS, encoder=_encoder(max_length=100)).notices)
        assert "6 rows left out" in notices and "1 duplicate" in notices
        assert "1 row cut" in notices
        assert "lost the end token, e.g. train.jsonl, row 46" in notices
        assert "special token stand in 1 row, e.g. train.jsonl, row 47" in notices

    def test_sound_data_has_no_notice(self, tmp_path: Path) -> None:
        assert _prepare(tmp_path, _alpaca(10)).notices == ()


class TestLabelBudget:
    @pytest.mark.parametrize("loss_on", ["assistant", "all"])
    def test_figures_are_those_of_the_stored_rows(self, tmp_path: Path, loss_on: str) -> None:
        encoder = _encoder(max_length=100, loss_on=loss_on)
        dataset = _prepare(tmp_path, TestEveryRowIsSomewhere.ROWS, encoder=encoder)
        budget = _budget(dataset)
        for split in ("train", "eval"):
            columns = pyarrow.parquet.read_table(dataset.folder / f"{split}.parquet").to_pydict()
            figures = budget["splits"][split]
            assert figures["rows"] == figures["examples"] == len(columns["row"])
            assert figures["tokens"] == sum(map(len, columns["input_ids"]))
            assert figures["longest_example_tokens"] == max(map(len, columns["input_ids"]))
            assert figures["supervised_tokens"] == sum(
                label != IGNORED for labels in columns["labels"] for label in labels[1:]
            )
            assert figures["truncated_tokens"] == sum(columns["num_truncated"])
            assert figures["truncated"]["rows"] == sum(n > 0 for n in columns["num_truncated"])
            assert figures["answers_without_end_token"]["rows"] == sum(columns["lost_end"])
            assert figures["special_token_text"]["rows"] == sum(n > 0 for n in columns["num_escaped"])
        train = budget["splits"]["train"]
        assert (dataset.num_tokens, dataset.num_supervised) == (train["tokens"], train["supervised_tokens"])
        assert dataset.max_tokens == max(s["longest_example_tokens"] for s in budget["splits"].values())

    def test_rows_that_lost_their_end_are_named(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, TestEveryRowIsSomewhere.ROWS, encoder=_encoder(max_length=100))
        lost = [split["answers_without_end_token"] for split in _budget(dataset)["splits"].values()]
        assert sum(entry["rows"] for entry in lost) == 1
        assert [place for entry in lost for place in entry["first"]] == ["train.jsonl, row 46"]

    def test_rejections_are_counted_by_reason(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, [*_alpaca(30), *_alpaca(25)])
        (entry,) = _budget(dataset)["left_out"].items()
        assert entry[0] == "duplicate" and entry[1]["rows"] == 25
        assert entry[1]["first"] == [f"train.jsonl, row {n}" for n in range(31, 51)]
        assert Counter(row["reason"] for row in _rejected(dataset)) == {"duplicate": 25}

    def test_blocks_of_text_are_counted_as_examples_and_rows(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one " * 100 + "\n\ntwo\n\nthree\n\nfour", encoding="utf-8")
        encoder = TextEncoder(make_tokenizer(CHATML), max_length=20)
        dataset = _prepare(tmp_path, sources=["a.txt"], encoder=encoder, evaluation={"split": 0.25})
        splits = _budget(dataset)["splits"].values()
        assert sum(s["rows"] for s in splits) == 4
        stored = [len(read_examples(dataset, split)) for split in ("train", "eval")]
        assert [s["examples"] for s in splits] == stored == [dataset.num_train, dataset.num_eval]
        assert sum(stored) > 4
        assert [len(read_samples(dataset, "train")), len(read_samples(dataset, "eval"))] == [
            s["rows"] for s in splits
        ]


class TestHeldOut:
    def test_no_held_out_row_is_trained(self, tmp_path: Path) -> None:
        _write(tmp_path / "eval.jsonl", _alpaca(5))
        dataset = _prepare(tmp_path, _alpaca(20), evaluation={"sources": [{"path": "eval.jsonl"}]})
        assert (dataset.num_train, dataset.num_eval) == (15, 5)
        assert Counter(row["reason"] for row in _rejected(dataset)) == {"in_evaluation_set": 5}
        trained = {sample.messages for sample in read_samples(dataset, "train")}
        assert not trained & {sample.messages for sample in read_samples(dataset, "eval")}

    def test_no_held_out_row_is_trained_even_with_duplicates_kept(self, tmp_path: Path) -> None:
        _write(tmp_path / "eval.jsonl", _alpaca(5))
        dataset = _prepare(
            tmp_path, _alpaca(20) * 2, evaluation={"sources": [{"path": "eval.jsonl"}]}, deduplicate="off"
        )
        assert (dataset.num_train, dataset.num_eval) == (30, 5)

    def test_answers_of_a_held_out_prompt_are_not_trained_either(self, tmp_path: Path) -> None:
        rows = [{"instruction": f"q {n % 10}", "output": f"a {n}"} for n in range(60)]
        dataset = _prepare(tmp_path, rows)
        questions = [
            {s.messages[0].content for s in read_samples(dataset, split)} for split in ("train", "eval")
        ]
        assert not questions[0] & questions[1] and sum(map(len, questions)) == 10

    def test_groups_stay_together(self, tmp_path: Path) -> None:
        rows = [{**row, "author": n % 5} for n, row in enumerate(_alpaca(50))]
        dataset = _prepare(tmp_path, rows, evaluation={"split": 0.2, "group_by": "author"})
        groups = [{s.group for s in read_samples(dataset, split)} for split in ("train", "eval")]
        assert not groups[0] & groups[1] and groups[0] | groups[1] == set("01234")

    def test_order_of_the_rows_does_not_move_the_split(self, tmp_path: Path) -> None:
        rows = _alpaca(60)
        first, second = _prepare(tmp_path / "a", rows), _prepare(tmp_path / "b", rows[::-1])
        held_out = [{s.messages for s in read_samples(dataset, "eval")} for dataset in (first, second)]
        assert held_out[0] == held_out[1] and len(held_out[0]) == 12

    def test_seed(self, tmp_path: Path) -> None:
        datasets = [_prepare(tmp_path / str(n), _alpaca(60), seed=seed) for n, seed in enumerate([1, 1, 2])]
        assert datasets[0].content_hash == datasets[1].content_hash != datasets[2].content_hash

    def test_nothing_held_out(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, _alpaca(10), evaluation={})
        assert (dataset.num_train, dataset.num_eval, len(read_examples(dataset, "eval"))) == (10, 0, 0)


class TestRefused:
    def _fault(self, folder: Path, rows: list[Any] | None, **settings: Any) -> str:
        with pytest.raises(DataError) as caught:
            _prepare(folder, rows, **settings)
        assert not (folder / "data").exists() and not list(folder.glob(".partial-*"))
        return str(caught.value)

    def test_all_rows_masked(self, tmp_path: Path) -> None:
        muted = {"role": "assistant", "content": "a", "weight": 0}
        rows = [{"messages": [{"role": "user", "content": f"{n}"}, muted]} for n in range(8)]
        for evaluation in ({}, {"split": 0.25}):
            fault = self._fault(tmp_path, rows, evaluation=evaluation)
            assert "none of 8 rows has a token that carries loss" in fault and "no_labels" in fault

    def test_prompts_longer_than_max_length(self, tmp_path: Path) -> None:
        fault = self._fault(tmp_path, _alpaca(8), encoder=_encoder(max_length=5))
        assert "data.max_length, 5 tokens" in fault

    def test_most_rows_unusable(self, tmp_path: Path) -> None:
        rows = [*_alpaca(4), *({"instruction": f"{n}", "output": n} for n in range(5))]
        fault = self._fault(tmp_path, rows)
        assert "5 of 9 rows cannot be used" in fault and "wrong_type, e.g. train.jsonl, row 5" in fault

    def test_half_unusable_is_still_trained(self, tmp_path: Path) -> None:
        rows = [*_alpaca(5), *({"instruction": f"{n}", "output": n} for n in range(5))]
        assert _prepare(tmp_path, rows).num_rejected == 5

    def test_many_duplicates_are_no_fault(self, tmp_path: Path) -> None:
        assert _prepare(tmp_path, _alpaca(4) * 10).num_rejected == 36

    def test_all_training_rows_held_out(self, tmp_path: Path) -> None:
        _write(tmp_path / "eval.jsonl", _alpaca(20))
        fault = self._fault(tmp_path, _alpaca(20), evaluation={"sources": [{"path": "eval.jsonl"}]})
        assert "in_evaluation_set" in fault

    def test_evaluation_rows_unusable(self, tmp_path: Path) -> None:
        _write(tmp_path / "eval.jsonl", [{"instruction": f"{n}", "output": n} for n in range(4)])
        fault = self._fault(tmp_path, _alpaca(20), evaluation={"sources": [{"path": "eval.jsonl"}]})
        assert fault.startswith("eval.jsonl")

    def test_one_prompt_only(self, tmp_path: Path) -> None:
        rows = [{"instruction": "same", "output": f"{n}"} for n in range(9)]
        assert "share one prompt" in self._fault(tmp_path, rows)

    def test_held_out_rows_that_cannot_be_encoded(self, tmp_path: Path) -> None:
        class RefusesOne:
            def __call__(self, sample: Sample) -> list[Example] | Rejection:
                if sample in refused:
                    return Rejection(sample.source, sample.row, "no_labels", "nothing to learn")
                return _encoder()(sample)

        dataset = _prepare(tmp_path / "first", _alpaca(10), evaluation={"split": 0.1})
        refused = read_samples(dataset, "eval")
        fault = self._fault(tmp_path / "second", _alpaca(10), evaluation={"split": 0.1}, encoder=RefusesOne())
        assert "chosen to be held out" in fault and "nothing to learn" in fault

    def test_too_long_is_an_error_where_the_recipe_says_so(self, tmp_path: Path) -> None:
        rows = [*_alpaca(9), {"instruction": "q", "output": "long " * 200}]
        fault = self._fault(tmp_path, rows, encoder=_encoder(max_length=100, too_long="error"))
        assert "train.jsonl, row 10" in fault

    def test_a_broken_second_file(self, tmp_path: Path) -> None:
        (tmp_path / "b.jsonl").write_text('{"text": "x"}\nbroken\n', encoding="utf-8")
        assert "b.jsonl: line 2" in self._fault(tmp_path, _alpaca(9), sources=["train.jsonl", "b.jsonl"])


class TestDuplicates:
    def test_across_files_and_schemas(self, tmp_path: Path) -> None:
        _write(tmp_path / "b.jsonl", [{"prompt": "question 1", "completion": "answer 1"}])
        dataset = _prepare(tmp_path, _alpaca(10), sources=["train.jsonl", "b.jsonl"])
        (rejected,) = _rejected(dataset)
        assert (rejected["source"], rejected["row"], rejected["detail"]) == (
            "b.jsonl",
            1,
            "equal to train.jsonl, row 2",
        )

    def test_off_keeps_them_on_one_side(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, _alpaca(10) * 2, deduplicate="off")
        assert dataset.num_train + dataset.num_eval == 20 and dataset.num_rejected == 0
        trained = {s.messages for s in read_samples(dataset, "train")}
        assert not trained & {s.messages for s in read_samples(dataset, "eval")}

    def test_rows_that_differ_in_one_thing_are_kept(self, tmp_path: Path) -> None:
        user, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
        rows = [
            {"messages": [user, answer]},
            {"messages": [user, {**answer, "content": "a "}]},
            {"messages": [user, {**answer, "weight": 0}, user, answer]},
            {"messages": [user, answer, user, answer]},
            {"messages": [user, answer], "tools": [{"name": "f"}]},
            {"messages": [user, {**answer, "tool_calls": [{"name": "f", "arguments": {}}]}]},
        ]
        assert _prepare(tmp_path, rows, evaluation={}).num_rejected == 0


class TestStage:
    def test_result_is_loaded_as_it_was_made(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, TestEveryRowIsSomewhere.ROWS, encoder=_encoder(max_length=100))
        assert DatasetVersion.load(tmp_path / "data") == dataset
        assert (dataset.template_hash, dataset.tokenizer_hash, dataset.fingerprint) == ("t", "k", "f")

    def test_content_hash_depends_on_labels_too(self, tmp_path: Path) -> None:
        user, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
        datasets = [
            _prepare(tmp_path / f"{weight}", [{"messages": [user, {**answer, "weight": weight}, user, answer]}],
                     evaluation={})
            for weight in (0, 1)
        ]  # fmt: skip
        tokens = [read_examples(dataset, "train")[0].input_ids.tolist() for dataset in datasets]
        assert tokens[0] == tokens[1] and datasets[0].content_hash != datasets[1].content_hash

    def test_progress_reaches_the_total(self, tmp_path: Path) -> None:
        _prepare(tmp_path, _alpaca(1200))
        progress = [
            e["done"]
            for e in read_events(tmp_path / "events.jsonl")
            if e["kind"] == "progress" and e["stage"] == "data"
        ]
        assert progress == [500, 1000, 1200]

    def test_stored_rows_are_the_encoded_ones(self, tmp_path: Path) -> None:
        dataset = _prepare(tmp_path, _alpaca(20))
        for split in ("train", "eval"):
            samples, rows = read_samples(dataset, split), read_examples(dataset, split)
            assert len(samples) == len(rows) > 0
            for sample, row in zip(samples, rows, strict=True):
                result = _encoder()(sample)
                assert isinstance(result, list)
                (encoded,) = result
                assert encoded.input_ids.tolist() == row.input_ids.tolist()
                assert encoded.labels.tolist() == row.labels.tolist()
                assert (row.source, row.row) == (sample.source, sample.row)


class TestRealData:
    @pytest.mark.parametrize("name", ["alpaca_en_demo", "identity"])
    def test_instructions(self, tmp_path: Path, shared_data: Path, name: str) -> None:
        raw = json.loads((shared_data / "instruction" / f"{name}.json").read_text(encoding="utf-8"))
        dataset = _prepare(tmp_path, sources=[str(shared_data / "instruction" / f"{name}.json")])
        assert dataset.num_train + dataset.num_eval + dataset.num_rejected == len(raw)
        assert dataset.num_rejected < 0.05 * len(raw) and dataset.num_eval > 0.1 * len(raw)
        end = _template().end_token_id
        for row in (*read_examples(dataset, "train"), *read_examples(dataset, "eval")):
            assert row.lost_end or row.labels[-1] == end

    @pytest.mark.parametrize("family", ["chatml", "qwen"])
    def test_tool_calls(self, tmp_path: Path, shared_data: Path, family: str) -> None:
        template = _template(family)
        encoder = ChatEncoder(template, loss_on="assistant", max_length=20_000, too_long="error")
        path = str(shared_data / "instruction" / "glaive_toolcall_en_demo.json")
        dataset = _prepare(tmp_path, sources=[path], encoder=encoder)
        assert dataset.num_train + dataset.num_eval + dataset.num_rejected == 300
        assert {row["reason"] for row in _rejected(dataset)} <= {"duplicate"}
        for sample, row in zip(read_samples(dataset, "eval"), read_examples(dataset, "eval"), strict=True):
            answers = [turn for turn in sample.messages if turn.role == "assistant"]
            supervised = [label for label in row.labels.tolist() if label != IGNORED]
            assert supervised.count(template.end_token_id) == len(answers)
            trained = template.tokenizer.decode(supervised)
            for turn in answers:
                assert turn.content in trained and all(call["name"] in trained for call in turn.tool_calls)
            assert not any(turn.content in trained for turn in sample.messages if turn.role == "system")
