"""The text model of a GGUF export in llama.cpp: its weights alone."""

import weakref

import llama_cpp

from smvl.infer.gguf_folder import GGUFFolder
from smvl.infer.llama.library import take_errors
from smvl.infer.manifest import ExportFolderError

_SEVERAL_AXES = (llama_cpp.LLAMA_ROPE_TYPE_MROPE, llama_cpp.LLAMA_ROPE_TYPE_IMROPE)


class LlamaWeights:
    """Loaded weights. Whatever llama.cpp makes of them must hold this object, so that they go last.

    Raises:
        ExportFolderError: llama.cpp cannot load the file, or it is not the text model of the folder's config.json.
    """

    def __init__(self, folder: GGUFFolder):
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # mapped, weights that are laid out anew for speed would be in memory twice
        self.pointer = llama_cpp.llama_model_load_from_file(str(folder.text).encode(), params)
        if not self.pointer:
            raise ExportFolderError(f"{folder.text} cannot be loaded by llama.cpp: {take_errors()}")
        weakref.finalize(self, llama_cpp.llama_model_free, self.pointer)
        self.width: int = llama_cpp.llama_model_n_embd(self.pointer)
        self.feature_width: int = llama_cpp.llama_model_n_embd_inp(self.pointer)
        """Of what takes the place of a token, what goes deeper (DeepStack) behind it."""
        self.counts_in_axes = llama_cpp.llama_model_rope_type(self.pointer) in _SEVERAL_AXES
        """Whether features have a position in each of four axes: time, height, width, and one that is always 0."""
        self.vocabulary: int = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.pointer))
        self._check_config(folder)

    def _check_config(self, folder: GGUFFolder) -> None:
        text = folder.config["text_config"]
        found = {
            "num_hidden_layers": llama_cpp.llama_model_n_layer(self.pointer),
            "hidden_size": self.width,
            "num_key_value_heads": llama_cpp.llama_model_n_head_kv(self.pointer),
            "vocab_size": self.vocabulary,
        }
        wrong = [f"{name} is {text.get(name)}, but the file's is {value}" for name, value in found.items() if text.get(name) != value]
        if wrong:
            raise ExportFolderError(f"{folder.path / 'config.json'} is not that of {folder.text}: {'; '.join(wrong)}.")
