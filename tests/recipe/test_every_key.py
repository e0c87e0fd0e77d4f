"""Every leaf key of the recipe changes a stage's fingerprint, the plan, or what is done; a new key fails here."""

from __future__ import annotations
