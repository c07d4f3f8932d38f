"""Switches by which a data set leaves a turn out of the loss, or marks a row as one not to be learned, by whatever name.

A turn of the assistant's that is switched off is read and not learned: its message gets `"weight": 0`, as OpenAI has it.
"""

import re
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.values import is_empty

_ON = tuple("loss weight loss_weight loss_scale loss_mask train training trainable learn learnable train_on_turn with_loss".split())
_OFF = tuple("mask masked ignore ignored ignore_loss skip_loss no_loss no_train".split())
SWITCHES = (*_ON, *_OFF)
_OTHER_IN_TURNS = re.compile(r"[.](\w+_)?(loss|losses|train\w*|learn\w*|masked|mask_history|unmask|supervised?|no_grad)(_\w+)?$", re.I)
_OTHER_IN_ROWS = re.compile(r"(\w+_)?(loss|train(ed|able|ing)?|learn(ed|able)?|supervised?)", re.I)
_KNOWN_ELSEWHERE = re.compile(rf"[.]({'|'.join(SWITCHES)})$", re.IGNORECASE)
"""Below a turn, or in an entry of `texts`, where they are not read."""
_OTHER_ABOUT_TURNS = re.compile(r"(mask|train_on)_\w+", re.I)
_OF_PARTS = ("train_detail", "train_details")
_IS_GOOD_ANSWER = ("label", "kto_tag")
_WORDS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    **{"1": True, "0": False, "1.0": True, "0.0": False},
}


def is_switched_off(turn: dict[str, Any], role: str, index: int) -> bool:
    """Whether turn `index`, of a role of ours, asks not to be learned.

    Raises:
        SampleError: it asks for a share of a loss, for the loss of parts of its text, or to be learned though it is not the assistant's.
    """
    where = f"of message {index}"
    if name := next((name for name in _OF_PARTS if not is_empty(turn.get(name))), None):
        raise SampleError("message switch", f"the switch {name} {where} is for parts of its text; a turn is learned whole or not at all")
    on = {name: _as_switch(turn[name], name, where) for name in _ON if not is_empty(turn.get(name))}
    off = {name: _as_switch(turn[name], name, where) for name in _OFF if not is_empty(turn.get(name))}
    if role == "assistant":
        return not all(on.values()) or any(off.values())
    if asking := [name for name in on if on[name]]:
        reason = f"the switch {asking[0]} {where} asks to learn what the {role} says; only what the assistant says is learned"
        raise SampleError("message switch", reason)
    return False


def check_no_other_switches(unread: dict[str, list[Any]]) -> None:
    """Raise `SampleError` for a switch of a name that is not known here: which way it is on cannot be told.

    Of a row one that is on is let through, as it may mean that the row is of the part to train on, unless it is about turns.
    """
    for place, values in unread.items():
        is_about_turns = any((_OTHER_IN_TURNS.search(place), _KNOWN_ELSEWHERE.search(place), _OTHER_ABOUT_TURNS.fullmatch(place)))
        if not is_about_turns and not _OTHER_IN_ROWS.fullmatch(place):
            continue
        if found := [value for value in values if as_word(value) in ((0, 1) if is_about_turns else (0,))]:
            reason = f"{place} is {found[0]!r}, which seems to switch the loss and is not read; expected `loss` in the assistant's turns"
            raise SampleError("message switch", reason)


def check_row_is_learned(row: dict[str, Any]) -> None:
    """Raise `SampleError` for a row that is switched off as a whole, or whose answer is marked as a bad one."""
    for name in _ON:
        if as_word(row.get(name)) in (0, False):
            raise SampleError("message switch", f"the row is switched off ({name}: {row[name]})")
    for name in _OFF:
        if as_word(row.get(name)) in (1, True):
            raise SampleError("message switch", f"the row is switched off ({name}: {row[name]})")
    for name in _IS_GOOD_ANSWER:
        if row.get(name) is False or row.get(name) == "false":  # 0 may be the number of a class
            raise SampleError("rejected answer", f"{name} is false, which marks the answer as a bad one; expected answers to learn")


def as_word(value: Any) -> Any:
    """What a text says of on and off, None where it says neither; any other value as it is."""
    return _WORDS.get(value.strip().lower()) if isinstance(value, str) else value


def _as_switch(value: Any, name: str, where: str) -> bool:
    found = as_word(value)
    if isinstance(found, (bool, int, float)) and found in (0, 1):
        return bool(found)
    raise SampleError("message switch", f"the switch {name} {where} is {str(value)[:40]!r}; expected true or false, 1 or 0")
