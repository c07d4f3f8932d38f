"""A checkpoint as three ONNX graphs in the layout that transformers.js reads: see `folder.export_onnx`."""
