"""Chinese text said in other words and written in another script, with its meaning and what it quotes kept; and near-duplicates removed."""

from smvl.data.augment_zh.augment import Augmentation, augment, augment_text
from smvl.data.augment_zh.near_duplicates import remove_near_duplicates
from smvl.data.augment_zh.overlap import character_overlap

__all__ = ["Augmentation", "augment", "augment_text", "character_overlap", "remove_near_duplicates"]
