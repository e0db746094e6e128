"""Invented data with the shape of the published sets, drawn from a known model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Truth:
    """The parameters that synthetic data were drawn from."""
