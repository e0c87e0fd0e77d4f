"""What a linear layer does in its block, told from its name: keys, values, and where attention and feed-forward end."""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["key", "value", "joint", "attention_output", "feed_forward_output"]
"""``joint`` layers make queries, keys and values at once."""

# Searched in order: an encoder's `attention.output.dense` ends like its feed-forward block's `output.dense`.
_PATTERNS: tuple[tuple[Role, str], ...] = (
    ("key", r"\.(?:k_proj|key|key_proj)$"),
    ("value", r"\.(?:v_proj|value|value_proj)$"),
    ("joint", r"\.(?:query_key_value|qkv_proj|c_attn|Wqkv)$"),
    ("attention_output", r"\.(?:o_proj|out_proj|attention\.output\.dense|attention\.dense|attn\.c_proj)$"),
    ("attention_output", r"\.(?:self_attn\.dense|self_attention\.dense|attn\.Wo)$"),
    ("feed_forward_output", r"\.(?:down_proj|fc2|dense_4h_to_h|mlp\.c_proj|output\.dense|mlp\.Wo)$"),
)


def role_of(name: str) -> Role | None:
    """Return what the layer called ``name`` does, or None for queries, inner layers and unknown names."""
    return next((role for role, pattern in _PATTERNS if re.search(pattern, name)), None)
