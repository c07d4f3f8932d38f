"""Answers that keep a form: what may be asked for, and how a runtime is held to it."""

from smvl.infer.form.form import Form

__all__ = ["Form"]
