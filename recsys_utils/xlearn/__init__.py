"""xLearn, a library that is no longer maintained, run in a process of its own."""
from .runner import XLearnCrashed, XLearnResult, fit_predict

__all__ = ["XLearnCrashed", "XLearnResult", "fit_predict"]
