"""From the recipe's section to operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luthier.recipe.data_sections.pii import PiiSection

if TYPE_CHECKING:
    from luthier.data.operators.execute import Operator


def operators_of(section: PiiSection) -> list[Operator]:
    """Return the operators that a section asks for: none where it is off.

    The batches that come out carry notes; `report.collected` counts them and hands out the sealed map.

    Raises:
        DataError: The section needs a key, and the environment holds none.
    """
    if section.action == "off":
        return []
    from luthier.data.operators.intake import SAMPLE_NUMBERS
    from luthier.data.pii.operator import PersonalData

    return [
        PersonalData(
            action=section.action,
            kinds=tuple(section.kinds),
            actions={kind: action for kind, action in section.actions.items()},
            min_certainty=section.min_certainty,
            key_env=section.key_env,
            keeps_map=section.keep_map,
            lists_findings=False,
            numbers=SAMPLE_NUMBERS,
        )
    ]
