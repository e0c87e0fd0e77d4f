"""The models of a report: each loaded once, given out again as it was, and proved to be unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from luthier.models.shared_weights import WeightSums, changed_weights, weight_sums


class Shelf:
    """Holds the model that was asked for last, and those that share its weights; others are let go.

    So no more than one copy of weights is held, beside what a caller still holds.
    """

    def __init__(self) -> None:
        self._held: dict[Kept, tuple[Any, WeightSums]] = {}

    def keep(self, load: Callable[[], Any], *, beside: Kept | None = None) -> Kept:
        """Return a model's loading that is done once, as long as the shelf holds the model.

        Args:
            load: Returns the model, in evaluation mode.
            beside: A model whose weights it shares, so that both can be held.
        """
        return Kept(self, load, beside)

    def give(self, kept: Kept) -> Any:
        """Return a model: the one that is held, as it was when it was loaded, or a new one."""
        if kept not in self._held:
            own = {kept, kept.beside}
            for other in list(self._held):
                if other not in own and other.beside is not kept:
                    del self._held[other]
            model = kept.load()
            self._held[kept] = (model, weight_sums(model))
        model, _ = self._held[kept]
        model.zero_grad(set_to_none=True)
        return model.eval()

    def check(self, who: str) -> None:
        """See to it that the models that are held have the weights that were loaded.

        Args:
            who: Used them last.

        Raises:
            AssertionError: Weights were changed, which would falsify whatever is measured next.
        """
        for model, before in self._held.values():
            changed = changed_weights(before, model)
            assert not changed, f"{who} changed {len(changed)} weights of a model, e.g. {changed[0]}"

    def clear(self) -> None:
        """Let go of every model."""
        self._held.clear()


class Kept:
    """A model's loading by way of a shelf; see `Shelf.keep`."""

    def __init__(self, shelf: Shelf, load: Callable[[], Any], beside: Kept | None) -> None:
        self.shelf = shelf
        self.load = load
        self.beside = beside

    def __call__(self) -> Any:
        """Return the model."""
        return self.shelf.give(self)
