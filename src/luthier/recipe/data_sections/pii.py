"""`data.pii`: personal data and secrets in the rows, and what becomes of them."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from luthier.recipe.section import Section

PiiKind = Literal[
    "secret",
    "identity_card",
    "company_code",
    "iban",
    "foreign_identity",
    "bank_card",
    "email",
    "phone",
    "licence_plate",
    "passport",
    "ip_address",
    "address",
    "name",
]
PiiAction = Literal["report", "mask", "partial", "pseudonymise", "drop"]

_PLAIN_KINDS: tuple[PiiKind, ...] = tuple(kind for kind in get_args(PiiKind) if kind != "name")


class PiiSection(Section):
    """Personal data and secrets: find them, and mask, replace or drop them."""

    action: Literal["off"] | PiiAction = Field(
        "off",
        description="`report` counts; `mask` writes a label such as `[PHONE]`; `partial` stars the middle; "
        "`pseudonymise` writes another value of the same shape, the same for the same value; "
        "`drop` leaves the row out.",
    )
    kinds: list[PiiKind] = Field(
        default_factory=lambda: list(_PLAIN_KINDS),
        min_length=1,
        description="What to look for. Default: all but `name`, which is slow to find and never certain.",
    )
    actions: dict[PiiKind, PiiAction] = Field(
        default_factory=dict, description="Another action for some kinds, e.g. `{email: drop}`."
    )
    min_certainty: Literal["checked", "pattern", "uncertain"] = Field(
        "pattern",
        description="Act upon findings at least this certain, report the others: `checked` by a check digit, "
        "`pattern` by their form, `uncertain` for forms that other things have too (all names, street lines).",
    )
    key_env: str = Field(
        "LUTHIER_PII_KEY",
        min_length=1,
        description="Environment variable with the key of substitutes and map, at least 16 bytes.",
    )
    keep_map: bool = Field(
        False,
        description="Keep an encrypted map from substitutes to originals. Without it nothing leads back.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_action(cls, value: Any) -> Any:
        return {"action": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        if self.action == "off":
            idle = sorted(self.model_fields_set - {"action"})
            if idle:
                raise ValueError(f"{idle[0]} has no effect while action is off")
            return self
        used = {self.actions.get(kind, self.action) for kind in self.kinds}
        if idle_kinds := [kind for kind in self.actions if kind not in self.kinds]:
            raise ValueError(f"actions names {idle_kinds[0]}, which kinds does not look for")
        if self.keep_map and "pseudonymise" not in used:
            raise ValueError("keep_map has no effect: only the action pseudonymise has substitutes")
        if "key_env" in self.model_fields_set and "pseudonymise" not in used:
            raise ValueError("key_env has no effect: only the action pseudonymise uses a key")
        return self
