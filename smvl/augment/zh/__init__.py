"""Chinese text said in other words and written in another script, with its meaning and what it quotes kept; and near-duplicates removed."""

from smvl.augment.zh.augment import Augmentation, augment, augment_text
from smvl.augment.zh.near_duplicates import remove_near_duplicates
from smvl.augment.zh.overlap import character_overlap

__all__ = ["Augmentation", "augment", "augment_text", "character_overlap", "remove_near_duplicates"]
