"""Everything that only a card can show, in one command: see run.sh."""
