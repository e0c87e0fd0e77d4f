"""Chat templates in the shapes of well-known model families, written for the tests, and a tokenizer for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

_CORPUS = [
    "The quick brown fox jumps over the lazy dog. What is the time? It is noon.",
    "user assistant system answer question hello there, one two three four",
    '{"name": "get_time", "arguments": {"zone": "UTC"}}',
]


@dataclass(frozen=True)
class Family:
    """A template and the tokens that it is made for.

    Args:
        template: Jinja text.
        end: The token that ends an answer.
        specials: Special tokens besides begin, end and padding.
        bos: Begin token, written by the template.
        eos: The tokenizer's end token; often the same as `end`.
        has_system: Whether the family has a system role.
    """

    template: str
    end: str
    eos: str
    specials: tuple[str, ...] = ()
    bos: str | None = None
    has_system: bool = True


CHATML = Family(
    template="""{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    end="<|im_end|>",
    eos="<|im_end|>",
    specials=("<|im_start|>",),
)

LLAMA3 = Family(
    template="""{{- bos_token }}{%- for m in messages %}
{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}""",
    end="<|eot_id|>",
    eos="<|end_of_text|>",
    specials=("<|start_header_id|>", "<|end_header_id|>"),
    bos="<|begin_of_text|>",
)

GEMMA = Family(
    template="""{{ bos_token }}{% if messages[0].role == 'system' %}
{{- raise_exception('System role not supported') }}{% endif %}{% for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim }}
{{- '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}""",
    end="<end_of_turn>",
    eos="<eos>",
    specials=("<start_of_turn>",),
    bos="<bos>",
    has_system=False,
)

MISTRAL = Family(
    template="""{%- if messages[0].role == 'system' %}{% set system = messages[0].content + '\n\n' %}
{%- set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}
{{- bos_token }}{% for m in turns %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{%- if m.role == 'user' %}{{ '[INST] ' + (system if loop.first else '') + m.content + ' [/INST]' }}
{%- else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}""",
    end="</s>",
    eos="</s>",
    bos="<s>",
)

QWEN = Family(
    template="""{%- if tools %}{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}
{{- '# Tools\n<tools>' }}{% for tool in tools %}{{ '\n' + tool | tojson }}{% endfor %}
{{- '\n</tools><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant\n' + m.content }}
{%- for call in m.tool_calls or [] %}
{%- if (loop.first and m.content) or not loop.first %}{{ '\n' }}{% endif %}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{ '}\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}
{%- elif m.role == 'tool' %}
{%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
{{- '\n<tool_response>\n' + m.content + '\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\n' }}{% endif %}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    end="<|im_end|>",
    eos="<|im_end|>",
    specials=("<|im_start|>", "<|endoftext|>"),
)

FAMILIES = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL, "qwen": QWEN}


@cache
def _trained_json(prefix_space: bool) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_CORPUS, trainer)
    return str(tokenizer.to_str())


def make_tokenizer(
    family: Family, *, template: str | None = None, adds_bos: bool = False, prefix_space: bool = False,
    **named: str | None,
) -> Any:  # fmt: skip
    """Return a byte-level BPE tokenizer with the family's special tokens and template.

    Args:
        family: What the tokenizer is made for.
        template: Another template than the family's.
        adds_bos: Put the begin token before every text, as Llama's and Gemma's tokenizers do.
        prefix_space: Put a space before every text, as some older tokenizers do.
        named: ``eos_token``, ``pad_token`` and the like, instead of the family's; None leaves one out.
    """
    from tokenizers import AddedToken, Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(_trained_json(prefix_space))
    tokens = dict.fromkeys(
        [*(t for t in (family.bos, family.eos, family.end) if t), *family.specials, "<pad>"]
    )
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
    if adds_bos and family.bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, backend.token_to_id(family.bos))]
        )
    names = {"bos_token": family.bos, "eos_token": family.eos, "pad_token": "<pad>", **named}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, **{name: token for name, token in names.items() if token is not None}
    )
    tokenizer.chat_template = family.template if template is None else template
    return tokenizer
