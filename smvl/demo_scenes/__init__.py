"""The demo's drawn scenes: small pictures whose questions only the picture can answer."""

from smvl.demo_scenes.draw import write_demo_data

__all__ = ["write_demo_data"]
