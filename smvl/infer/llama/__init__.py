"""A GGUF export in llama.cpp, through llama-cpp-python: `model.LlamaModel` is what the engine drives."""
