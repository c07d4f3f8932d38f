"""A model behind OpenAI's interface: `python -m smvl serve --model DIR`."""
